//! The brake before the platform, one for each key and kind of request: what the platform asks with `retry-after` holds for
//! everybody, and one that fails is left in peace. It is the circuit breaker, too.
//!
//! What is held is answered at once. A hundredth goes through whatever holds, to find out. Stops are never held.

mod atomic;
mod pause;
mod throttle;
mod turn;

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use self::{pause::Pause, throttle::Throttle, turn::Turn};
use super::error::Error;
use crate::telemetry::Route;

/// When a request that the throttle holds may come back: what it holds it for is not known.
const A_MOMENT: Duration = Duration::from_secs(1);
/// From which silence on a request counts as one that the platform did not take, though its caller stopped waiting before the
/// proxy did. A platform that works is not silent for so long, and how long a caller waits is its own choice.
const SILENCE: Duration = Duration::from_secs(10);
/// The statuses that may ask for a pause.
const UNAVAILABLE: u16 = 503;
const TOO_MANY: u16 = 429;

/// The brakes of one key.
#[derive(Debug)]
pub struct Brakes {
    begun: Instant,
    create: Brake,
    read: Brake,
    stream: Brake,
}

/// A request that was sent, until it is known how it went, or nobody waits for it any more.
pub struct Sent<'a> {
    brakes: &'a Brakes,
    route: Route,
    since: u64,
    is_silent: bool,
}

#[derive(Debug)]
struct Brake {
    pause: Pause,
    throttle: Throttle,
    turn: Turn,
}

impl Default for Brakes {
    fn default() -> Self {
        Self { begun: Instant::now(), create: Brake::new(), read: Brake::new(), stream: Brake::new() }
    }
}

impl Brakes {
    /// Asks whether a request may be sent.
    ///
    /// # Errors
    /// For one that is held: what the platform has said, and how long it is to be left alone.
    pub fn ask(&self, route: Route) -> Result<(), Error> {
        let now = self.now();
        match self.of(route) {
            Some(brake) => brake.ask(now),
            None => Ok(()),
        }
    }

    /// Notes that a request is sent now.
    pub fn send(&self, route: Route) -> Sent<'_> {
        Sent { brakes: self, route, since: self.now(), is_silent: true }
    }

    fn hear(&self, route: Route, failure: Option<&Error>) {
        let Some(brake) = self.of(route) else { return };
        let now = self.now();
        match failure {
            None => brake.throttle.took(now),
            Some(Error::Refused(refusal)) => match (refusal.status, refusal.retry_after) {
                (status @ (TOO_MANY | UNAVAILABLE), Some(wait)) if !wait.is_zero() => {
                    let until = now + u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX >> 2);
                    let was_free = brake.pause.left(now).is_none();
                    if brake.pause.ask(until, status == UNAVAILABLE) && was_free {
                        warn!(route = route.what(), status, ?wait, "the platform wants to be left alone");
                    }
                }
                (TOO_MANY | 502..=504, _) => brake.throttle.failed(now),
                // A caller may bring them about by what it asks for.
                (500.., _) => {}
                _ => brake.throttle.took(now),
            },
            Some(Error::Connect(_) | Error::Unprocessed(_) | Error::Lost(_) | Error::Timeout(_)) => {
                brake.throttle.failed(now);
            }
            Some(Error::Deadline | Error::Unreadable { .. } | Error::Braked { .. } | Error::NoRoom) => {}
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn of(&self, route: Route) -> Option<&Brake> {
        match route {
            Route::CreateTask => Some(&self.create),
            Route::LoadAgent
            | Route::ReadTask
            | Route::ListAgents
            | Route::ListAgentTasks
            | Route::ListUserTasks
            | Route::ReadActivity => Some(&self.read),
            Route::OpenEvents => Some(&self.stream),
            Route::StopTask => None,
        }
    }
}

impl Sent<'_> {
    /// The platform has begun to answer.
    pub fn answered(&mut self) {
        self.is_silent = false;
    }

    /// Hears how it went.
    pub fn hear(mut self, failure: Option<&Error>) {
        self.is_silent &= matches!(failure, Some(Error::Deadline));
        self.brakes.hear(self.route, failure);
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let now = self.brakes.now();
        if self.is_silent
            && Duration::from_millis(now.saturating_sub(self.since)) >= SILENCE
            && let Some(brake) = self.brakes.of(self.route)
        {
            brake.throttle.failed(now);
        }
    }
}

impl Brake {
    fn new() -> Self {
        Self { pause: Pause::new(), throttle: Throttle::new(), turn: Turn::new() }
    }

    fn ask(&self, now: u64) -> Result<(), Error> {
        let (status, left) = match self.pause.left(now) {
            Some((left, is_unavailable)) => {
                (Some(if is_unavailable { UNAVAILABLE } else { TOO_MANY }), Duration::from_millis(left))
            }
            None if self.throttle.lets_through(now) => return Ok(()),
            None => (None, A_MOMENT),
        };
        if self.turn.is_next() { Ok(()) } else { Err(Error::Braked { status, left }) }
    }
}
