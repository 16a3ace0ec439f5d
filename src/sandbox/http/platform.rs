//! What the embedded platform consists of: its tasks, and what tests see of it and do to it.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{faults::Faults, seen::Seen};
use crate::sandbox::store::Store;

/// What all connections of one sandbox share.
#[derive(Debug)]
pub struct Platform {
    /// Its tasks.
    pub tasks: Store,
    /// What it was asked.
    pub seen: Seen,
    /// What is to go wrong.
    pub faults: Faults,
    /// How many event streams are open.
    pub open_streams: watch::Sender<usize>,
}

impl Platform {
    /// With nothing in it; its tasks end with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            tasks: Store::new(stop),
            seen: Seen::default(),
            faults: Faults::default(),
            open_streams: watch::Sender::new(0),
        }
    }
}
