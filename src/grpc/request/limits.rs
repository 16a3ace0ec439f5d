//! How much the proxy does at once, over all connections: a permit for each call, held as long as anything of it goes on.
//!
//! Not tonic's concurrency limit: that one is per connection, and a mesh opens few.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd, RawFd},
    sync::Arc,
};

use rlimit::Resource;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    calls::Kind,
    config,
    memory::{Few, Place},
    telemetry::{Method, MethodKind},
};

/// A call's share; shared by all that the call begins.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// How many file descriptors callers' connections leave to those to the platform and to probes; a quarter where there are few.
/// A quarter of it those to the platform leave to probes.
const KEPT: RawFd = 64;
/// The system's word for having none left.
const EMFILE: i32 = 24;

/// The shares that are left.
pub struct Limits {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
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
    /// As many as the settings say.
    pub fn new(settings: &config::Server) -> Self {
        let of = |most: u32| Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        let connections = of(settings.max_connections);
        // It is raised before anything is served.
        let descriptors = Resource::NOFILE.get_soft().ok().and_then(|most| most.try_into().ok()).unwrap_or(RawFd::MAX);
        let kept = KEPT.min(descriptors / 4);
        let first_kept = descriptors - kept;
        let kept_from_calls = descriptors - kept / 4;
        let most = settings.max_connections.saturating_add(settings.max_calls).saturating_add(settings.max_streams);
        let may_run_out = RawFd::try_from(most).map_or(true, |most| most > first_kept - KEPT);
        Self {
            calls: of(settings.max_calls),
            streams: of(settings.max_streams),
            checks: Few::new(usize::try_from(settings.max_other_streams).unwrap_or(usize::MAX)),
            watches: of(settings.max_other_streams),
            connections,
            first_kept,
            kept_from_calls,
            may_run_out,
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

    /// A share for a call, now or not at all: whoever waits in a queue has stopped waiting by the time it moves. None for
    /// what is not served, and for health checks.
    ///
    /// # Errors
    /// When there is none left.
    pub fn take(&self, method: &Method) -> Result<Option<Permit>, Kind> {
        let (shares, what) = match method.kind {
            MethodKind::Unary => (&self.calls, "server.max_calls"),
            MethodKind::Streaming => (&self.streams, "server.max_streams"),
            MethodKind::Nothing => return Ok(None),
            MethodKind::Health if is_check(method) => return Ok(None),
            MethodKind::Health | MethodKind::Reflection => (&self.watches, "server.max_other_streams"),
        };
        if method.is_of_the_api() && !self.has_descriptors() {
            return Err(Kind::Overloaded("the limit on open files"));
        }
        let share = Arc::clone(shares).try_acquire_owned().map_err(|_| Kind::Overloaded(what))?;
        Ok(Some(Arc::new(share)))
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
