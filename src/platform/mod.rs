//! The HTTP client of the platform; knows no protobuf.

mod agents;
mod client;
mod codings;
mod credentials;
mod error;
mod events;
mod ids;
mod keys;
mod lanes;
mod pool;
mod progress;
mod refusal;
mod retry;
mod retry_after;
pub mod sse;
mod transport;
mod trust;
pub mod wire;

pub use client::Client;
pub use credentials::{Credentials, Owner};
pub use error::{Cause, Error};
pub use events::EventStream;
pub use ids::{is_id, is_unreserved};
pub use keys::{KeyError, Keys};
pub use pool::BuildError;
pub use progress::{Phase, Progress, State};
pub use refusal::{Refusal, Violation};
pub use retry::pause;
pub use transport::Context;
pub use trust::{Trust, TrustError};
