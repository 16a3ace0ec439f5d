//! `retry-after`, in each form of RFC 9110: seconds, or a date in any of the three ways to write one; also with a
//! fraction, which limiters write.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::{
    Timestamp,
    fmt::{rfc2822, strtime},
    tz::TimeZone,
};

/// The longest wait that an answer may ask for.
const LONGEST: Duration = Duration::from_hours(1);
/// RFC 850's form, with two digits of the year, and that of C's `asctime`, which pads the day with a blank.
const OLD_FORMS: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// How long to leave the platform alone, if it says so.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    wait(headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim(), Timestamp::now())
}

fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    let wait = match seconds(value) {
        Some(wait) => wait,
        // A date that has passed asks for no wait.
        None => date(value)?.duration_since(now).try_into().unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

/// Digits, with or without a fraction; however many, since the longest wait is bounded.
fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if value.is_empty() || value == "." || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let seconds = value.parse::<f64>().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST))
}

fn date(value: &str) -> Option<Timestamp> {
    if let Ok(date) = rfc2822::parse(value) {
        return Some(date.timestamp());
    }
    let old = OLD_FORMS.iter().find_map(|form| strtime::parse(form, value).ok()?.to_datetime().ok())?;
    TimeZone::UTC.to_timestamp(old).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_how_long_to_wait() {
        let now: Timestamp = "2026-11-27T07:59:30Z".parse().expect("a time");
        let rows = [
            ("30", Some(30_000)),
            ("0", Some(0)),
            ("030", Some(30_000)),
            ("30.5", Some(30_500)),
            ("0.25", Some(250)),
            (".5", Some(500)),
            ("30.", Some(30_000)),
            ("99999", Some(3_600_000)),
            ("99999999999999999999999999", Some(3_600_000)),
            ("Fri, 27 Nov 2026 08:00:00 GMT", Some(30_000)),
            ("Friday, 27-Nov-26 08:00:00 GMT", Some(30_000)),
            ("Fri Nov 27 08:00:00 2026", Some(30_000)),
            ("Tue Dec  1 08:00:00 2026", Some(3_600_000)),
            ("Fri, 27 Nov 2026 07:00:00 GMT", Some(0)),
            ("Friday, 27-Nov-26 07:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("Fri, 27 Nov 2026 08:00:00 +0000", Some(30_000)),
            ("", None),
            (".", None),
            ("-1", None),
            ("+30", None),
            ("1e3", None),
            ("inf", None),
            ("NaN", None),
            ("30s", None),
            ("1.2.3", None),
            ("soon", None),
            ("Friday", None),
        ];
        for (value, expected) in rows {
            assert_eq!(wait(value, now), expected.map(Duration::from_millis), "{value}");
        }
    }
}
