//! A pause that the platform has asked for with `retry-after`, until when, and which status asked for it.

use super::atomic::{AtomicU64, Ordering::Relaxed};

/// The longest pause there is, or none.
#[derive(Debug)]
pub struct Pause {
    /// The milliseconds at which it ends, times two; the last bit is set where the platform was unavailable.
    until: AtomicU64,
}

impl Pause {
    /// None yet.
    pub fn new() -> Self {
        Self { until: AtomicU64::new(0) }
    }

    /// Asks for one until that time in milliseconds; whether nothing had asked for one as long before.
    pub fn ask(&self, until: u64, is_unavailable: bool) -> bool {
        let asked = until << 1 | u64::from(is_unavailable);
        self.until.fetch_max(asked, Relaxed) < asked
    }

    /// The milliseconds that are left of it, and whether the platform was unavailable; None when it is over.
    pub fn left(&self, now: u64) -> Option<(u64, bool)> {
        let until = self.until.load(Relaxed);
        let left = (until >> 1).saturating_sub(now);
        (left > 0).then_some((left, until & 1 == 1))
    }
}
