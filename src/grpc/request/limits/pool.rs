//! Places for calls, counted without a lock: how many are taken in all, and how many of them each caller holds. Not whose
//! they are, nor what a refusal is called.
//!
//! Two counters cannot be changed at once. So a caller's own comes first, and goes back where the pool has no place: for
//! that moment the caller seems to hold one more, which is felt by nobody but itself. `tests/loom` walks the interleavings.

use super::atomic::{AtomicU32, Ordering::Relaxed};

/// Places for calls that are under way at once.
#[derive(Debug)]
pub struct Pool {
    most: u32,
    /// So many may be taken by anybody, whatever its share.
    lent: u32,
    taken: AtomicU32,
}

/// What one caller holds of a pool.
#[derive(Debug)]
pub struct Part {
    held: AtomicU32,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    Pool,
    /// The caller holds its share, and there are not so many left that more are lent.
    Share,
}

impl Pool {
    /// So many places, and so many of them lent.
    pub fn new(most: u32, lent: u32) -> Self {
        Self { most, lent: lent.min(most), taken: AtomicU32::new(0) }
    }

    /// How many places there are.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Takes a place for a caller whose share is so many.
    ///
    /// # Errors
    /// When there is none for it.
    pub fn take(&self, part: &Part, share: u32) -> Result<(), Full> {
        let below = |most: u32| move |count: u32| (count < most).then_some(count + 1);
        let full = |taken: u32| if taken >= self.most { Full::Pool } else { Full::Share };
        let held = part.held.fetch_update(Relaxed, Relaxed, below(share.max(self.lent)));
        let held = held.map_err(|_| full(self.taken.load(Relaxed)))?;
        let bound = if held < share { self.most } else { self.lent };
        self.taken.fetch_update(Relaxed, Relaxed, below(bound)).map(drop).map_err(|taken| {
            part.held.fetch_sub(1, Relaxed);
            full(taken)
        })
    }

    /// Gives back a place that was taken for a caller.
    pub fn give_back(&self, part: &Part) {
        part.held.fetch_sub(1, Relaxed);
        self.taken.fetch_sub(1, Relaxed);
    }
}

impl Part {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { held: AtomicU32::new(0) }
    }

    /// How many places it is.
    pub fn held(&self) -> u32 {
        self.held.load(Relaxed)
    }
}
