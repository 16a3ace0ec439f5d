//! What of an auth event is known to be harmless. All else may be a token, under names that nobody here knows yet.

use url::Url;

use crate::proto::json::{Quoted, Reader};

/// What holds the rest.
const CONTAINER: &str = "data";
/// Attributes that say what happens, where and until when.
const WORDS: [&str; 8] =
    ["type", "message", "server_name", "connector", "connector_name", "provider", "expires_at", "expires_in"];
/// The same as a list of texts.
const LIST: &str = "scopes";
/// Attributes that say where a person logs in, and on whose behalf.
const LINKS: [&str; 3] = ["url", "auth_url", "server_url"];
/// What a link is no longer harmless with.
const IN_LINKS: [&str; 4] = ["token=", "key=", "secret=", "password="];
/// How deep the containers may be nested.
const DEPTH: usize = 8;

/// What secrets are called, in lower case.
const SECRETS: [&str; 7] = ["token", "secret", "password", "credential", "authorization", "api_key", "apikey"];

/// Whether JSON names something that may be a secret.
pub fn may_hold_secrets(json: &str) -> bool {
    let json = json.to_ascii_lowercase();
    SECRETS.iter().any(|word| json.contains(word))
}

/// What of an auth event's data is harmless, as JSON.
pub fn harmless(json: &str) -> String {
    let mut out = String::new();
    match value(&mut Reader::new(json), DEPTH, &mut out) {
        Some(()) => out,
        None => "null".to_owned(),
    }
}

/// Containers with what is harmless in them; of anything else nothing.
fn value(json: &mut Reader<'_>, depth: usize, out: &mut String) -> Option<()> {
    match (json.peek()?, depth.checked_sub(1)) {
        (b'{', Some(depth)) => {
            out.push('{');
            json.object(|json, key| {
                let before = out.len();
                out.push_str(if out.ends_with('{') { "\"" } else { ",\"" });
                out.push_str(key.raw());
                out.push_str("\":");
                if !attribute(json, key, depth, out)? {
                    out.truncate(before);
                }
                Some(())
            })?;
            out.push('}');
        }
        (b'[', Some(depth)) => {
            out.push('[');
            json.list(|json| {
                if !out.ends_with('[') {
                    out.push(',');
                }
                value(json, depth, out)
            })?;
            out.push(']');
        }
        _ => {
            json.skip()?;
            out.push_str("null");
        }
    }
    Some(())
}

/// Writes an attribute's value where it is harmless; whether it is.
fn attribute(json: &mut Reader<'_>, key: Quoted<'_>, depth: usize, out: &mut String) -> Option<bool> {
    if key.is(CONTAINER) {
        value(json, depth, out)?;
        return Some(true);
    }
    let text = json.skip()?;
    let is_one_of = |names: &[&str]| names.iter().any(|name| key.is(name));
    let is_kept = if text.starts_with(['{', '[']) {
        key.is(LIST) && text.starts_with('[') && !text[1..].contains(['{', '['])
    } else {
        is_one_of(&WORDS) || is_one_of(&LINKS) && is_harmless_link(key, text)
    };
    if is_kept {
        out.push_str(text);
    }
    Some(is_kept)
}

/// A person's way to log in has much in its query; a server's address should have none.
fn is_harmless_link(key: Quoted<'_>, text: &str) -> bool {
    let Some(link) = Reader::new(text).string() else { return false };
    let Ok(url) = Url::parse(&link.text()) else { return false };
    let query = url.query().unwrap_or_default().to_ascii_lowercase();
    let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_quiet =
        if key.is("server_url") { query.is_empty() } else { !IN_LINKS.iter().any(|word| query.contains(word)) };
    is_bare && is_quiet
}
