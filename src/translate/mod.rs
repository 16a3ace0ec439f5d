//! Protobuf to the platform's JSON and back: pure functions, no clock, no I/O.

mod event;
mod names;
mod request;
mod task;
mod words;

pub use event::{NotAnEvent, event};
pub use names::{event_id, is_id, positive};
pub use request::{Invocation, Violation, invocation, names_a_task, request_field};
pub use task::task;
