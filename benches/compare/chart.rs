//! The chart of what an Invoke costs: a bar for each row, with a line from the least to the most.

use std::fmt::Write as _;

use crate::stats::Spread;

const WIDTH: f64 = 860.0;
/// Where the bars begin and end.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 760.0;
const ROW: f64 = 30.0;
const TOP: f64 = 46.0;

/// An SVG of these rows.
pub fn draw(rows: &[(String, Spread)]) -> String {
    let most = rows.iter().map(|(_, cost)| cost.most()).fold(1.0, f64::max);
    let x = |cost: f64| LEFT + cost / most * (RIGHT - LEFT);
    let mut bars = String::new();
    let mut y = TOP;
    for (name, cost) in rows {
        let color = if name.starts_with("the proxy") { "#2563eb" } else { "#94a3b8" };
        let (middle, end) = (y + 10.0, x(cost.median()));
        // Writing to a String cannot fail.
        let _ = writeln!(
            bars,
            r#"<text x="{}" y="{}" text-anchor="end">{name}</text>
<rect x="{LEFT}" y="{y}" width="{:.1}" height="20" fill="{color}"/>
<line x1="{:.1}" x2="{:.1}" y1="{middle}" y2="{middle}" stroke="currentColor"/>
<text x="{:.1}" y="{}">{:.0} µs</text>"#,
            LEFT - 8.0,
            y + 15.0,
            end - LEFT,
            x(cost.least()),
            x(cost.most()),
            x(cost.most()) + 6.0,
            y + 15.0,
            cost.median(),
        );
        y += ROW;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {}" font-family="sans-serif" font-size="13">
<title>Processor time of one Invoke</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<g fill="#0f172a" color="#0f172a">
<text x="16" y="24" font-size="15">Processor time of one Invoke: median, and the least to the most of all rounds</text>
{bars}</g>
</svg>
"##,
        y + 8.0
    )
}
