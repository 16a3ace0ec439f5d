//! Readiness: a guard for each thing that is not ready, so that `/readyz` says what it waits for.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// What the process still waits for; ready when that is nothing.
#[derive(Clone, Default)]
pub struct Readiness {
    pending: Arc<Mutex<BTreeSet<&'static str>>>,
    fewer: Arc<Notify>,
}

/// Holds readiness back until it is dropped.
pub struct Pending {
    readiness: Readiness,
    what: &'static str,
}

impl Readiness {
    /// Holds readiness back for `what`, e.g. "gRPC port", until the guard is dropped.
    #[must_use]
    pub fn wait_for(&self, what: &'static str) -> Pending {
        self.lock().insert(what);
        Pending { readiness: self.clone(), what }
    }

    /// What is waited for; empty when ready.
    #[must_use]
    pub fn pending(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    /// Comes when nothing is waited for.
    pub async fn ready(&self) {
        loop {
            let fewer = self.fewer.notified();
            if self.pending().is_empty() {
                return;
            }
            fewer.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.readiness.lock().remove(self.what);
        self.readiness.fewer.notify_waiters();
    }
}
