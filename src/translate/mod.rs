//! Protobuf to the platform's JSON and back: pure functions, no clock, no I/O.

mod auth;
mod canonical;
mod check;
mod event;
pub mod lists;
mod names;
mod parts;
mod request;
mod task;
mod words;

pub use canonical::write_canonical;
pub use check::Violation;
pub use event::{NotAnEvent, event};
pub use names::{event_id, is_id, positive};
pub use request::{Invocation, invocation, names_a_task, request_field};
pub use task::task;
