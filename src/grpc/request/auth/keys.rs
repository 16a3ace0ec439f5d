//! The keys that JWTs are verified by, with what they have verified; when they are to be fetched, and who waits for that.
//! Not the fetching: `app` does that.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use moka::sync::Cache;
use tokio::sync::{Notify, watch};

use crate::config::Key;

/// The bytes that verified tokens are remembered in, which are some tens of thousands of them.
const REMEMBERED: u64 = 8 << 20;
/// What one takes beside its caller's name.
const OVERHEAD: usize = 200;
/// How many calls wait for a fetch; one more is refused at once.
const MOST_WAITING: usize = 1_000;

/// The keys in force.
pub struct Keys {
    set: ArcSwap<Set>,
    stage: watch::Sender<Stage>,
    wanted: Notify,
}

/// Some keys, and what they have verified: that is forgotten with them.
pub struct Set {
    /// None while none have come.
    pub keys: Vec<Key>,
    /// By the token's SHA-256.
    pub verified: Cache<[u8; 32], Verified>,
}

/// A token that was verified.
#[derive(Clone)]
pub struct Verified {
    /// The caller's name.
    pub name: Arc<str>,
    /// When it is over, leeway included, in seconds since 1970.
    pub until: u64,
}

/// How far fetching is.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// On its way.
    UnderWay,
    /// Over, and too short ago for another one. Keys out of a file rest for ever.
    Resting,
    /// Over; another one may begin.
    Idle,
}

/// Keys that are on their way.
pub struct Coming(watch::Receiver<Stage>);

impl Coming {
    /// Waits until they are there, or could not be had.
    pub async fn over(mut self) {
        let _ = self.0.wait_for(|stage| *stage == Stage::Resting).await;
    }
}

impl Keys {
    /// None yet.
    pub fn new() -> Self {
        Self {
            set: ArcSwap::from_pointee(Set::new(Vec::new())),
            stage: watch::Sender::new(Stage::Resting),
            wanted: Notify::new(),
        }
    }

    /// Those in force.
    pub fn load(&self) -> Guard<Arc<Set>> {
        self.set.load()
    }

    /// Puts these in place of them, from the next call on.
    pub fn replace(&self, keys: Vec<Key>) {
        self.set.store(Arc::new(Set::new(keys)));
    }

    /// Those that are on their way, for a caller whose key is not there: they are asked for, where they may be. None: it is
    /// not worth waiting.
    pub fn coming(&self) -> Option<Coming> {
        if self.stage.receiver_count() >= MOST_WAITING {
            return None;
        }
        let coming = self.stage.subscribe();
        let stage = *coming.borrow();
        if stage == Stage::Idle {
            self.wanted.notify_one();
        }
        (stage != Stage::Resting).then_some(Coming(coming))
    }

    /// A fetch begins.
    pub fn begin(&self) {
        self.stage.send_replace(Stage::UnderWay);
    }

    /// It is over, whatever it brought.
    pub fn rest(&self) {
        self.stage.send_replace(Stage::Resting);
    }

    /// Another one may begin; comes when a caller needs it.
    pub async fn wanted(&self) {
        self.stage.send_replace(Stage::Idle);
        self.wanted.notified().await;
    }
}

impl Set {
    fn new(keys: Vec<Key>) -> Self {
        let weigh =
            |_: &[u8; 32], verified: &Verified| u32::try_from(OVERHEAD + verified.name.len()).unwrap_or(u32::MAX);
        Self { keys, verified: Cache::builder().max_capacity(REMEMBERED).weigher(weigh).build() }
    }
}
