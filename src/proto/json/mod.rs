//! Free JSON: `google.protobuf.Struct` and `Value`, and the reader of JSON text that they are made with.
//!
//! Not `prost_types`' own: those cost a tree, many times the message, and can only be decoded without a depth limit or
//! with one (prost's 100 levels, about 33 objects) that ends in an error naming no field. Here what comes from the
//! platform stays the JSON text that it is until it is encoded, and what comes from a caller stays encoded until it is
//! written as JSON. What is wrong with a caller's value is kept as a [`Fault`] beside it, for the validation to report.

mod free;
mod inward;
mod lengths;
mod outward;
mod quoted;
mod reader;
mod secrets;
#[cfg(test)]
mod tests;

pub use free::{Any, EMPTY, Free, Object, Shape};
pub use quoted::Quoted;
pub use reader::{Reader, Scalar, attributes};
pub use secrets::USERS as USERS_SECRETS;

/// How deep a caller's free JSON may be nested, in containers; the Struct itself is the first.
pub const MAX_DEPTH: usize = 64;

// Field numbers of struct.proto.
const FIELDS: u32 = 1;
const KEY: u32 = 1;
const VALUE: u32 = 2;
const NULL: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const BOOL: u32 = 4;
const STRUCT: u32 = 5;
const LIST: u32 = 6;
const ITEMS: u32 = 1;

/// A `google.protobuf.Struct`.
pub type Struct = Free<Object>;

/// A `google.protobuf.Value`.
pub type Value = Free<Any>;

/// What is wrong with free JSON that a caller sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// NaN or an infinity, which JSON cannot say.
    #[error("holds NaN or an infinity, which JSON cannot express")]
    NotFinite,
}
