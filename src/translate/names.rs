//! What a caller may write where it becomes a part of a path, a header or a time.

use std::time::Duration;

pub use crate::platform::is_id;
use crate::platform::is_unreserved;

/// The longest idempotency key, in bytes.
const MAX_REQUEST_ID: usize = 128;
/// The longest version pin, in bytes.
const MAX_VERSION: usize = 64;
/// The longest id of an event, in bytes.
const MAX_EVENT_ID: usize = 1024;

/// Whether this may be a version pin: 1 to 64 of the same characters.
pub(super) fn is_version(text: &str) -> bool {
    is_unreserved(text, MAX_VERSION)
}

/// Whether this may be an idempotency key: 1 to 128 bytes of printable ASCII.
pub(super) fn is_request_id(text: &str) -> bool {
    (1..=MAX_REQUEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The id of an event as a header's value: at most 1,024 bytes without control characters. None for an empty one.
///
/// # Errors
/// What is allowed.
pub fn event_id(text: &str) -> Result<Option<http::HeaderValue>, &'static str> {
    const ALLOWED: &str = "must be at most 1024 bytes without control characters";
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_EVENT_ID || text.chars().any(char::is_control) {
        return Err(ALLOWED);
    }
    http::HeaderValue::from_bytes(text.as_bytes()).map(Some).map_err(|_| ALLOWED)
}

/// A caller's span of time.
///
/// # Errors
/// What is allowed.
pub fn positive(duration: prost_types::Duration) -> Result<Duration, &'static str> {
    Duration::try_from(duration).map_err(|_| "must not be negative")
}

/// Whether this is an absolute http or https URL with a host.
pub(super) fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        assert!(is_id("agent-123") && is_id("a.b_c~d") && is_id("..."));
        for bad in ["", ".", "..", "a/b", "a%2fb", "a b", "a\n", "ä", "a?b", "a#b", &"x".repeat(129)] {
            assert!(!is_id(bad), "{bad:?}");
        }
        assert!(is_version("3") && !is_version("") && !is_version(&"1".repeat(65)));
    }

    #[test]
    fn only_absolute_web_urls_are_urls() {
        assert!(is_web_url("https://x/1.csv") && is_web_url("HTTP://example.com:8080/a?b#c"));
        for bad in ["", "/a", "x", "ftp://x/y", "file:///etc/passwd", "javascript:alert(1)", "http://", "//x/y"] {
            assert!(!is_web_url(bad), "{bad:?}");
        }
    }
}
