//! The settings: [`Settings`] what there is, [`load()`] where the values come from, [`show()`] what is in force,
//! [`reference()`] what there is for people.
//! Plain data: knows nothing of what uses it.

mod callers;
mod deduplication;
mod duration;
mod environment;
mod fault;
mod files;
mod keys;
mod kind;
mod lists;
mod load;
mod names;
mod otel;
mod otel_values;
pub mod pem;
mod proxies;
mod raw;
mod read;
mod reference;
mod roots;
mod secret;
mod show;
mod shown;
mod sources;
#[cfg(test)]
mod tests;
mod together;
mod tree;
mod unknown;

pub use callers::{Auth, Tasks, TrustRequest, UserField, Users};
pub use deduplication::{Deduplication, WhenAway};
pub use fault::Fault;
pub use files::{secret_from, store_from, tokens_from};
pub use load::load;
pub use names::{DNS, SPIFFE, dns_name, is_of_certificate, spiffe_id};
pub use otel::{Export, Otlp, OtlpProtocol};
pub use proxies::Proxies;
pub use reference::reference;
pub use roots::{Roots, roots};
pub use secret::{Secret, TokenHash};
pub use show::show;
pub use sources::Flags;
pub use tree::{Agents, Events, Http2, LogFormat, Platform, Server, Settings, Telemetry};
