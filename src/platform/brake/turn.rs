//! Whose turn it is to go through a brake that holds: each hundredth, by count and not by luck.

use super::atomic::{AtomicU32, Ordering::Relaxed};

/// One in so many.
const EACH: u32 = 100;

/// The count of those that were held.
#[derive(Debug)]
pub struct Turn(AtomicU32);

impl Turn {
    /// Nobody yet.
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether this one goes through.
    pub fn is_next(&self) -> bool {
        let next = |held: u32| Some((held + 1) % EACH);
        self.0.fetch_update(Relaxed, Relaxed, next) == Ok(EACH - 1)
    }
}
