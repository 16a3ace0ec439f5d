//! What is told of many measurements: the median and how far they lie apart.

use std::fmt;

/// A set of measurements, sorted.
#[derive(Clone, Default)]
pub struct Spread(Vec<f64>);

impl Spread {
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn least(&self) -> f64 {
        self.quantile(0.0)
    }

    pub fn most(&self) -> f64 {
        self.quantile(1.0)
    }

    /// By linear interpolation; 0 where nothing was measured.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    pub fn quantile(&self, part: f64) -> f64 {
        let Some(last) = self.0.len().checked_sub(1) else { return 0.0 };
        let at = last as f64 * part;
        let (below, above) = (self.0[at.floor() as usize], self.0[at.ceil() as usize]);
        below + (above - below) * at.fract()
    }

    /// Ratios, measurement by measurement as they were taken.
    pub fn ratios(of: &[f64], to: &[f64]) -> Self {
        of.iter().zip(to).map(|(of, to)| of / to).collect()
    }

    /// The median with the least and the most.
    pub fn range(&self) -> String {
        let digits = if self.median() < 10.0 { 2 } else { 0 };
        format!("{:.digits$} [{:.digits$}–{:.digits$}]", self.median(), self.least(), self.most())
    }

    /// The median with the quartiles.
    pub fn quartiles(&self) -> String {
        format!("{:.2} [{:.2}–{:.2}]", self.median(), self.quantile(0.25), self.quantile(0.75))
    }
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

/// A measure that the issue bounds.
pub struct Bar {
    pub what: String,
    pub measured: f64,
    pub bound: f64,
    /// Whether the bound is the least and not the most.
    pub is_least: bool,
    pub unit: &'static str,
}

impl Bar {
    pub fn at_most(what: impl Into<String>, measured: f64, bound: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, bound, is_least: false, unit }
    }

    pub fn at_least(what: impl Into<String>, measured: f64, bound: f64, unit: &'static str) -> Self {
        Self { is_least: true, ..Self::at_most(what, measured, bound, unit) }
    }

    pub fn is_met(&self) -> bool {
        if self.is_least { self.measured >= self.bound } else { self.measured <= self.bound }
    }
}

impl fmt::Display for Bar {
    /// A row of the table of bars.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, measured, bound, is_least, unit } = self;
        let (than, verdict) = (if *is_least { "≥" } else { "≤" }, if self.is_met() { "met" } else { "**missed**" });
        write!(f, "| {what} | {measured:.2} {unit} | {than} {bound} {unit} | {verdict} |")
    }
}
