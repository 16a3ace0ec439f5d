//! Who may create: the names that callers give creates, and what is known under each of them, so that a create happens
//! once.
//!
//! Not the create itself, nor what its callers are told: that is `calls`.

pub mod decide;
mod memory;
mod name;
mod why;

pub use memory::{Asked, End, Memory};
pub use name::{Fingerprint, Name};
pub use why::Why;
