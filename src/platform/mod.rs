//! The HTTP client of the platform; knows no protobuf.

mod agents;
mod brake;
mod client;
mod codings;
mod error;
mod events;
mod ids;
pub mod lists;
mod pool;
mod progress;
mod retry;
pub mod sse;
mod transport;
mod whole;
pub mod wire;

pub use self::error::refusal::{Refusal, Violation};
pub use self::pool::credentials::{Credentials, Owner};
pub use self::pool::keys::{KeyError, Keys};
pub use self::pool::trust::{Trust, TrustError};
pub use client::Client;
pub use error::{Cause, Error};
pub use events::EventStream;
pub use ids::{is_id, is_unreserved};
pub use pool::{BuildError, through};
pub use progress::{Phase, Progress, State};
pub use retry::pause;
pub use transport::{Context, Permit};
