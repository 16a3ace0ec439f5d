//! `retry-after`, in each form of RFC 9110: seconds, or a date in any of the three ways to write one; also with a
//! fraction, which limiters write, and more than once, as it leaves a gateway that has a limit of its own. Dates are read
//! as leniently as other clients read them: `UTC` for `GMT`, a wrong day of the week, ISO 8601.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::{
    Timestamp,
    fmt::{rfc2822, strtime},
    tz::TimeZone,
};
use tracing::warn;

/// The longest wait that an answer may ask for.
const LONGEST: Duration = Duration::from_hours(1);
/// RFC 850's form, with two digits of the year, those of cookies, that of C's `asctime`, which pads the day with a blank,
/// and the usual one; without their zone, which is UTC.
const OLD_FORMS: [&str; 5] = [
    "%A, %d-%b-%y %H:%M:%S",
    "%a, %d-%b-%y %H:%M:%S",
    "%a, %d-%b-%Y %H:%M:%S",
    "%a %b %e %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S",
];
const UTC: [&str; 3] = ["GMT", "UTC", "Z"];
/// A wrong day of the week is no wrong time.
static DATES: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);

/// How long to leave the platform alone, if it says so; the longest of several waits. One that is too long is cut, and told.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = Timestamp::now();
    let values = headers.get_all(header::RETRY_AFTER).iter().filter_map(|value| value.to_str().ok());
    let wait = values.filter_map(|value| wait(value.trim(), now)).max()?;
    if wait > LONGEST {
        warn!(asked = ?wait, cut_to = ?LONGEST, "the platform's retry-after is longer than any that is followed");
    }
    Some(wait.min(LONGEST))
}

fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    // A date that has passed asks for no wait.
    let until = || Some(date(value)?.duration_since(now).try_into().unwrap_or_default());
    // What came in several headers may have been put into one on the way.
    let joined = || value.split(',').filter_map(|part| seconds(part.trim())).max();
    seconds(value).or_else(until).or_else(joined)
}

/// Digits, with or without a fraction; however many, since the longest wait is bounded.
fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if value.is_empty() || value == "." || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let seconds = value.parse::<f64>().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn date(value: &str) -> Option<Timestamp> {
    if let Some(date) = DATES.parse_timestamp(value).ok().or_else(|| value.parse().ok()) {
        return Some(date);
    }
    let without = |zone: &&str| {
        let (rest, end) = value.split_at_checked(value.len().checked_sub(zone.len())?)?;
        end.eq_ignore_ascii_case(zone).then(|| rest.trim_end())
    };
    let value = UTC.iter().find_map(without).unwrap_or(value);
    let old = OLD_FORMS.iter().find_map(|form| {
        let mut date = strtime::parse(form, value).ok()?;
        date.set_weekday(None);
        date.to_datetime().ok()
    })?;
    TimeZone::UTC.to_timestamp(old).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
            ("Fri, 27-Nov-2026 08:00:00 GMT", Some(30_000)),
            ("Mon, 27 Nov 2026 08:00:00 GMT", Some(30_000)),
            ("Fri, 27 Nov 2026 08:00:00 UTC", Some(30_000)),
            ("Fri, 27 Nov 2026 08:00:00 Z", Some(30_000)),
            ("Fri, 27 Nov 2026 03:00:00 EST", Some(30_000)),
            ("fri, 27 nov 2026 08:00:00 gmt", Some(30_000)),
            ("27 Nov 2026 08:00:00 GMT", Some(30_000)),
            ("Fri, 27-Nov-26 08:00:00 GMT", Some(30_000)),
            ("Friday, 27-Nov-26 08:00:00 UTC", Some(30_000)),
            ("friday, 27-nov-26 08:00:00 gmt", Some(30_000)),
            ("Monday, 27-Nov-26 08:00:00 GMT", Some(30_000)),
            ("Mon Nov 27 08:00:00 2026", Some(30_000)),
            ("Fri Nov 27 08:00:00 2026 GMT", Some(30_000)),
            ("2026-11-27T08:00:00Z", Some(30_000)),
            ("2026-11-27T09:00:00+01:00", Some(30_000)),
            ("Fri, 27 Nov 2026 08:00:00", Some(30_000)),
            ("Fri, 31 Nov 2026 08:00:00 GMT", None),
            ("30, 60", Some(60_000)),
            ("30,", Some(30_000)),
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
            assert_eq!(wait(value, now).map(|wait| wait.min(LONGEST)), expected.map(Duration::from_millis), "{value}");
        }
    }

    #[test]
    fn of_several_headers_the_longest_wait_counts() {
        let of = |values: &[&'static str]| {
            let values = values.iter().map(|value| (header::RETRY_AFTER, HeaderValue::from_static(value)));
            retry_after(&values.collect())
        };
        assert_eq!(of(&["soon", "30"]), Some(Duration::from_secs(30)));
        assert_eq!(of(&["60", "30"]), Some(Duration::from_mins(1)));
        assert_eq!(of(&["soon"]), None);
        assert_eq!(of(&["31536000"]), Some(LONGEST));
    }
}
