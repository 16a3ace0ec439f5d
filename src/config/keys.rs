//! Every setting by name, with how it is read, checked and shown. Not where the values come from: that is `sources`.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::ValueEnum;

use super::{
    duration,
    read::{self, Problem},
    tree::{Http2, LogFormat, Secret, Settings},
};

const NOT_SET: &str = "(not set)";
const BYTES: RangeInclusive<usize> = 1..=1 << 30;
const AT_MOST_AN_HOUR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
/// For times in which something must be able to happen.
const SOME_TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);

/// The settings in the order of the tree: names are `[section] key` in the file and `XPANDER_PROXY_SECTION__KEY` in the
/// environment.
#[rustfmt::skip] // A table: a line for each.
pub const KEYS: &[(&str, Kind)] = &[
    ("server.listen", Kind::Address(|s| &mut s.server.listen)),
    ("server.admin_listen", Kind::Address(|s| &mut s.server.admin_listen)),
    ("server.max_request_bytes", Kind::Bytes(|s| &mut s.server.max_request_bytes)),
    ("server.max_response_bytes", Kind::Bytes(|s| &mut s.server.max_response_bytes)),
    ("server.max_metadata_bytes", Kind::Count(|s| &mut s.server.max_metadata_bytes, 1 << 10..=1 << 20)),
    ("server.max_streams_per_connection", Kind::Count(|s| &mut s.server.max_streams_per_connection, 1..=100_000)),
    ("server.drain_delay", Kind::Time(|s| &mut s.server.drain_delay, AT_MOST_AN_HOUR)),
    ("server.drain_timeout", Kind::Time(|s| &mut s.server.drain_timeout, AT_MOST_AN_HOUR)),
    ("platform.base_url", Kind::BaseUrl(|s| &mut s.platform.base_url)),
    ("platform.api_key", Kind::Secret(|s| &mut s.platform.api_key)),
    ("platform.api_key_file", Kind::SecretFile(|s| (&mut s.platform.api_key_file, &mut s.platform.api_key))),
    ("platform.organization_id", Kind::Identifier(|s| &mut s.platform.organization_id)),
    ("platform.connect_timeout", Kind::Time(|s| &mut s.platform.connect_timeout, SOME_TIME)),
    ("platform.request_timeout", Kind::Time(|s| &mut s.platform.request_timeout, SOME_TIME)),
    ("platform.max_answer_bytes", Kind::Bytes(|s| &mut s.platform.max_answer_bytes)),
    ("platform.pool_idle_timeout", Kind::Time(|s| &mut s.platform.pool_idle_timeout, SOME_TIME)),
    ("platform.http2", Kind::Http2(|s| &mut s.platform.http2)),
    ("platform.ca_file", Kind::File(|s| &mut s.platform.ca_file)),
    ("platform.retries", Kind::Count(|s| &mut s.platform.retries, 0..=10)),
    ("platform.agent_cache_ttl", Kind::Time(|s| &mut s.platform.agent_cache_ttl, AT_MOST_AN_HOUR)),
    ("agents.default_id", Kind::Identifier(|s| &mut s.agents.default_id)),
    ("agents.stop_abandoned", Kind::Switch(|s| &mut s.agents.stop_abandoned)),
    ("events.idle_timeout", Kind::Time(|s| &mut s.events.idle_timeout, SOME_TIME)),
    ("events.reconnect_budget", Kind::Time(|s| &mut s.events.reconnect_budget, SOME_TIME)),
    ("events.max_event_bytes", Kind::Bytes(|s| &mut s.events.max_event_bytes)),
    ("events.forward_access_tokens", Kind::Switch(|s| &mut s.events.forward_access_tokens)),
    ("telemetry.log_format", Kind::LogFormat(|s| &mut s.telemetry.log_format)),
    ("telemetry.log_filter", Kind::LogFilter(|s| &mut s.telemetry.log_filter)),
];

/// What kind of value a setting takes, what bounds it, and its place in the tree.
pub enum Kind {
    Address(Place<SocketAddr>),
    Bytes(Place<usize>),
    Count(Place<u32>, RangeInclusive<u32>),
    Time(Place<Duration>, RangeInclusive<Duration>),
    Switch(Place<bool>),
    Identifier(Place<Option<String>>),
    BaseUrl(Place<String>),
    Secret(Place<Option<Secret>>),
    /// The path and the secret that is read from there.
    SecretFile(fn(&mut Settings) -> (&mut Option<PathBuf>, &mut Option<Secret>)),
    File(Place<Option<PathBuf>>),
    Http2(Place<Http2>),
    LogFormat(Place<LogFormat>),
    LogFilter(Place<String>),
}

type Place<T> = fn(&mut Settings) -> &mut T;

impl Kind {
    /// The setting called `name`.
    pub fn of(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    /// Puts the value that `text` stands for in its place.
    ///
    /// # Errors
    /// What is wrong with the text; the settings are then as they were.
    pub fn read(&self, text: &str, settings: &mut Settings) -> Result<(), Problem> {
        match self {
            Self::Address(place) => *place(settings) = read::address(text)?,
            Self::Bytes(place) => *place(settings) = read::number(text, &BYTES)?,
            Self::Count(place, range) => *place(settings) = read::number(text, range)?,
            Self::Time(place, range) => *place(settings) = read::duration(text, range)?,
            Self::Switch(place) => *place(settings) = read::switch(text)?,
            Self::Identifier(place) => *place(settings) = Some(read::identifier(text)?),
            Self::BaseUrl(place) => *place(settings) = read::base_url(text)?,
            Self::Secret(place) => *place(settings) = Some(read::secret(text)?),
            Self::SecretFile(places) => {
                let secret = read::secret_file(text)?;
                let (path, place) = places(settings);
                (*path, *place) = (Some(text.into()), Some(secret));
            }
            Self::File(place) => *place(settings) = Some(read::readable(text)?.into()),
            Self::Http2(place) => *place(settings) = read::choice(text)?,
            Self::LogFormat(place) => *place(settings) = read::choice(text)?,
            Self::LogFilter(place) => *place(settings) = read::log_filter(text)?,
        }
        Ok(())
    }

    /// What [`read`](Self::read) takes, for people.
    pub fn allowed(&self) -> String {
        match self {
            Self::Address(_) => "an IP address with a port, e.g. 0.0.0.0:50051 or [::1]:50051".to_owned(),
            Self::Bytes(_) => format!("a whole number of bytes from {} to {}", BYTES.start(), BYTES.end()),
            Self::Count(_, range) => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Self::Time(_, range) => format!(
                "a number with its unit (ms, s, m or h) from {} to {}, e.g. 250ms or 5s",
                duration::show(*range.start()),
                duration::show(*range.end())
            ),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Identifier(_) => "1 to 128 of the characters A-Z a-z 0-9 . _ ~ -, not . or ..".to_owned(),
            Self::BaseUrl(_) => "http:// or https://, a host, a port and a path if need be, nothing else".to_owned(),
            Self::Secret(_) => "printable ASCII without spaces".to_owned(),
            Self::SecretFile(_) => "a readable file that holds the secret, printable ASCII without spaces".to_owned(),
            Self::File(_) => "a readable file".to_owned(),
            Self::Http2(_) => names::<Http2>(),
            Self::LogFormat(_) => names::<LogFormat>(),
            Self::LogFilter(_) => "a level or tracing filter, e.g. info or warn,xpander_grpc_proxy=debug".to_owned(),
        }
    }

    /// The value in force as TOML would have it, or a word in parentheses. Takes the settings mutably for the places only.
    pub fn show(&self, settings: &mut Settings) -> String {
        match self {
            Self::Address(place) => quoted(place(settings)),
            Self::Bytes(place) => place(settings).to_string(),
            Self::Count(place, _) => place(settings).to_string(),
            Self::Time(place, _) => quoted(&duration::show(*place(settings))),
            Self::Switch(place) => place(settings).to_string(),
            Self::Identifier(place) => place(settings).as_ref().map_or(NOT_SET.to_owned(), quoted),
            Self::BaseUrl(place) | Self::LogFilter(place) => quoted(place(settings)),
            Self::Secret(place) => if place(settings).is_some() { "(set)" } else { NOT_SET }.to_owned(),
            Self::SecretFile(places) => path(places(settings).0),
            Self::File(place) => path(place(settings)),
            Self::Http2(place) => quoted(&name(place(settings))),
            Self::LogFormat(place) => quoted(&name(place(settings))),
        }
    }
}

fn path(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or(NOT_SET.to_owned(), |path| quoted(&path.display()))
}

fn quoted(value: &impl ToString) -> String {
    format!("{:?}", value.to_string())
}

fn names<T: ValueEnum>() -> String {
    let names: Vec<_> = T::value_variants().iter().map(name).collect();
    names.join(" or ")
}

/// A choice as it is written in the settings.
pub fn name<T: ValueEnum>(choice: &T) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
