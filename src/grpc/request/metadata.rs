//! What a call's metadata says: that it is one, its deadline, its request id, and its caller's own key for the platform.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use uuid::{Builder, Uuid, fmt::Hyphenated};

use crate::{calls::Error, telemetry::X_REQUEST_ID, translate};

/// The longest request id that is taken over, in bytes.
const MAX_REQUEST_ID: usize = 128;
/// The longest key that is taken over, in bytes.
const MAX_KEY: usize = 1024;

/// Whether a request says once that it is gRPC: `application/grpc`, in any letter case as RFC 9110 has it (8.3.1), alone
/// or with `+` or `;` behind it. Browsers send no such type across origins without asking first.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let mut values = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some((start, rest)) = value.split_at_checked(TYPE.len()) else { return false };
    start.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';'))
}

/// How much HTTP/2 counts for what a head says, in bytes: each name and value with 32 more.
pub fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// When the caller stops waiting, by `grpc-timeout`: up to eight digits and a unit.
///
/// # Errors
/// When it is malformed: a call without its deadline could outlive its caller.
pub fn deadline(headers: &HeaderMap) -> Result<Option<Instant>, Error> {
    let Some(value) = headers.get("grpc-timeout") else {
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
pub fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(X_REQUEST_ID).map(HeaderValue::as_bytes);
    let given = given.filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic));
    let made_up = || HeaderValue::from_str(new_id().encode_lower(&mut Uuid::encode_buffer())).ok();
    given.and_then(|id| HeaderValue::from_bytes(id).ok()).or_else(made_up).unwrap_or(HeaderValue::from_static("-"))
}

/// A UUID that sorts by time. Not a secret: its random part is not worth a call of the kernel, as uuid's own would be.
fn new_id() -> Hyphenated {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &random).into_uuid().hyphenated()
}

/// The caller's own key for the platform and its organization, as far as it names them.
///
/// # Errors
/// When they cannot be what they should be; the words never repeat the key.
pub fn platform_key(metadata: &MetadataMap) -> Result<(Option<&str>, Option<&str>), Error> {
    let text = |name| {
        let mut values = metadata.get_all(name).iter();
        let value = values.next()?.to_str().unwrap_or_default();
        // Which of two is meant is nobody's to guess: it counts as one that cannot be.
        Some(if values.next().is_none() { value } else { "" })
    };
    let (key, organization) = (text("x-api-key"), text("x-organization-id"));
    let is_key = |key: &str| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_some_and(|key| !is_key(key)) {
        return Err(Error::invalid(
            "x-api-key",
            "must be given once, in printable ASCII without spaces, at most 1024 bytes",
        ));
    }
    if organization.is_some_and(|organization| !translate::is_id(organization)) {
        return Err(Error::invalid(
            "x-organization-id",
            "must be given once, match [A-Za-z0-9._~-]{1,128} and not be . or ..",
        ));
    }
    Ok((key, organization))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says_grpc(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, value.parse().expect("a value"));
        }
        is_grpc(&headers)
    }

    #[test]
    fn a_request_says_once_that_it_is_grpc() {
        let good = ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "Application/GRPC"];
        assert!(good.iter().all(|value| says_grpc(&[value])));
        let bad =
            ["", "application/grp", "application/grpc-web", "application/grpcs", " application/grpc", "text/plain"];
        for value in bad {
            assert!(!says_grpc(&[value]), "{value}");
        }
        assert!(!says_grpc(&[]) && !says_grpc(&["application/grpc", "text/plain"]));
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(timeout("100m"), Some(Duration::from_millis(100)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for bad in ["", "m", "123456789m", "-1S", "1", "1s", "1.5S", "ä"] {
            assert_eq!(timeout(bad), None, "{bad}");
        }
    }
}
