//! What the brake is made of. `tests/loom` has it made of others, whose interleavings it walks.

pub use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
