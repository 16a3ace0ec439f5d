//! The HTTP client of the platform; knows no protobuf.

mod agents;
mod client;
mod credentials;
mod error;
mod events;
mod refusal;
mod retry;
pub mod sse;
mod transport;
pub mod wire;

pub use client::Client;
pub use credentials::Credentials;
pub use error::{Cause, Error};
pub use events::EventStream;
pub use refusal::{Refusal, Violation};
pub use retry::pause;
pub use transport::{BuildError, Context};
