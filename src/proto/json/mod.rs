//! Free JSON: `google.protobuf.Struct` and `Value`, and the reader of JSON text that they are made with.
//!
//! Not `prost_types`' own: those cost a tree, many times the message, and can only be decoded without a depth limit or
//! with one (prost's 100 levels, about 33 objects) that ends in an error naming no field. Here what comes from the
//! platform stays the JSON text that it is until it is encoded, and what comes from a caller stays encoded until it is
//! written as JSON. What is wrong with a caller's value is kept as a [`Fault`] beside it, for the validation to report.

mod attributes;
mod fault;
mod free;
mod inward;
mod lengths;
mod numbers;
mod outward;
mod quoted;
mod reader;
mod secrets;
#[cfg(test)]
mod tests;

pub use attributes::Attributes;
pub use fault::{Fault, MAX_DEPTH};
pub use free::{Any, EMPTY, Free, Object, Shape};
pub use quoted::Quoted;
pub use reader::{Reader, Scalar, attributes};
pub use secrets::USERS as USERS_SECRETS;

/// A `google.protobuf.Struct`.
pub type Struct = Free<Object>;

/// A `google.protobuf.Value`.
pub type Value = Free<Any>;
