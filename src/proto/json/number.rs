//! Numbers between JSON and doubles.

/// Every whole number up to here is a double's own: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// As many digits fit below it, whatever they are.
const EXACT_DIGITS: usize = 15;

/// The double that says what a number says, as it is written: none for an integer that falls between two doubles, and
/// beyond a double's range.
pub fn exact(number: &str) -> Option<f64> {
    let double: f64 = number.parse().ok()?;
    let is_exact = number.len() <= EXACT_DIGITS
        || memchr::memchr3(b'.', b'e', b'E', number.as_bytes()).is_some()
        || format!("{double:.0}") == number;
    (is_exact && double.is_finite()).then_some(double)
}

/// A caller's number, as JSON writes it.
pub enum Inward {
    /// A whole one: `1`, not `1.0`.
    Whole(i64),
    /// A whole one beyond those, with all its digits.
    Digits(String),
    /// One with a fraction, or none at all.
    Double(f64),
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub fn inward(double: f64) -> Inward {
    if double.fract() != 0.0 || !double.is_finite() {
        Inward::Double(double)
    } else if double.abs() <= EXACT {
        Inward::Whole(double as i64)
    } else {
        // Display writes a double's digits without an exponent.
        Inward::Digits(format!("{double:.0}"))
    }
}
