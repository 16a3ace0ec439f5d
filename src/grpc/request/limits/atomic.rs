//! What the counters are made of. `tests/loom` has them made of others, whose interleavings it walks.

pub use std::sync::atomic::{AtomicU32, Ordering};
