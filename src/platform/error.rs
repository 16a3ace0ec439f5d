//! What can go wrong between the proxy and the platform, by what it proves about the request.

use std::{fmt, time::Duration};

use serde_json::Value;

/// The longest text of an error that is kept, in bytes.
const MAX_DETAIL: usize = 1024;
/// The most field violations that are kept of one answer.
const MAX_VIOLATIONS: usize = 64;

/// A failed exchange with the platform.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No connection could be made: the request was not sent.
    #[error("the platform cannot be reached")]
    Connect(Cause),
    /// The connection was lost after the request was sent, or while it was.
    #[error("the connection to the platform was lost")]
    Lost(Cause),
    /// The platform did not answer within the proxy's own time limit.
    #[error("the platform did not answer within {0:?}")]
    Timeout(Duration),
    /// The caller's deadline passed.
    #[error("the deadline passed before the platform answered")]
    Deadline,
    /// The platform refused, with an HTTP status.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The platform's answer is not the JSON that was expected.
    #[error("the platform's answer to {what} cannot be read: {why}")]
    Unreadable {
        /// What was asked, e.g. "read a task".
        what: &'static str,
        /// What is wrong with the answer; never a part of it.
        why: String,
        /// The answer's HTTP status.
        status: u16,
    },
}

/// Why a connection failed: for the log, not for callers, since it may name addresses.
#[derive(Debug, Clone)]
pub struct Cause(pub String);

/// An answer with an HTTP status that is no success.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The platform's own words, cut at 1 KiB; none where it sent none or a proxy's HTML page.
    pub detail: Option<String>,
    /// The fields a 422 complains of.
    pub violations: Vec<Violation>,
    /// How long to wait, where the answer says so.
    pub retry_after: Option<Duration>,
    /// Whether the body is HTML: then a gateway spoke, not the platform.
    pub is_gateway: bool,
}

/// One field a 422 complains of.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Where it stands in the body, joined by dots without `body`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Error {
    /// The HTTP status of the platform's answer, when it answered.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Connect(_) | Self::Lost(_) | Self::Timeout(_) | Self::Deadline => None,
        }
    }

    /// Whether a create that failed so may have made a task all the same.
    #[must_use]
    pub fn may_have_created(&self) -> bool {
        match self {
            Self::Connect(_) => false,
            Self::Lost(_) | Self::Timeout(_) | Self::Deadline | Self::Unreadable { .. } => true,
            Self::Refused(refusal) => refusal.status >= 500 && !matches!(refusal.status, 501 | 503),
        }
    }

    /// Whether the same read may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Lost(_) | Self::Timeout(_) => true,
            Self::Refused(refusal) => matches!(refusal.status, 429 | 502..=504),
            Self::Deadline | Self::Unreadable { .. } => false,
        }
    }
}

impl Refusal {
    /// Reads an answer's body: `{"detail": "text"}`, `{"detail": [{"loc", "msg"}]}`, `{"error": …}`, plain text or HTML.
    /// `secret` is cut out wherever it is echoed.
    #[must_use]
    pub fn read(status: u16, body: &[u8], retry_after: Option<Duration>, secret: &str) -> Self {
        let mut refusal = Self { status, detail: None, violations: Vec::new(), retry_after, is_gateway: false };
        let body = String::from_utf8_lossy(body);
        match serde_json::from_str::<Value>(&body) {
            Ok(Value::Object(answer)) => {
                if let Some(Value::Array(faults)) = answer.get("detail") {
                    refusal.violations = faults.iter().take(MAX_VIOLATIONS).filter_map(Violation::read).collect();
                }
                refusal.detail = ["detail", "error", "message"].iter().find_map(|key| words(answer.get(*key)?));
            }
            Ok(Value::String(text)) => refusal.detail = Some(text),
            Ok(_) => {}
            Err(_) if body.trim_start().starts_with('<') => refusal.is_gateway = true,
            Err(_) => refusal.detail = Some(body.into_owned()),
        }
        refusal.detail = refusal.detail.map(|text| tidy(&text, secret)).filter(|text| !text.is_empty());
        for violation in &mut refusal.violations {
            violation.field = tidy(&violation.field, secret);
            violation.description = tidy(&violation.description, secret);
        }
        refusal
    }
}

impl Violation {
    fn read(fault: &Value) -> Option<Self> {
        let loc = fault.get("loc")?.as_array()?;
        let steps = loc.iter().skip(usize::from(loc.first().is_some_and(|step| step == "body")));
        let field = steps.map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
        let description = fault.get("msg").and_then(Value::as_str).unwrap_or("is not valid").to_owned();
        Some(Self { field: field.collect::<Vec<_>>().join("."), description })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => f.write_str(detail),
            None => write!(f, "the platform answered with HTTP status {}", self.status),
        }
    }
}

/// The words in an error's value: a text, the message inside an object, or the messages of a 422's list.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => ["message", "detail", "msg", "error"].iter().find_map(|key| words(fields.get(*key)?)),
        Value::Array(faults) => {
            let faults = faults.iter().take(MAX_VIOLATIONS).filter_map(Violation::read);
            let faults: Vec<_> = faults.map(|fault| format!("{}: {}", fault.field, fault.description)).collect();
            (!faults.is_empty()).then(|| faults.join("; "))
        }
        _ => None,
    }
}

/// One line without control characters or the secret, cut at [`MAX_DETAIL`]; nothing where it is HTML after all.
fn tidy(text: &str, secret: &str) -> String {
    let text = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "(secret)") };
    if looks_like_html(&text) {
        return String::new();
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(line.trim(), MAX_DETAIL).to_owned()
}

fn looks_like_html(text: &str) -> bool {
    let start = text.trim_start().get(..9).unwrap_or_default().to_ascii_lowercase();
    start.starts_with("<html") || start.starts_with("<!doctype") || start.starts_with("<?xml")
}

/// The longest prefix of whole characters within `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        Refusal::read(status, body.as_bytes(), None, "key-1")
    }

    #[test]
    fn the_platforms_words_are_found_in_each_of_its_shapes() {
        assert_eq!(read(404, r#"{"detail": "Agent not found"}"#).to_string(), "Agent not found");
        assert_eq!(read(400, r#"{"error": {"message": "no"}}"#).to_string(), "no");
        assert_eq!(read(400, r#"{"error": "no"}"#).to_string(), "no");
        assert_eq!(read(500, "Internal Server Error").to_string(), "Internal Server Error");
        assert_eq!(read(500, "").to_string(), "the platform answered with HTTP status 500");
    }

    #[test]
    fn a_422_names_its_fields() {
        let refusal =
            read(422, r#"{"detail": [{"loc": ["body", "input", "attachments", 0, "url"], "msg": "Field required"}]}"#);
        assert_eq!(refusal.violations[0].field, "input.attachments.0.url");
        assert_eq!(refusal.violations[0].description, "Field required");
        assert_eq!(refusal.to_string(), "input.attachments.0.url: Field required");
    }

    #[test]
    fn html_is_a_gateways_and_never_shown() {
        let refusal = read(502, "\n<html><body>nginx</body></html>");
        assert!(refusal.is_gateway);
        assert_eq!(refusal.to_string(), "the platform answered with HTTP status 502");
        assert_eq!(
            read(502, r#"{"detail": "<!DOCTYPE html><p>x"}"#).to_string(),
            "the platform answered with HTTP status 502"
        );
    }

    #[test]
    fn words_are_cut_and_the_key_is_taken_out() {
        assert_eq!(read(401, r#"{"detail": "bad key key-1\nsorry"}"#).to_string(), "bad key (secret) sorry");
        assert_eq!(read(400, &"ä".repeat(5000)).to_string().len(), MAX_DETAIL);
    }
}
