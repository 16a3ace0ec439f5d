//! How many bytes all calls may hold together: requests on their way in have a budget, and another one have answers that
//! are being read or wait for callers to take them.
//!
//! A request for which there is no room is refused. An answer waits for room, and what has waited longest for a caller who
//! does not read gives way.

use std::{
    collections::{BTreeMap, btree_map::OccupiedEntry},
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

/// How long a caller may read nothing before what waits for it gives way to others: this by itself, its part of it where
/// several wait for each such caller, and no less than that.
const PATIENCE: Duration = Duration::from_secs(1);
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
/// How often whoever waits for room looks for somebody who reads nothing.
const LOOK: Duration = Duration::from_millis(100);
/// The largest request that may have the last quarter of the room, in bytes: a few large ones keep no small one out.
const SMALL: usize = 64 << 10;
/// The largest request for which there is always room where that is so, its head included, in bytes: an id, and metadata.
const ALWAYS: usize = 20 << 10;

/// The bytes of all calls.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    used: AtomicUsize,
    /// How many wait for room.
    waiting: AtomicUsize,
    room: Notify,
    /// What waits for callers, by the order in which it began to, and since when.
    unread: Mutex<BTreeMap<u64, (Instant, Weak<Account>)>>,
    last: AtomicU64,
}

/// Bytes that there was room for; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
    /// Whether there is room for a small one in any case.
    always: bool,
}

/// What waits for one caller to take it; given back when it is dropped.
#[derive(Debug)]
pub struct Account {
    budget: Arc<Budget>,
    held: AtomicUsize,
    /// Its place among what waits for callers; zero for none.
    place: AtomicU64,
    /// Whether it is the caller's to take.
    is_offered: AtomicBool,
    gives_way: AtomicBool,
    keeper: AtomicWaker,
    /// What its request holds, of another budget.
    request: Mutex<Option<Held>>,
}

impl Budget {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            used: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            room: Notify::new(),
            unread: Mutex::default(),
            last: AtomicU64::new(0),
        })
    }

    /// Holds so many bytes, once there is room for them. Bytes for which there never is are let in alone.
    pub async fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        let mut held = self.begin(false);
        held.grow(bytes).await;
        held
    }

    /// Holds nothing yet, for a request; for one that is small there is room `always`, where that is so.
    #[must_use]
    pub fn begin(self: &Arc<Self>, always: bool) -> Held {
        Held { budget: Arc::clone(self), bytes: 0, always }
    }

    /// The account of a new call.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Arc<Account> {
        Arc::new(Account {
            budget: Arc::clone(self),
            held: AtomicUsize::new(0),
            place: AtomicU64::new(0),
            is_offered: AtomicBool::new(false),
            gives_way: AtomicBool::new(false),
            keeper: AtomicWaker::new(),
            request: Mutex::default(),
        })
    }

    /// How many bytes are held.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(SeqCst)
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            self.room.notify_waiters();
        }
    }

    /// Has what waits longest give way, if its caller has read nothing for a while.
    fn press(&self) {
        loop {
            let mut unread = self.unread();
            let turns = self.waiting.load(SeqCst).div_ceil(unread.len().max(1)).max(1);
            let patience = (PATIENCE / u32::try_from(turns).unwrap_or(u32::MAX)).max(LEAST_PATIENCE);
            let first = unread.first_entry().filter(|first| first.get().0.elapsed() >= patience);
            let first = first.map(OccupiedEntry::remove);
            drop(unread);
            let Some((_, account)) = first else { return };
            // Dropped without the lock, which it takes when it is the last one that holds the account.
            if let Some(account) = account.upgrade() {
                account.gives_way.store(true, SeqCst);
                account.keeper.wake();
                return;
            }
        }
    }

    fn unread(&self) -> MutexGuard<'_, BTreeMap<u64, (Instant, Weak<Account>)>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Holds so many bytes in all, once there is room for what is more.
    pub async fn grow(&mut self, bytes: usize) {
        if self.try_grow(bytes, self.budget.most) {
            return;
        }
        let budget = Arc::clone(&self.budget);
        budget.waiting.fetch_add(1, SeqCst);
        let _waiting = Waiting(&budget);
        loop {
            let room = budget.room.notified();
            if self.try_grow(bytes, budget.most) {
                return;
            }
            budget.press();
            let _ = timeout(LOOK, room).await;
        }
    }

    /// Holds so many bytes in all, whether there is room for them or not: what comes with them is not to be lost.
    pub fn exceed(&mut self, bytes: usize) {
        self.try_grow(bytes, usize::MAX);
    }

    /// Holds so many bytes in all for a request, if there is room for them now.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        if let Some(less @ 1..) = self.bytes.checked_sub(bytes) {
            self.bytes = bytes;
            self.budget.give_back(less);
        }
        let most = self.budget.most;
        let most = match bytes {
            ..=ALWAYS if self.always => usize::MAX,
            ..=SMALL => most,
            _ => most - most / 4,
        };
        self.try_grow(bytes, most)
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn try_grow(&mut self, bytes: usize, most: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let fits = |used: usize| (used + more <= most || used == self.bytes).then_some(used + more);
        let is_held = self.budget.used.fetch_update(SeqCst, SeqCst, fits).is_ok();
        if is_held {
            self.bytes += more;
        }
        is_held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.bytes);
        }
    }
}

impl Account {
    /// Holds so many bytes in all, at once: they are there already. Where that is more than there is room for, others
    /// give way.
    pub fn set(&self, bytes: usize) {
        let before = self.held.swap(bytes, SeqCst);
        let budget = &self.budget;
        if bytes > before {
            if budget.used.fetch_add(bytes - before, SeqCst) + (bytes - before) > budget.most {
                budget.press();
            }
        } else if bytes < before {
            budget.give_back(before - bytes);
        }
    }

    /// Takes over what was held for an answer that has been read.
    pub fn keep(&self, mut held: Held) {
        self.held.fetch_add(std::mem::take(&mut held.bytes), SeqCst);
    }

    /// Holds so many bytes more, once there is room for them.
    pub async fn make_room(&self, bytes: usize) {
        self.keep(self.budget.hold(bytes).await);
    }

    /// Takes over what the call's request holds.
    pub fn bring(&self, request: Held) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    /// What its request holds, for what goes on with the request by itself.
    pub fn request(&self) -> Option<Held> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Holds so many bytes in all, at once, which the caller may take now.
    pub fn offer(&self, bytes: usize) {
        self.set(bytes);
        self.is_offered.store(bytes > 0, SeqCst);
    }

    /// Notes that the caller has taken what it was offered last.
    pub fn taken(&self) {
        self.is_offered.store(false, SeqCst);
        let place = self.place.swap(0, SeqCst);
        if place != 0 {
            self.budget.unread().remove(&place);
        }
    }

    /// Comes when what the caller does not take has to give way. Waited for by one, who finds nothing else to do: so what
    /// is offered then waits for its caller.
    pub async fn gives_way(self: &Arc<Self>) {
        poll_fn(|cx| {
            self.keeper.register(cx.waker());
            if self.is_offered.load(SeqCst) && self.place.load(SeqCst) == 0 {
                let place = self.budget.last.fetch_add(1, SeqCst) + 1;
                self.place.store(place, SeqCst);
                self.budget.unread().insert(place, (Instant::now(), Arc::downgrade(self)));
            }
            if self.gives_way.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.taken();
        self.set(0);
    }
}

/// One who waits for room, whether it comes or not.
struct Waiting<'a>(&'a Budget);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests;
