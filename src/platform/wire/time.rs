//! Times and spans of time.

use std::str::FromStr;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::Wire;
use crate::proto::json::Reader;

/// A time of the platform: ISO 8601 with `Z`, an offset or no zone (then UTC), in the years a protobuf Timestamp knows.
pub struct Time(pub Timestamp);

/// A span of time in seconds that a protobuf Duration can hold.
#[derive(Clone, Copy)]
pub struct Seconds(pub f64);

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Timestamp>().or_else(|_| TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>()?)).map(Self)
    }
}

impl Wire for Time {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        /// 0001-01-01T00:00:00Z, the first second of a protobuf Timestamp.
        const FIRST: i64 = -62_135_596_800;
        json.string()?.text().parse().ok().filter(|time: &Self| time.0.as_second() >= FIRST)
    }
}

impl Wire for Seconds {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        /// The most a protobuf Duration holds: about 10,000 years.
        const MOST: f64 = 315_576_000_000.0;
        f64::read(json).filter(|seconds| seconds.abs() <= MOST).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_with_z_with_an_offset_and_with_no_zone() {
        let time = |text: &str| text.parse::<Time>().map(|time| time.0.to_string()).ok();
        let noon = Some("2026-04-10T12:00:00.5Z".to_owned());
        assert_eq!(time("2026-04-10T12:00:00.5Z"), noon);
        assert_eq!(time("2026-04-10T14:00:00.500000+02:00"), noon);
        assert_eq!(time("2026-04-10T12:00:00.5"), noon);
        assert_eq!(time("2026-04-10 12:00:00.5"), noon);
        assert_eq!(time("yesterday"), None);
    }
}
