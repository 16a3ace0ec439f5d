//! One reader per kind of value: text in, the checked value or what is wrong with it out. Not where the text came from.

use std::{fs, io::Read, net::SocketAddr, ops::RangeInclusive, path::Path, str::FromStr, time::Duration};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{duration, roots::with_scheme, tree::Secret};

/// More than any key has; keeps a wrong path (a device, a disk image) from being read whole.
const LARGEST_SECRET_FILE: u64 = 64 << 10;
/// How much of a wrong value is repeated to the operator.
const SHOWN_CHARS: usize = 80;

/// What is wrong with a value, for a [`Fault`](super::Fault).
pub type Problem = String;

pub fn address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| refused(text))
}

pub fn number<T: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<T>) -> Result<T, Problem> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| refused(text))
}

pub fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Problem> {
    duration::parse(text).filter(|duration| range.contains(duration)).ok_or_else(|| refused(text))
}

pub fn switch(text: &str) -> Result<bool, Problem> {
    text.parse().map_err(|_| refused(text))
}

pub fn choice<T: ValueEnum>(text: &str) -> Result<T, Problem> {
    T::from_str(text, false).map_err(|_| refused(text))
}

/// An identifier is a segment of the platform's paths, so it must need no encoding and not be a step in them.
pub fn identifier(text: &str) -> Result<String, Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    let fits = (1..=128).contains(&text.len()) && text.chars().all(plain) && !matches!(text, "." | "..");
    if fits { Ok(text.to_owned()) } else { Err(refused(text)) }
}

pub fn log_filter(text: &str) -> Result<String, Problem> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| refused(text))
}

/// Adds `https://` where there is no scheme, and normalizes the URL, without a last slash.
///
/// The problems repeat nothing of it: it may carry a password.
pub fn base_url(text: &str) -> Result<String, Problem> {
    let text = with_scheme(text.trim());
    let url = Url::parse(&text).map_err(|error| format!("the value is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the URL's scheme is neither http nor https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL carries a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has a query or a fragment".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A secret becomes a header's value.
pub fn secret(text: &str) -> Result<Secret, Problem> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err("the value (not shown) has a space, a line break or a character that is not ASCII".to_owned())
    }
}

/// The problems do not repeat the path: a key given in place of a path must not be shown.
pub fn secret_file(path: &str) -> Result<Secret, Problem> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST_SECRET_FILE).read_to_string(&mut text))
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err("the file is empty".to_owned());
    }
    secret(text)
}

pub fn readable(path: &str) -> Result<&Path, Problem> {
    // Reading the first byte finds out about folders too, which open well.
    fs::File::open(path)
        .and_then(|mut file| file.read(&mut [0]))
        .map(|_| Path::new(path))
        .map_err(|error| format!("the file {path} cannot be read: {error}"))
}

fn refused(text: &str) -> Problem {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("the value is {shown:?}")
}
