//! What may be an id, whoever names it: it becomes a part of a path, of a line of the log, of what is remembered.

/// The longest id, in bytes.
const MAX_ID: usize = 128;

/// Whether this may be an id: `[A-Za-z0-9._~-]{1,128}`, and not `.` or `..`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    is_unreserved(text, MAX_ID) && text != "." && text != ".."
}

/// Whether these are 1 to `most` characters that stand for themselves in a URL (RFC 3986, 2.3).
#[must_use]
pub fn is_unreserved(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}
