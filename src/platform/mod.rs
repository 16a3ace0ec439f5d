//! The HTTP client of the platform; knows no protobuf.

mod agents;
mod client;
mod credentials;
mod error;
mod events;
pub mod sse;
pub mod wire;

pub use client::{BuildError, Client, Context};
pub use credentials::Credentials;
pub use error::{Cause, Error, Refusal, Violation};
pub use events::EventStream;
