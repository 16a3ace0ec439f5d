//! An answer with an HTTP status of failure: what of its body may be told to a caller.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{
    platform::wire,
    proto::json::{Reader, attributes},
};

/// The longest text of an error that is kept, in bytes.
const MAX_DETAIL: usize = 1024;
/// The shortest key that is cut out: a shorter one keeps no secret, and would be cut out of common words.
const MIN_SECRET: usize = 8;
/// How deep in an answer its words are looked for, in objects.
const MAX_WORDS_DEPTH: usize = 8;
/// The most field violations that are kept of one answer.
const MAX_VIOLATIONS: usize = 64;
/// The most steps that are kept of the path to a field.
const MAX_STEPS: usize = 64;

/// An answer with an HTTP status that is no success. Its Debug is without the platform's words, which may repeat what a
/// caller asked.
#[derive(Clone)]
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
#[derive(Clone)]
pub struct Violation {
    /// Where it stands in the body, joined by dots without `body`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Refusal {
    /// Reads an answer's body: `{"detail": "text"}`, `{"detail": [{"loc", "msg"}]}`, `{"error": …}`, plain text or HTML.
    /// `secret` is cut out wherever it is echoed.
    #[must_use]
    pub fn read(status: u16, body: &[u8], retry_after: Option<Duration>, secret: &str) -> Self {
        let mut refusal = Self { status, detail: None, violations: Vec::new(), retry_after, is_gateway: false };
        let body = wire::document(body);
        let body = body.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
        let words = if body.starts_with('<') {
            refusal.is_gateway = true;
            None
        } else if let Some(answer) = attributes(body, ["detail", "error", "message"]) {
            refusal.violations = answer[0].map(violations).unwrap_or_default();
            answer.into_iter().flatten().find_map(|value| words(value, MAX_WORDS_DEPTH))
        } else if body.starts_with(['{', '[']) {
            // JSON that was cut off, or that says nothing.
            None
        } else {
            text(body).or_else(|| (body != "null").then(|| body.to_owned()))
        };
        refusal.detail = words.map(|text| tidy(&text, secret)).filter(|text| !text.is_empty());
        for violation in &mut refusal.violations {
            violation.field = tidy(&violation.field, secret);
            violation.description = tidy(&violation.description, secret);
        }
        refusal
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

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({}, {} violations)", self.status, self.violations.len())
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Violation({} bytes)", self.description.len())
    }
}

/// The text that this JSON is.
fn text(json: &str) -> Option<String> {
    let mut json = Reader::new(json);
    let text = json.string()?;
    json.is_at_end().then(|| text.text().into_owned())
}

/// The faults in a 422's list, as the platform's framework tells them; the `input` beside each echoes the request and is
/// not read.
fn violations(detail: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let read = Reader::new(detail).list(|json| {
        let fault = attributes(json.skip()?, ["loc", "msg"]);
        if violations.len() < MAX_VIOLATIONS
            && let Some([Some(loc), msg]) = fault
            && let Some(field) = field(loc)
        {
            let description = msg.and_then(text).unwrap_or_else(|| "is not valid".to_owned());
            violations.push(Violation { field, description });
        }
        Some(())
    });
    if read.is_some() { violations } else { Vec::new() }
}

/// The steps of a path, joined by dots.
fn field(loc: &str) -> Option<String> {
    let mut steps = Vec::new();
    Reader::new(loc).list(|json| {
        let step = json.skip()?;
        if steps.len() < MAX_STEPS {
            steps.push(text(step).unwrap_or_else(|| step.to_owned()));
        }
        Some(())
    })?;
    let is_outer = steps.first().is_some_and(|step| step == "body");
    Some(steps[usize::from(is_outer)..].join("."))
}

/// The words in an error's value: a text, the message inside an object, or the messages of a 422's list.
fn words(value: &str, levels: usize) -> Option<String> {
    let levels = levels.checked_sub(1)?;
    if let Some(text) = text(value) {
        return Some(text);
    }
    if let Some(fields) = attributes(value, ["message", "detail", "msg", "error"]) {
        return fields.into_iter().flatten().find_map(|value| words(value, levels));
    }
    let faults = violations(value);
    let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.description)).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// One line without tags, control characters or the secret, cut at [`MAX_DETAIL`].
fn tidy(text: &str, secret: &str) -> String {
    let text = without_secret(text, secret);
    let mut line = String::new();
    let mut rest = &*text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        line.push_str(before);
        rest = if opens_tag(&from[1..]) {
            from.find('>').map_or("", |end| &from[end + 1..])
        } else {
            line.push('<');
            &from[1..]
        };
    }
    line.push_str(rest);
    // A tag inside a tag is one again once the inner one is gone.
    if line.match_indices('<').any(|(at, _)| opens_tag(&line[at + 1..])) {
        line.retain(|c| c != '<');
    }
    // So may be a secret.
    let line = without_secret(&line, secret);
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    line[..line.floor_char_boundary(MAX_DETAIL)].to_owned()
}

fn opens_tag(behind: &str) -> bool {
    behind.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
}

fn without_secret<'a>(text: &'a str, secret: &str) -> Cow<'a, str> {
    if secret.len() < MIN_SECRET || !text.contains(secret) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(secret, "(secret)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        Refusal::read(status, body.as_bytes(), None, "key-12345")
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
        assert_eq!(read(502, r#"{"detail": "<!DOCTYPE html><p>it is 5 < 6"}"#).to_string(), "it is 5 < 6");
    }

    #[test]
    fn words_are_cut_and_the_key_is_taken_out() {
        assert_eq!(read(401, r#"{"detail": "bad key key-12345\nsorry"}"#).to_string(), "bad key (secret) sorry");
        assert_eq!(read(400, &"ä".repeat(5000)).to_string().len(), MAX_DETAIL);
    }
}
