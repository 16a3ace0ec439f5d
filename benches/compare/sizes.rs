//! How the cost of an Invoke grows: with the calls under way, and with the size of the answer.

use crate::{
    Outcome,
    h2load::{self, Load, ONE, USUAL},
    invoke::{Pair, Row},
    report::Report,
    stats::{Bar, Spread},
    world::World,
};

const LOADS: [Load; 4] = [ONE, Load { connections: 8, calls: 1 }, USUAL, Load { connections: 8, calls: 125 }];
/// How much flat may rise: from the usual load to a thousand calls.
const FLAT: f64 = 1.2;
/// How much dearer a byte may be in the largest answer than in one of 256 KB.
const LINEAR: f64 = 1.5;

/// Sizes of results, in bytes.
const SIZES: [u32; 5] = [1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20];
/// How many bytes one measure moves, about.
const MOVED: u32 = 64 << 20;
const FEW: Load = Load { connections: 4, calls: 2 };

/// From one call under way to a thousand.
pub async fn in_flight(world: &World, pair: &Pair, report: &mut Report) -> Outcome {
    report.title("Invoke, by calls under way");
    report.line("| calls under way | the proxy, µs a call | floor, µs a call | × floor |");
    report.line("|---|---|---|---|");
    let mut costs = Vec::new();
    for load in LOADS {
        let calls = load.connections * load.calls;
        world.say(&format!("{calls} calls under way"));
        let rows = [&pair.proxy, &pair.floor];
        for row in rows {
            // The connections to the platform are made here: as many as calls, and of a thousand they would cost the most.
            row.measure(world, &world.request(), load, 2 * calls).await?;
        }
        let mut measured = [Vec::new(), Vec::new()];
        for _ in 0..world.plan.repeats {
            for (row, measured) in rows.into_iter().zip(&mut measured) {
                // Alone, a call waits longer than it costs.
                let count = if calls == 1 { row.calls / 4 } else { row.calls.max(4 * calls) };
                measured.push(row.measure(world, &world.request(), load, count).await?.0);
            }
        }
        costs.push(tell(report, &calls.to_string(), &measured, 1.0));
    }
    report.bar(Bar::at_most("a call of 1,000 under way by one of 128", costs[3] / costs[2], FLAT, "×"));
    Ok(())
}

/// From an answer of 1 KB to one of 4 MB.
pub async fn bodies(world: &World, pair: &Pair, report: &mut Report) -> Outcome {
    report.title("Invoke, by size of the result");
    report.line("| result | the proxy, µs a KB | floor, µs a KB | × floor |");
    report.line("|---|---|---|---|");
    let mut costs = Vec::new();
    for size in SIZES {
        world.say(&format!("results of {} KB", size >> 10));
        let request = world.folder.join(format!("size-{size}"));
        h2load::write_request(&request, &format!("size-{size}"))?;
        let mut measured = [Vec::new(), Vec::new()];
        for _ in 0..world.plan.repeats {
            for (row, measured) in [&pair.proxy, &pair.floor].into_iter().zip(&mut measured) {
                measured.push(cost_of(world, row, &request, size).await?);
            }
        }
        costs.push(tell(report, &format!("{} KB", size >> 10), &measured, f64::from(size >> 10)));
    }
    // What a call costs whatever its size is left out by the difference to the smallest.
    let of_a_byte = |at: usize| (costs[at] - costs[0]) / f64::from(SIZES[at] - SIZES[0]);
    report.bar(Bar::at_most("a byte of 4 MB by one of 256 KB", of_a_byte(4) / of_a_byte(2), LINEAR, "×"));
    Ok(())
}

async fn cost_of(world: &World, row: &Row, request: &std::path::Path, size: u32) -> Outcome<f64> {
    let answer = h2load::answer_size(row.running.address, request).await?;
    if answer < size as usize {
        return Err(format!("{}: an answer of {answer} bytes with a result of {size}", row.name).into());
    }
    let count = (MOVED / size).clamp(16, row.calls);
    Ok(row.measure_answers(world, request, FEW, count, answer).await?.0)
}

/// A line of a table: what the proxy and the floor cost, by this unit. What the proxy costs in all.
pub fn tell(report: &mut Report, what: &str, measured: &[Vec<f64>; 2], unit: f64) -> f64 {
    let of = |values: &[f64]| values.iter().map(|value| value / unit).collect::<Spread>();
    let [proxy, floor] = measured;
    let ratios = Spread::ratios(proxy, floor).quartiles();
    report.line(&format!("| {what} | {} | {} | {ratios} |", of(proxy).range(), of(floor).range()));
    of(proxy).median() * unit
}
