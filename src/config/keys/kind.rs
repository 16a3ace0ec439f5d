//! The kinds of settings: how each is read, what it allows, how it is shown. Not which setting is of which: `keys` has that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    files, limits,
    lists::{self, MOST_AGENTS},
    names,
};
use crate::config::{
    duration, jwks,
    raw::Raw,
    read::{self, Problem},
    secret::{Secret, TokenHash},
    shown::{self, NOT_SET, choices, name, quoted},
    tree::{
        Http2, LogFormat, Settings,
        callers::{Tasks, TrustRequest, UserField},
        deduplication::WhenAway,
        limits::Mode,
    },
};

const BYTES: RangeInclusive<usize> = 1..=1 << 30;
const CALLER: &str = "a caller is 1 to 128 printable ASCII characters without , = * and spaces, a SPIFFE id, dns: and a DNS \
                      name, system:serviceaccount: and a namespace, : and a name, or jwt: and what else a JWT says";
const TOKEN_CALLER: &str = "a caller is 1 to 128 printable ASCII characters without , = * and spaces, and begins with none \
                            of spiffe://, dns:, system:serviceaccount: and jwt:";
const STORE: &str =
    "redis:// or rediss://, a host, and a user, a password, a port and the number of a database if need be";
const METADATA_KEY: &str = "metadata key, in lower case, not grpc-… or …-bin, none of";
const IDENTIFIER: &str = "1 to 128 of the characters A-Z a-z 0-9 . _ ~ -, not . or ..";

/// What kind of value a setting takes, what bounds it, and its place in the tree.
pub enum Kind {
    Address(Place<SocketAddr>),
    Bytes(Place<usize>),
    Count(Place<u32>, RangeInclusive<u32>),
    Time(Place<Duration>, RangeInclusive<Duration>),
    Switch(Place<bool>),
    Part(Place<f64>, RangeInclusive<f64>),
    Identifier(Place<Option<String>>),
    /// What a JWT has to say.
    Word(Place<Option<String>>),
    /// The claim of a JWT that names the caller.
    Claim(Place<String>),
    /// A JWKS, which is looked into.
    KeysFile(Place<Option<PathBuf>>),
    KeysUrl(Place<Option<String>>),
    BaseUrl(Place<String>),
    Secret(Place<Option<Secret>>),
    /// The path and the secret that is read from there.
    SecretFile(fn(&mut Settings) -> (&mut Option<PathBuf>, &mut Option<Secret>)),
    /// The URL of a store, which may carry a password.
    Store(Place<Option<Secret>>),
    StoreFile(fn(&mut Settings) -> (&mut Option<PathBuf>, &mut Option<Secret>)),
    WhenAway(Place<WhenAway>),
    File(Place<Option<PathBuf>>),
    Http2(Place<Http2>),
    LogFormat(Place<LogFormat>),
    Tasks(Place<Tasks>),
    TrustRequest(Place<TrustRequest>),
    LogFilter(Place<String>),
    /// A version for each agent.
    Pins(Place<BTreeMap<String, String>>),
    /// The hashes of each caller's tokens.
    Tokens(Place<BTreeMap<String, Vec<TokenHash>>>),
    /// A file with more of them.
    TokensFile(Place<Option<PathBuf>>),
    /// SPIFFE ids and DNS names.
    Clients(Place<BTreeSet<String>>),
    /// The agents of each caller.
    Rights(Place<BTreeMap<String, BTreeSet<String>>>),
    /// A metadata key for each field of a user.
    UserFields(Place<BTreeMap<UserField, String>>),
    Callers(Place<BTreeSet<String>>),
    /// Ids of agents.
    Agents(Place<BTreeSet<String>>),
    /// The metadata key in which a mesh says who calls.
    MetadataKey(Place<Option<String>>),
    Mode(Place<Mode>),
    /// A part for each caller.
    Shares(Place<BTreeMap<String, f64>>),
    /// A rate of creates for each caller, and how many at once.
    Rates(Place<BTreeMap<String, f64>>),
    Bursts(Place<BTreeMap<String, u32>>),
}

type Place<T> = fn(&mut Settings) -> &mut T;

impl Kind {
    /// Puts what was given in its place.
    ///
    /// # Errors
    /// What is wrong with it; the settings are then as they were.
    pub fn read(&self, raw: &Raw, settings: &mut Settings) -> Result<(), Problem> {
        match self {
            Self::Address(place) => *place(settings) = read::address(raw.text()?)?,
            Self::Bytes(place) => *place(settings) = read::number(raw.text()?, &BYTES)?,
            Self::Count(place, range) => *place(settings) = read::number(raw.text()?, range)?,
            Self::Time(place, range) => *place(settings) = read::duration(raw.text()?, range)?,
            Self::Switch(place) => *place(settings) = read::switch(raw.text()?)?,
            Self::Part(place, range) => *place(settings) = limits::number(raw, range)?,
            Self::Identifier(place) => *place(settings) = Some(names::identifier(raw.text()?)?),
            Self::Word(place) => *place(settings) = Some(read::word(raw.text()?)?),
            Self::Claim(place) => *place(settings) = read::word(raw.text()?)?,
            Self::KeysFile(place) => {
                jwks::keys_from(Path::new(raw.text()?))
                    .map_err(|why| format!("the file {}: {why}", raw.text().unwrap_or_default()))?;
                *place(settings) = Some(raw.text()?.into());
            }
            Self::KeysUrl(place) => *place(settings) = Some(read::keys_url(raw.text()?)?),
            Self::BaseUrl(place) => *place(settings) = read::base_url(raw.text()?)?,
            Self::Secret(place) => *place(settings) = Some(read::secret(raw.text()?)?),
            Self::SecretFile(places) => {
                let secret = files::secret_from(Path::new(raw.text()?))?;
                let (path, place) = places(settings);
                (*path, *place) = (Some(raw.text()?.into()), Some(secret));
            }
            Self::Store(place) => *place(settings) = Some(read::store(raw.text()?)?),
            Self::StoreFile(places) => {
                let url = files::store_from(Path::new(raw.text()?))?;
                let (path, place) = places(settings);
                (*path, *place) = (Some(raw.text()?.into()), Some(url));
            }
            Self::WhenAway(place) => *place(settings) = read::choice(raw.text()?)?,
            Self::File(place) => *place(settings) = Some(files::readable(raw.text()?)?.into()),
            Self::Http2(place) => *place(settings) = read::choice(raw.text()?)?,
            Self::LogFormat(place) => *place(settings) = read::choice(raw.text()?)?,
            Self::Tasks(place) => *place(settings) = read::choice(raw.text()?)?,
            Self::TrustRequest(place) => *place(settings) = read::choice(raw.text()?)?,
            Self::LogFilter(place) => *place(settings) = read::log_filter(raw.text()?)?,
            Self::Pins(place) => *place(settings) = lists::pins(raw)?,
            Self::Tokens(place) => *place(settings) = lists::hashes(raw)?,
            Self::TokensFile(place) => {
                files::tokens_from(Path::new(raw.text()?))?;
                *place(settings) = Some(raw.text()?.into());
            }
            Self::Clients(place) => *place(settings) = lists::clients(raw)?,
            Self::Rights(place) => *place(settings) = lists::rights(raw)?,
            Self::UserFields(place) => *place(settings) = lists::user_fields(raw)?,
            Self::Callers(place) => *place(settings) = lists::callers(raw)?,
            Self::Agents(place) => *place(settings) = lists::agents(raw)?,
            Self::MetadataKey(place) => *place(settings) = Some(names::metadata_key(raw.text()?)?),
            Self::Mode(place) => *place(settings) = read::choice(raw.text()?)?,
            Self::Shares(place) => *place(settings) = limits::shares(raw)?,
            Self::Rates(place) => *place(settings) = limits::rates(raw)?,
            Self::Bursts(place) => *place(settings) = limits::bursts(raw)?,
        }
        Ok(())
    }

    /// What [`read`](Self::read) takes, for people.
    pub fn allowed(&self) -> String {
        match self {
            Self::Address(_) => "an IP address with a port, e.g. 0.0.0.0:50051 or [::1]:50051".to_owned(),
            Self::Bytes(_) => {
                format!("a whole number of bytes from {} to {} ({} GiB)", BYTES.start(), BYTES.end(), BYTES.end() >> 30)
            }
            Self::Count(_, range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Time(_, range) => format!(
                "a number with its unit (ms, s, m or h) from {} to {}, e.g. 250ms or 5s",
                duration::show(*range.start()),
                duration::show(*range.end())
            ),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Part(_, range) => format!("a number from {} to {}", range.start(), range.end()),
            Self::Identifier(_) => IDENTIFIER.to_owned(),
            Self::Word(_) | Self::Claim(_) => "printable ASCII without spaces, at most 2048 characters".to_owned(),
            Self::KeysFile(_) => {
                "a readable file with a JWKS that has keys for RS256, ES256 or EdDSA, of at most 1 MiB".to_owned()
            }
            Self::KeysUrl(_) => {
                "https:// and a host, or http:// and this machine; no user, no password, no fragment".to_owned()
            }
            Self::BaseUrl(_) => "http:// or https://, a host, a port and a path if need be, nothing else".to_owned(),
            Self::Secret(_) => "printable ASCII without spaces".to_owned(),
            Self::SecretFile(_) => "a readable file that holds the secret, printable ASCII without spaces".to_owned(),
            Self::Store(_) => STORE.to_owned(),
            Self::StoreFile(_) => format!("a readable file that holds {STORE}"),
            Self::WhenAway(_) => choices::<WhenAway>(),
            Self::File(_) => "a readable file".to_owned(),
            Self::Http2(_) => choices::<Http2>(),
            Self::LogFormat(_) => choices::<LogFormat>(),
            Self::Tasks(_) => choices::<Tasks>(),
            Self::TrustRequest(_) => choices::<TrustRequest>(),
            Self::LogFilter(_) => "a level or tracing filter, e.g. info or warn,xpander_grpc_proxy=debug".to_owned(),
            Self::Pins(_) => "a map of agent id = version, 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -".to_owned(),
            Self::Tokens(_) => format!("a map of caller = SHA-256 hashes of 64 hex digits; {TOKEN_CALLER}"),
            Self::TokensFile(_) => {
                format!("a readable file of lines caller=hash, SHA-256 hashes of 64 hex digits; {TOKEN_CALLER}")
            }
            Self::Clients(_) => "a list of spiffe://… ids and DNS names".to_owned(),
            Self::Rights(_) => format!("a map of caller (or *) = agent ids (or *); {CALLER}"),
            Self::UserFields(_) => {
                format!("a map of {} = {METADATA_KEY} {}", choices::<UserField>(), names::RESERVED_KEYS.join(", "))
            }
            Self::Callers(_) => format!("a list of callers, or *; {CALLER}"),
            Self::Agents(_) => format!("a list of at most {MOST_AGENTS} agent ids, each {IDENTIFIER}"),
            Self::MetadataKey(_) => format!("a {METADATA_KEY} {}", names::RESERVED_KEYS.join(", ")),
            Self::Mode(_) => choices::<Mode>(),
            Self::Shares(_) => by_caller("a number", limits::PART.start(), limits::PART.end()),
            Self::Rates(_) => by_caller("a number", limits::RATE.start(), limits::RATE.end()),
            Self::Bursts(_) => by_caller("a whole number", limits::BURST.start(), limits::BURST.end()),
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
            Self::Part(place, _) => place(settings).to_string(),
            Self::Identifier(place) | Self::MetadataKey(place) | Self::Word(place) | Self::KeysUrl(place) => {
                place(settings).as_ref().map_or(NOT_SET.to_owned(), quoted)
            }
            Self::BaseUrl(place) | Self::LogFilter(place) | Self::Claim(place) => quoted(place(settings)),
            Self::Secret(place) | Self::Store(place) => {
                if place(settings).is_some() { "(set)" } else { NOT_SET }.to_owned()
            }
            Self::SecretFile(places) | Self::StoreFile(places) => shown::path(places(settings).0),
            Self::WhenAway(place) => quoted(&name(place(settings))),
            Self::File(place) | Self::TokensFile(place) | Self::KeysFile(place) => shown::path(place(settings)),
            Self::Http2(place) => quoted(&name(place(settings))),
            Self::LogFormat(place) => quoted(&name(place(settings))),
            Self::Tasks(place) => quoted(&name(place(settings))),
            Self::TrustRequest(place) => quoted(&name(place(settings))),
            Self::Pins(place) => shown::table(place(settings).iter().map(|(agent, version)| (agent, quoted(version)))),
            Self::Tokens(place) => shown::tokens(place(settings)),
            Self::Clients(place) | Self::Callers(place) | Self::Agents(place) => shown::list(place(settings)),
            Self::Rights(place) => {
                shown::table(place(settings).iter().map(|(caller, agents)| (caller, shown::list(agents))))
            }
            Self::UserFields(place) => {
                shown::table(place(settings).iter().map(|(field, key)| (name(field), quoted(key))))
            }
            Self::Mode(place) => quoted(&name(place(settings))),
            Self::Shares(place) | Self::Rates(place) => shown::numbers(place(settings)),
            Self::Bursts(place) => shown::numbers(place(settings)),
        }
    }
}

fn by_caller(what: &str, least: impl Display, most: impl Display) -> String {
    format!("a map of caller (or *) = {what} from {least} to {most}; {CALLER}")
}
