//! The HTTP client of the platform; knows no protobuf.

mod agents;
mod client;
mod credentials;
mod error;
mod events;
pub mod sse;
mod transport;
pub mod wire;

pub use client::Client;
pub use credentials::Credentials;
pub use error::{Cause, Error, Refusal, Violation};
pub use events::EventStream;
pub use transport::{BuildError, Context};
