//! What may be wrong with free JSON that a caller sends.

/// How deep a caller's free JSON may be nested, in containers; the Struct itself is the first.
pub const MAX_DEPTH: usize = 64;

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
