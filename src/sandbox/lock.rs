//! How everything here locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex; what it guards is whole between any two statements here, so a panic elsewhere spoils nothing.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
