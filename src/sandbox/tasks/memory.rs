//! The bytes that tasks hold, counted, so that a sandbox that runs for weeks stays small.
//!
//! It only counts; what is forgotten is decided in `store`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that all turns hold together.
#[derive(Debug, Default, Clone)]
pub struct Total(Arc<AtomicUsize>);

/// The bytes that one turn holds; taken off the total when the turn is dropped.
#[derive(Debug)]
pub struct Share {
    total: Total,
    own: AtomicUsize,
}

impl Total {
    /// A share of this total that holds `bytes` already.
    pub fn share(&self, bytes: usize) -> Share {
        let share = Share { total: self.clone(), own: AtomicUsize::new(0) };
        share.add(bytes);
        share
    }

    /// How many bytes it is now.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Counts more bytes.
    pub fn add(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.total.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.0.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}
