//! JSON that was left unread: read into a type, or kept as it was sent.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};

/// Reads JSON into a type. Half a character (a surrogate without its twin, as a writer leaves it that cuts text in the
/// wrong place) costs itself, not what it stands in.
///
/// # Errors
/// When the JSON does not fit the type.
pub fn parse<T: DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
    // Only objects have names.
    if raw.get().starts_with(['{', '[']) && has_private_name(raw.get()) {
        return Err(serde::de::Error::custom("a name that serde_json keeps for itself"));
    }
    serde_json::from_str(raw.get()).or_else(|error| match mended(raw.get()) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(text) => serde_json::from_str(&text),
    })
}

/// The user's secrets: never sent back, wherever they stand.
pub(super) const SECRETS: [&str; 2] = ["user_oidc_token", "user_tokens"];

/// The value as it was sent, but for the user's secrets; its text where it is nested too deep to be read (`serde_json`
/// stops at 128).
pub fn verbatim(raw: &RawValue) -> Value {
    without(raw, &SECRETS)
}

/// The value as it was sent, without the attributes of these names at any depth.
pub fn without(raw: &RawValue, names: &[&str]) -> Value {
    let text = raw.get();
    if let Ok(mut value) = parse(raw) {
        remove(&mut value, names);
        return value;
    }
    if hides_letters(text) || names.iter().any(|name| text.contains(name)) {
        return Value::String("(left out: nested too deep to take the secrets out)".to_owned());
    }
    Value::String(text.to_owned())
}

/// Whether a string begins as the names do by which `serde_json` tells its own numbers and raw values from objects: it
/// would read one inside the other, each time with a fresh limit of depth, until the stack is full.
pub(super) fn has_private_name(json: &str) -> bool {
    const PREFIX: &[u8] = b"$serde_json::private::";
    // Hardly ever: its first letter as it is, or any that is escaped.
    if memchr::memchr2(b'$', b'\\', json.as_bytes()).is_none() {
        return false;
    }
    let mut rest = json.as_bytes();
    while let Some(quote) = memchr::memchr(b'"', rest) {
        rest = &rest[quote + 1..];
        let (mut inside, mut matched) = (rest, 0);
        while matched < PREFIX.len()
            && let Some((byte, behind)) = first_byte(inside)
            && byte == PREFIX[matched]
        {
            (inside, matched) = (behind, matched + 1);
        }
        if matched == PREFIX.len() {
            return true;
        }
        // To the string's end.
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            let is_end = rest[at] == b'"';
            rest = rest.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
            if is_end {
                break;
            }
        }
    }
    false
}

/// A string's first byte, which may be escaped, and what is behind it.
fn first_byte(string: &[u8]) -> Option<(u8, &[u8])> {
    match string {
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            let digits = [*a, *b, *c, *d];
            let unit = u32::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?;
            Some((unit.try_into().ok()?, rest))
        }
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// Whether letters of ASCII are escaped, which nobody needs to do and which could hide a name.
fn hides_letters(json: &str) -> bool {
    json.match_indices("\\u00").any(|(at, escape)| matches!(json.as_bytes().get(at + escape.len()), Some(b'4'..=b'7')))
}

/// Takes the attributes of these names out, at any depth.
pub fn remove_from(fields: &mut Map<String, Value>, names: &[&str]) {
    fields.retain(|key, _| !names.contains(&key.as_str()));
    fields.values_mut().for_each(|field| remove(field, names));
}

fn remove(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => remove_from(fields, names),
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, names)),
        _ => {}
    }
}

/// The JSON with U+FFFD for each escaped surrogate that has no twin.
fn mended(json: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let escape = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(escape, 16).ok()
    };
    let (mut mended, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(found) = memchr::memchr(b'\\', &json.as_bytes()[at..]) {
        let escape = at + found;
        at = match unit(escape) {
            Some(0xd800..=0xdbff) if matches!(unit(escape + 6), Some(0xdc00..=0xdfff)) => escape + 12,
            Some(0xd800..=0xdfff) => {
                mended.push_str(&json[kept..escape]);
                mended.push_str("\\ufffd");
                kept = escape + 6;
                kept
            }
            // Another escape: a backslash and what it escapes.
            _ => escape + 2,
        };
        if at >= json.len() {
            break;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[kept..]);
    Cow::Owned(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_character_costs_itself() {
        let whole = r#"{"a": "\ud83d\udd0e \\ud83d \u00e9 \n"}"#;
        assert!(matches!(mended(whole), Cow::Borrowed(_)));
        assert_eq!(mended(r#""x\ud83d""#), r#""x\ufffd""#);
        assert_eq!(mended(r#""\udd0e\ud83d\ud83d\udd0e\ud83d\\""#), r#""\ufffd\ufffd\ud83d\udd0e\ufffd\\""#);
    }
}
