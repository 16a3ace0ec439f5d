//! One key's connections, and which of them a request takes.
//!
//! Over HTTP/2 requests share a connection, but no more of them than the server lets in at once: one beyond that waits
//! until another is over, and behind event streams that takes hours. So a lane, which keeps to one connection, gets so
//! many and no more; the next ones get another lane. One that answers nothing any more gets no new requests: its
//! connection may be dead behind a socket that is not.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use http::Version;
use reqwest::Client;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use crate::telemetry::Route;

/// So many requests in a row without an answer, over a silence, close a lane to new ones: one may be slow by itself.
const UNANSWERED: u32 = 2;
/// How long a connection may have been unused that is taken for what is sent once. Servers close theirs after 1 to 5 s
/// and longer, and what is on its way at that moment may have been processed or not.
pub const A_MOMENT: Duration = Duration::from_millis(500);
/// How long nothing may be heard of a connection whose only request was given up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Makes a client whose connections may be unused for so long at most.
type Open = Box<dyn Fn(Duration) -> reqwest::Result<Client> + Send + Sync>;

/// A lane, and a request's place on it.
type Taken = (Arc<Lane>, Client, Option<OwnedSemaphorePermit>);

/// The connections.
pub struct Lanes {
    open: Open,
    /// How long an unused connection is kept.
    idle: Duration,
    /// How many requests a lane may have under way.
    most: usize,
    /// How long nothing may have been answered.
    silence: Duration,
    /// What is spoken, where that is known before the first answer.
    speaks: Option<Version>,
    /// Builds requests, and sends none.
    builder: Client,
    /// In the order in which they are filled, so that the last ones fall idle first.
    opened: Mutex<Vec<Arc<Lane>>>,
}

/// What a request needs of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any: it is sent again where its connection is lost.
    Any,
    /// One that was used a moment ago, or a new one: what is sent at the moment when the server closes it is lost.
    Fresh,
}

impl Need {
    /// What this route needs: what is sent again where its connection is lost may take any.
    pub fn of(route: Route) -> Self {
        match route {
            Route::ReadTask
            | Route::OpenEvents
            | Route::ListAgents
            | Route::ListAgentTasks
            | Route::ListUserTasks
            | Route::ReadActivity => Self::Any,
            // The lookup, so that the create behind it finds a connection that was used a moment ago.
            Route::LoadAgent | Route::CreateTask | Route::StopTask => Self::Fresh,
        }
    }
}

/// A request's share of a connection, held until its answer has been read.
pub struct Share {
    lane: Arc<Lane>,
    begun: Instant,
    permit: Option<OwnedSemaphorePermit>,
    /// How many requests the lane may have.
    most: usize,
}

struct Lane {
    /// None once it is closed.
    client: Mutex<Option<Client>>,
    /// For HTTP/1.1, where a client has many connections: one that keeps none that was not used a moment ago.
    fresh: OnceLock<Client>,
    free: Arc<Semaphore>,
    health: Mutex<Health>,
}

/// What is known of a connection.
struct Health {
    speaks: Option<Version>,
    /// When something was last heard of it; at first, when it was opened.
    heard: Instant,
    /// When a request was last answered, to its end; a stream of events is so with its head.
    answered: Instant,
    /// Requests since then, in a row, that ended without an answer.
    unanswered: u32,
    /// When the first of those was sent.
    since: Instant,
}

impl Lanes {
    /// Lanes for so many requests each, or for any number where that is zero: then HTTP/2 is not spoken. `idle` is how long
    /// an unused connection is kept, `silence` how long one may answer nothing.
    ///
    /// # Errors
    /// When the HTTP client refuses its settings.
    pub fn new(
        most: usize,
        speaks: Option<Version>,
        [idle, silence]: [Duration; 2],
        open: impl Fn(Duration) -> reqwest::Result<Client> + Send + Sync + 'static,
    ) -> reqwest::Result<Self> {
        let most = if most == 0 { Semaphore::MAX_PERMITS } else { most.min(Semaphore::MAX_PERMITS) };
        let builder = open(idle)?;
        Ok(Self { open: Box::new(open), idle, most, silence, speaks, builder, opened: Mutex::default() })
    }

    /// A client to build requests with, whichever sends them.
    pub fn builder(&self) -> &Client {
        &self.builder
    }

    /// The client that sends the next request.
    ///
    /// # Errors
    /// When the HTTP client refuses its settings.
    pub fn next(&self, need: Need) -> reqwest::Result<(Client, Share)> {
        let mut lanes = lock(&self.opened);
        lanes.retain(|lane| !lane.is_silent(self.silence) && lock(&lane.client).is_some());
        let taken = lanes.iter().find_map(|lane| lane.take(need, self.most));
        let (lane, client, permit) = if let Some(taken) = taken { taken } else { self.open_one(&mut lanes, need)? };
        let client = match need {
            Need::Fresh if lane.has_many() => lane.fresh(&self.open, A_MOMENT.min(self.idle))?,
            _ => client,
        };
        Ok((client, Share { lane, begun: Instant::now(), permit, most: self.most }))
    }

    /// Takes no more requests on this share's connections: those without one are closed, the others when theirs are over.
    pub fn leave(&self, share: &Share) {
        lock(&self.opened).retain(|lane| !Arc::ptr_eq(lane, &share.lane));
    }

    fn open_one(&self, lanes: &mut Vec<Arc<Lane>>, need: Need) -> reqwest::Result<Taken> {
        // What is too old for this request is so for the next one of its kind, and has nothing under way.
        lanes.retain(|lane| need == Need::Any || lane.is_fresh(self.most));
        let client = (self.open)(self.idle)?;
        let lane = Arc::new(Lane::new(client.clone(), self.most, self.speaks));
        lanes.push(Arc::clone(&lane));
        let permit = Arc::clone(&lane.free).try_acquire_owned().ok();
        Ok((lane, client, permit))
    }
}

impl Share {
    /// Something was heard of the connection, in this version where it was the head of an answer.
    pub fn heard(&self, version: Option<Version>) {
        let mut health = lock(&self.lane.health);
        (health.speaks, health.heard) = (version.or(health.speaks), Instant::now());
    }

    /// Its request was answered. A head proves nothing, nor do other streams: what is behind a gateway may be gone.
    pub fn answered(&self) {
        let mut health = lock(&self.lane.health);
        (health.answered, health.unanswered) = (Instant::now(), 0);
    }

    /// Nothing more is expected of the answer, of which nothing was heard since then.
    pub fn given_up(&self, since: Instant) {
        lock(&self.lane.health).unanswered_since(since);
    }
}

impl Drop for Share {
    /// Whatever ended it, its time or its caller's: what matters is whether it was answered.
    fn drop(&mut self) {
        drop(self.permit.take());
        lock(&self.lane.health).unanswered_since(self.begun);
        self.lane.end_if_unused(self.most);
    }
}

impl Health {
    /// Where something was answered meanwhile, the request was slow and not the connection.
    fn unanswered_since(&mut self, since: Instant) {
        if self.answered <= since {
            if self.unanswered == 0 {
                self.since = since;
            }
            self.unanswered += 1;
        }
    }
}

impl Lane {
    fn new(client: Client, most: usize, speaks: Option<Version>) -> Self {
        let now = Instant::now();
        let health = Mutex::new(Health { speaks, heard: now, answered: now, unanswered: 0, since: now });
        Self { client: Mutex::new(Some(client)), fresh: OnceLock::new(), free: Arc::new(Semaphore::new(most)), health }
    }

    /// A share of it, where it has one that serves.
    fn take(self: &Arc<Self>, need: Need, most: usize) -> Option<Taken> {
        if need == Need::Fresh && !self.is_fresh(most) {
            return None;
        }
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some((Arc::clone(self), lock(&self.client).clone()?, Some(permit)))
    }

    /// Whether its connection was used a moment ago; where there are many, that is looked after for each.
    fn is_fresh(&self, most: usize) -> bool {
        self.has_many() || self.free.available_permits() < most || lock(&self.health).heard.elapsed() < A_MOMENT
    }

    /// Whether each request has a connection of its own.
    fn has_many(&self) -> bool {
        lock(&self.health).speaks.is_some_and(|version| version < Version::HTTP_2)
    }

    fn fresh(&self, open: &Open, idle: Duration) -> reqwest::Result<Client> {
        if let Some(client) = self.fresh.get() {
            return Ok(client.clone());
        }
        let client = open(idle)?;
        Ok(self.fresh.get_or_init(|| client).clone())
    }

    /// What a server goes on sending for a request that was given up costs as much as it likes: over HTTP/2 h2 reads it for a
    /// quarter of an hour. So a connection that carries nothing else, and is not heard of for a while, is closed.
    fn end_if_unused(self: &Arc<Self>, most: usize) {
        let is_done = move |lane: &Self| {
            lock(&lane.health).unanswered > 0 && !lane.has_many() && lane.free.available_permits() == most
        };
        if is_done(self)
            && let Ok(runtime) = Handle::try_current()
        {
            let lane = Arc::clone(self);
            runtime.spawn(async move {
                sleep(LAST_WORDS).await;
                if is_done(&lane) {
                    drop(lock(&lane.client).take());
                }
            });
        }
    }

    fn is_silent(&self, silence: Duration) -> bool {
        let health = lock(&self.health);
        health.unanswered >= UNANSWERED && health.since.elapsed() >= silence
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
