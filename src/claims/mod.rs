//! Who may create: the names that callers give creates, and what is known under each of them, so that a create happens
//! once.
//!
//! Not the create itself, nor what its callers are told: that is `calls`.

mod attempt;
pub mod decide;
mod endpoint;
mod examine;
mod limited;
mod link;
mod memory;
mod name;
mod store;
mod value;
mod why;

pub use attempt::{Attempt, Verdict};
pub use endpoint::EndpointError;
pub use memory::{Asked, End, Memory};
pub use name::{Fingerprint, Name};
pub use store::Store;
pub use why::Why;
