//! Durations in settings: a whole number with a unit.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Reads `250ms`, `5s`, `2m` or `1h`; a bare number is refused, since its unit could only be guessed.
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(MINUTE)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(HOUR)?)),
        _ => None,
    }
}

/// Writes what [`parse`] reads, in the largest unit that loses no millisecond.
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_millis() != 0 {
        format!("{}ms", duration.as_millis())
    } else if seconds != 0 && seconds.is_multiple_of(HOUR) {
        format!("{}h", seconds / HOUR)
    } else if seconds != 0 && seconds.is_multiple_of(MINUTE) {
        format!("{}m", seconds / MINUTE)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["0s", "1ms", "1500ms", "5s", "90s", "2m", "1h", "25h"] {
            assert_eq!(parse(text).map(show).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_number_without_a_known_unit_or_too_large_a_one_is_refused() {
        for text in
            ["", "5", "s", "5d", "-5s", "1.5s", "5 s", "5S", "1h30m", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
