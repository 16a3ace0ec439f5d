//! How much the proxy does at once, over all connections: a place for each call, held as long as anything of it goes on, and
//! of those so many for each caller; and how often a caller may create.
//!
//! Not tonic's concurrency limit: that one is per connection, and a mesh opens few.

mod atomic;
mod callers;
mod places;
mod pool;
mod rate;
mod taken;

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd, RawFd},
    sync::Arc,
};

use rlimit::Resource;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::callers::Caller;
use self::{
    callers::Callers,
    places::{Places, Which},
    pool::Full,
    taken::Taken,
};
use super::auth::Auth;
use crate::{
    calls::Kind,
    config::{Mode, Settings},
    memory::{Few, Place},
    platform::Permit,
    telemetry::{Method, MethodKind, Record, Shed},
};

/// How many file descriptors callers' connections leave to those to the platform and to probes; a quarter where there are few.
/// A quarter of it those to the platform leave to probes.
const KEPT: RawFd = 64;
/// The system's word for having none left.
const EMFILE: i32 = 24;

/// The places that are left.
pub struct Limits {
    places: Arc<Places>,
    callers: Callers,
    mode: Mode,
    /// Health and reflection, whoever may call them. A check is over at once, unless its caller dawdles.
    checks: Few,
    watches: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    /// The first of the descriptors that are kept, the last quarter of them from calls too. The system gives the lowest that
    /// is free.
    first_kept: RawFd,
    kept_from_calls: RawFd,
    /// Whether connections and calls, each with a connection to the platform, may come that far.
    may_run_out: bool,
}

impl Limits {
    /// As many as the settings say; for callers that may have names, or none of whom has one.
    pub fn new(settings: &Settings, have_names: bool) -> Self {
        let Settings { server, limits, .. } = settings;
        let of = |most: u32| Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        let connections = of(server.max_connections);
        // It is raised before anything is served.
        let descriptors = Resource::NOFILE.get_soft().ok().and_then(|most| most.try_into().ok()).unwrap_or(RawFd::MAX);
        let kept = KEPT.min(descriptors / 4);
        let first_kept = descriptors - kept;
        let most = [server.max_calls, server.max_waits, server.max_streams];
        let most = most.into_iter().fold(server.max_connections, u32::saturating_add);
        let places = Arc::new(Places::new(server, limits));
        Self {
            callers: Callers::new(limits, &places, have_names),
            places,
            mode: limits.mode,
            checks: Few::new(usize::try_from(server.max_other_streams).unwrap_or(usize::MAX)),
            watches: of(server.max_other_streams),
            connections,
            first_kept,
            kept_from_calls: descriptors - kept / 4,
            may_run_out: RawFd::try_from(most).map_or(true, |most| most > first_kept - KEPT),
        }
    }

    /// A place for a new connection, which it has from before its handshake to its end.
    pub fn connection(&self, socket: &impl AsRawFd) -> Option<OwnedSemaphorePermit> {
        if socket.as_raw_fd() >= self.first_kept {
            return None;
        }
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// A place for a health check: that of the oldest, where all are taken. A probe is never refused, since a process that
    /// seems ill is restarted.
    pub fn check(&self, method: &Method) -> Option<Arc<Place>> {
        is_check(method).then(|| self.checks.enter())
    }

    /// The caller of this name, and its name.
    pub fn caller(&self, auth: &Auth, name: Option<&str>) -> (Option<Arc<str>>, Arc<Caller>) {
        self.callers.of(auth, name)
    }

    /// A place for a call, now or not at all: whoever waits in a queue has stopped waiting by the time it moves. None for
    /// what is not served, and for what always gets in.
    ///
    /// # Errors
    /// When there is none left, for anybody or for this caller.
    pub fn take(&self, record: &Record, caller: &Arc<Caller>) -> Result<Option<Permit>, Kind> {
        let method = record.method();
        let which = match method.kind {
            MethodKind::Unary => Which::Calls,
            MethodKind::Waiting => Which::Waits,
            MethodKind::Streaming => Which::Streams,
            MethodKind::Health if is_check(method) => return Ok(None),
            MethodKind::Health | MethodKind::Reflection => return self.other().map(Some),
            // It ends spending, and is not refused because others spend.
            MethodKind::Stopping | MethodKind::Nothing => return Ok(None),
        };
        if !self.has_descriptors() {
            return Err(Kind::Overloaded(Shed::Descriptors));
        }
        let mut taken = Taken::new(&self.places, caller);
        if method.creates && which == Which::Calls {
            self.take_one(&mut taken, Which::Creates, record)?;
        }
        self.take_one(&mut taken, which, record)?;
        // The last one: what is refused otherwise costs nothing of it.
        if let Some(rate) = caller.rate.as_ref().filter(|_| method.creates)
            && let Err(wait) = rate.take(self.callers.now())
        {
            self.beyond(record, Shed::Rate, Kind::Limited(Shed::Rate, Some(wait)))?;
        }
        Ok(Some(Arc::new(taken)))
    }

    fn take_one(&self, taken: &mut Taken, which: Which, record: &Record) -> Result<(), Kind> {
        match taken.take(which, false) {
            Ok(()) => Ok(()),
            Err(Full::Share) => {
                self.beyond(record, Shed::Share, Kind::Limited(Shed::Share, None))?;
                match taken.take(which, true) {
                    // Another one has had the last place of a limit that is only looked at.
                    Err(_) if which == Which::Creates => Ok(()),
                    taken => taken.map_err(|_| Kind::Overloaded(which.full())),
                }
            }
            // The room of creates is a limit as shares are, and no bound of the process.
            Err(Full::Pool) if which == Which::Creates => {
                self.beyond(record, Shed::Creates, Kind::Overloaded(Shed::Creates))
            }
            Err(Full::Pool) => Err(Kind::Overloaded(which.full())),
        }
    }

    /// What becomes of a call beyond a limit: it is refused, or only told of.
    fn beyond(&self, record: &Record, shed: Shed, refusal: Kind) -> Result<(), Kind> {
        match self.mode {
            Mode::Enforce => Err(refusal),
            Mode::Observe => {
                record.observed(shed);
                Ok(())
            }
        }
    }

    fn other(&self) -> Result<Permit, Kind> {
        let place = Arc::clone(&self.watches).try_acquire_owned().map_err(|_| Kind::Overloaded(Shed::Others))?;
        Ok(Arc::new(place))
    }

    /// Whether a call may have a connection to the platform of its own.
    fn has_descriptors(&self) -> bool {
        if !self.may_run_out {
            return true;
        }
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(lowest) => lowest.as_raw_fd() < self.kept_from_calls,
            Err(error) => error.raw_os_error() != Some(EMFILE),
        }
    }
}

fn is_check(method: &Method) -> bool {
    method.kind == MethodKind::Health && method.name.ends_with("/Check")
}
