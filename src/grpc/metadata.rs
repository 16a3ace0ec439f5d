//! What a call's metadata says: its deadline and its request id.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use uuid::Uuid;

use crate::calls::Error;

/// The longest request id that is taken over, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// When the caller stops waiting, by `grpc-timeout`: up to eight digits and a unit.
///
/// # Errors
/// When it is malformed: a call without its deadline could outlive its caller.
pub fn deadline(metadata: &MetadataMap) -> Result<Option<Instant>, Error> {
    let Some(value) = metadata.get("grpc-timeout") else {
        return Ok(None);
    };
    let timeout = value.to_str().ok().and_then(timeout);
    let timeout =
        timeout.ok_or_else(|| Error::invalid("grpc-timeout", "must be up to eight digits and one of HMSmun"))?;
    Ok(Instant::now().checked_add(timeout))
}

fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The call's `x-request-id`, or a new one where it has none that is printable and short.
pub fn request_id(metadata: &MetadataMap) -> HeaderValue {
    let given = metadata.get("x-request-id").map(AsciiMetadataValue::as_encoded_bytes);
    let given = given.filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic));
    let made_up = || HeaderValue::from_str(&Uuid::now_v7().to_string()).ok();
    given.and_then(|id| HeaderValue::from_bytes(id).ok()).or_else(made_up).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(timeout("100m"), Some(Duration::from_millis(100)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for bad in ["", "m", "123456789m", "-1S", "1", "1s", "1.5S", "ä"] {
            assert_eq!(timeout(bad), None, "{bad}");
        }
    }
}
