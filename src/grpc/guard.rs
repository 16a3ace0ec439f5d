//! One guard for a call, made with its head and alive until its last frame: it races all of the call's work with what
//! ends a call from outside, catches panics, and owns the call's share and bytes.
//!
//! The work itself needs to know nothing of this: it is dropped when its time is up.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures_util::future;
use tokio::{
    sync::SemaphorePermit,
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};
use tonic::Status;

use super::{
    connection::{
        Connection,
        traffic::{Here, UnderWay},
    },
    response::{outgoing::Outgoing, status::refuse_at_the_door},
};
use crate::{
    calls::{Error, Kind},
    memory::{self, Account, LARGE, Place},
    platform::Permit,
    telemetry::{MethodKind, Record, Shed},
};

/// How long a call that has no more time has to send its last word. A caller that does not read it is not waited for.
pub const LAST_WORD: Duration = Duration::from_secs(1);

/// A call's guard; shared by its work, its answer and the task that serves it.
pub struct Guard {
    /// What is told of the call.
    pub record: Arc<Record>,
    /// The connection it came on.
    pub connection: Arc<Connection>,
    /// When its caller stops waiting, counted from the head.
    pub deadline: Option<Instant>,
    /// The bytes that it holds.
    pub account: Arc<Account>,
    share: Mutex<Option<Permit>>,
    under_way: Mutex<Option<UnderWay>>,
    /// What ended it from outside; nothing where its stream had ended by itself.
    end: OnceLock<Option<Kind>>,
    answer: Mutex<Outgoing>,
    /// Its place among the health checks, where it is one.
    place: OnceLock<Arc<Place>>,
    /// Whether its request is compressed.
    is_packed: AtomicBool,
    _here: Here,
}

impl Guard {
    /// The guard of a call that has just begun.
    pub fn new(
        record: Arc<Record>,
        connection: Arc<Connection>,
        deadline: Option<Instant>,
        account: Arc<Account>,
    ) -> Arc<Self> {
        let under_way = Mutex::new(Some(connection.traffic.begin()));
        let here = connection.traffic.enter();
        let (share, answer, end, place, is_packed) = Default::default();
        Arc::new(Self {
            record,
            connection,
            deadline,
            account,
            share,
            under_way,
            end,
            answer,
            place,
            is_packed,
            _here: here,
        })
    }

    /// Serves the call to its end, or until its time is up; then its caller is told, and not cut off. From now on it is no
    /// more among those that nobody has looked at.
    pub async fn attend(
        self: Arc<Self>,
        mut serving: impl Future<Output = ()> + Unpin,
        unseen: Option<SemaphorePermit<'static>>,
    ) {
        drop(unseen);
        let kind = tokio::select! {
            biased;
            () = &mut serving => return,
            kind = self.time_is_up() => kind,
        };
        let is_displaced = matches!(kind, Kind::Overloaded(_));
        // Dropped now, also where the caller takes nothing: the platform's stream with it.
        let is_cut = self.answer().give_up();
        self.account.offer(0);
        // A stream whose last message is out has ended by itself.
        let _ = self.end.set(if self.record.is_complete() && !is_cut { None } else { Some(kind) });
        self.release();
        // Noted already: a caller who reads nothing does not hear of it.
        let _ = self.ended();
        // Who dawdled for so long has dropped it, or wants to be waited for.
        if !is_displaced {
            let _ = timeout(LAST_WORD, serving).await;
        }
    }

    /// Comes when the call has to end, and says why.
    async fn time_is_up(&self) -> Kind {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => future::pending().await,
            }
        };
        let closing = async {
            match self.record.method().kind {
                MethodKind::Unary | MethodKind::Waiting | MethodKind::Stopping | MethodKind::Nothing => {
                    self.connection.drained().await
                }
                MethodKind::Streaming => self.connection.closed().await,
                // No call of the API: nothing waits for them.
                MethodKind::Health | MethodKind::Reflection => {
                    let kind = self.connection.draining().await;
                    // What it has to say goes first: that this replica does not serve any more.
                    yield_now().await;
                    kind
                }
            }
        };
        let displaced = async {
            match self.place.get() {
                Some(place) => place.gives_way().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = deadline => Kind::Deadline,
            kind = closing => kind,
            () = displaced => Kind::Overloaded(Shed::Others),
            () = self.account.gives_way() => Kind::Unread,
        }
    }

    /// Does the call's work; the refusal instead, where its time is up before or where it panics.
    pub async fn race<T>(&self, work: impl Future<Output = T>) -> Result<T, Status> {
        let done = {
            let mut work = pin!(work);
            future::poll_fn(|cx| {
                if self.end.get().is_some() {
                    return Poll::Ready(None);
                }
                let size = if self.is_packed.load(Relaxed) { LARGE } else { 0 };
                let polled = memory::aside(size, || catch(|| work.as_mut().poll(cx)));
                polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
            })
            .await
        };
        // Only now that the work is dropped it is known what it leaves behind.
        done.ok_or_else(|| self.ended().unwrap_or_else(|| self.panicked()))
    }

    /// Notes that its request is compressed: tonic unpacks it in the call's work, however large it becomes.
    pub fn unpacks(&self) {
        self.is_packed.store(true, Relaxed);
    }

    /// The refusal of a call that was ended from outside.
    pub fn ended(&self) -> Option<Status> {
        let kind = self.end.get()?;
        Some(kind.as_ref().map_or_else(|| Status::ok(""), |kind| self.refuse(kind.clone())))
    }

    /// The refusal of a call whose work has panicked.
    pub fn panicked(&self) -> Status {
        self.refuse(Kind::Internal)
    }

    fn refuse(&self, kind: Kind) -> Status {
        refuse_at_the_door(&self.record, Error::new(kind))
    }

    /// Takes its share, which it has from its admission on.
    pub fn admit(&self, share: Option<Permit>) {
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = share;
    }

    /// Takes its place among the health checks, which the next ones may need.
    pub fn take_place(&self, place: Arc<Place>) {
        let _ = self.place.set(place);
    }

    /// Its share, for what it begins.
    pub fn share(&self) -> Option<Permit> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its work is over, and was not for a caller's reset.
    pub fn finished(&self) {
        if let Some(mut under_way) = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take() {
            under_way.finish();
        }
    }

    /// Gives its share back: nothing of it is left here.
    pub fn release(&self) {
        self.finished();
        self.admit(None);
    }

    /// Its answer on the way out.
    pub fn answer(&self) -> MutexGuard<'_, Outgoing> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result; None for a panic, which the process's hook has told. What has panicked is not to be used again.
pub fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
