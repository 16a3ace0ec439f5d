//! The settings on creates with a request id. A part of the `tree`.

use std::time::Duration;

/// Creates with a request id.
#[derive(Debug, Clone)]
pub struct Deduplication {
    /// How long a request id is remembered, from the call that brought it first.
    pub remembered: Duration,
    /// The bytes that the process remembers them in.
    pub memory_bytes: usize,
}

impl Default for Deduplication {
    fn default() -> Self {
        Self { remembered: Duration::from_mins(10), memory_bytes: 64 << 20 }
    }
}
