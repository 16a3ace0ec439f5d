//! What goes on on one connection: the calls under way, and those that its caller has reset.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::SetOnce, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::memory::{Few, Place};

/// Over how long resets are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// The age from which on a call may be reset uncounted: then it is a deadline that passes, or a caller that lost interest,
/// and no attack that costs its author nothing. Its age is the time from the bytes with its head to the latest: a machine
/// that is too busy to notice a reset would pass over the very storm that it suffers from.
const PREMATURE: Duration = Duration::from_secs(1);

/// The bodies of refused calls that are taken to their end at once: HTTP/2 keeps the room of all streams that a connection
/// ever had at once as long as it lives.
const UNREAD: usize = 32;
/// After so many of them a connection has grown: it keeps some 200 KiB.
const MANY: usize = 16;

/// Connections that have grown so, over all. The oldest is told to leave; calls under way go on.
static GROWN: Few = Few::new(256);

/// The calls of one connection, counted.
pub struct Traffic {
    counts: Mutex<Counts>,
    max_resets: u32,
    too_many: CancellationToken,
    /// The bodies of refused calls that are taken to their end, and how many there have been.
    unread: Few,
    refused: AtomicUsize,
    /// Set when there have been many.
    grown: SetOnce<Arc<Place>>,
}

struct Counts {
    under_way: usize,
    /// The calls of which something is left here, if only an answer that is not read.
    here: usize,
    /// When the last call ended, something of an answer went out, or the connection began.
    idle_since: Instant,
    resets: u32,
    /// When the counting of resets began.
    window: Instant,
    /// When something was last read.
    read: Instant,
}

/// A call under way; dropped before it is finished, it was reset.
pub struct UnderWay {
    traffic: Arc<Traffic>,
    /// When its head was read.
    begun: Instant,
    is_over: bool,
}

/// A call of which something is left here.
pub struct Here(Arc<Traffic>);

impl Traffic {
    /// A new connection's, whose caller may reset so many young calls within ten seconds.
    pub fn new(max_resets: u32) -> Self {
        let now = Instant::now();
        let counts = Counts { under_way: 0, here: 0, idle_since: now, resets: 0, window: now, read: now };
        let (too_many, refused, grown) = Default::default();
        Self { counts: Mutex::new(counts), max_resets, too_many, unread: Few::new(UNREAD), refused, grown }
    }

    /// Counts a call.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        let mut counts = self.lock();
        counts.under_way += 1;
        UnderWay { traffic: Arc::clone(self), begun: counts.read, is_over: false }
    }

    /// Since when there has been no call; None while there is one.
    pub fn idle_since(&self) -> Option<Instant> {
        let counts = self.lock();
        (counts.under_way == 0).then_some(counts.idle_since)
    }

    /// Counts a call until nothing of it is left.
    pub fn enter(self: &Arc<Self>) -> Here {
        self.lock().here += 1;
        Here(Arc::clone(self))
    }

    /// Since when nothing of any call is left; None while there is something.
    pub fn empty_since(&self) -> Option<Instant> {
        let counts = self.lock();
        (counts.under_way + counts.here == 0).then_some(counts.idle_since)
    }

    /// Notes that something was read.
    pub fn read(&self) {
        self.lock().read = Instant::now();
    }

    /// Notes that something of an answer has gone out.
    pub fn moved(&self) {
        self.lock().idle_since = Instant::now();
    }

    /// A place for the body of a refused call that goes on: that of the oldest, where all are taken.
    pub fn refused(&self) -> Arc<Place> {
        if self.refused.fetch_add(1, Relaxed) == MANY {
            let _ = self.grown.set(GROWN.enter());
        }
        self.unread.enter()
    }

    /// Comes when the connection has grown by refused calls, and others have done so later.
    pub async fn gives_way(&self) {
        self.grown.wait().await.gives_way().await;
    }

    /// Comes when the caller has reset more than it may.
    pub async fn resets_too_much(&self) {
        self.too_many.cancelled().await;
    }

    /// Whether the caller has reset more than it may.
    pub fn is_abused(&self) -> bool {
        self.too_many.is_cancelled()
    }

    fn end(&self, begun: Instant, is_over: bool) {
        let mut counts = self.lock();
        let now = Instant::now();
        counts.under_way -= 1;
        counts.idle_since = now;
        if !is_over && counts.read.duration_since(begun) < PREMATURE {
            if now.duration_since(counts.window) > WINDOW {
                (counts.window, counts.resets) = (now, 0);
            }
            counts.resets += 1;
            if counts.resets > self.max_resets {
                self.too_many.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Its work is over, and not for a reset.
    pub fn finish(&mut self) {
        self.is_over = true;
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        counts.here -= 1;
        counts.idle_since = Instant::now();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.traffic.end(self.begun, self.is_over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn resets_are_too_many_only_within_ten_seconds() {
        let traffic = Arc::new(Traffic::new(2));
        for _ in 0..5 {
            drop(traffic.begin());
            drop(traffic.begin());
            assert!(!traffic.is_abused());
            tokio::time::advance(WINDOW + Duration::from_secs(1)).await;
        }
        (0..3).for_each(|_| drop(traffic.begin()));
        assert!(traffic.is_abused());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_a_second_may_be_reset() {
        let traffic = Arc::new(Traffic::new(2));
        for _ in 0..5 {
            let call = traffic.begin();
            tokio::time::advance(PREMATURE).await;
            traffic.read();
            drop(call);
        }
        assert!(!traffic.is_abused());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_that_is_noticed_late_counts() {
        let traffic = Arc::new(Traffic::new(0));
        let call = traffic.begin();
        tokio::time::advance(PREMATURE).await;
        drop(call);
        assert!(traffic.is_abused());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_since_its_last_call() {
        let traffic = Arc::new(Traffic::new(2));
        let begun = traffic.idle_since();
        let call = traffic.begin();
        assert_eq!(traffic.idle_since(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(call);
        assert_eq!(traffic.idle_since(), begun.map(|begun| begun + Duration::from_secs(1)));
    }
}
