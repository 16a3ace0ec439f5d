//! The settings: [`Settings`] what there is, [`load()`] where the values come from, [`show()`] what is in force,
//! [`reference()`] what there is for people.
//! Plain data: knows nothing of what uses it.

mod duration;
mod fault;
mod jwks;
mod keys;
mod load;
mod otel;
pub mod pem;
mod proxies;
mod raw;
mod read;
mod reference;
mod roots;
mod secret;
mod shown;
#[cfg(test)]
mod tests;
mod tree;

pub use self::jwks::{Key, LARGEST as LARGEST_JWKS, keys, keys_from};
pub use self::keys::files::{secret_from, store_from, tokens_from};
pub use self::keys::names::{DNS, SPIFFE, dns_name, is_caller, is_reserved, jwt_caller, spiffe_id};
pub use self::load::sources::Flags;
pub use self::reference::show::{json, show};
pub use self::secret::{Secret, TokenHash};
pub use self::tree::callers::{Auth, Jwt, Tasks, TrustRequest, UserField, Users};
pub use self::tree::deduplication::{Deduplication, WhenAway};
pub use self::tree::limits::{Limits, Mode, SHARE};
pub use fault::Fault;
pub use load::{load, log_format};
pub use otel::{Export, Otlp, OtlpProtocol};
pub use proxies::Proxies;
pub use reference::reference;
pub use roots::{Roots, roots};
pub use tree::{Agents, Events, Http2, LogFormat, Platform, Server, Settings, Telemetry};
