//! One reader per kind of value: text in, the checked value or what is wrong with it out. Not where the text came from.

use std::{net::SocketAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    duration,
    roots::{is_loopback, with_scheme},
    secret::Secret,
};

/// How much of a wrong value is repeated to the operator.
const SHOWN_CHARS: usize = 80;
/// The longest text that a JWT may have to say.
const LONGEST_WORD: usize = 2048;

/// What is wrong with a value, for a [`Fault`](crate::config::Fault).
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

/// What a JWT has to say, which is compared as it stands.
pub fn word(text: &str) -> Result<String, Problem> {
    let fits = text.len() <= LONGEST_WORD && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(refused(text)) }
}

/// Where keys are fetched from, by a way on which nobody can exchange them. The problems repeat nothing of it: it may carry
/// a password.
pub fn keys_url(text: &str) -> Result<String, Problem> {
    let url = Url::parse(text).map_err(|error| format!("the value (not shown) is not a URL: {error}"))?;
    let is_safe = match url.scheme() {
        "https" => true,
        "http" => url.host().is_some_and(|host| is_loopback(&host)),
        _ => return Err("the URL's scheme is not https".to_owned()),
    };
    if !is_safe {
        return Err("whoever is on the way could exchange the keys".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL carries a user name or password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("the URL has a fragment".to_owned());
    }
    Ok(url.into())
}

/// A secret becomes a header's value.
pub fn secret(text: &str) -> Result<Secret, Problem> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err("the value (not shown) has a space, a line break or a character that is not ASCII".to_owned())
    }
}

/// The URL of a store. The problems repeat nothing of it: it may carry a password.
pub fn store(text: &str) -> Result<Secret, Problem> {
    let url = Url::parse(text.trim()).map_err(|error| format!("the value (not shown) is not a URL: {error}"))?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err("the URL's scheme is neither redis nor rediss".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL has no host".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has a query or a fragment".to_owned());
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err("the URL's path is not the number of a database".to_owned());
    }
    Ok(Secret::new(url.as_str()))
}

/// What is wrong with a value that is none of the allowed ones.
pub fn refused(text: &str) -> Problem {
    format!("the value is {}", shortened(text))
}

/// A value as it is repeated to the operator: in quotes, and not all of a long one.
pub fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
