//! How much the proxy does at once, over all connections: a permit for each call, held as long as anything of it goes on.
//!
//! Not tonic's concurrency limit: that one is per connection, and a mesh opens few.

use std::{
    os::fd::{AsRawFd, RawFd},
    sync::Arc,
};

use rlimit::Resource;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    calls::Kind,
    config,
    telemetry::{Method, MethodKind},
};

/// A call's share; shared by all that the call begins.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// How many file descriptors callers' connections leave to probes and to the platform's; a quarter where there are few.
const KEPT: RawFd = 64;

/// The shares that are left.
pub struct Limits {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// Health and reflection, whoever may call them.
    checks: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    /// The first of the descriptors that are kept. The system gives the lowest that is free.
    first_kept: RawFd,
}

impl Limits {
    /// As many as the settings say.
    pub fn new(settings: &config::Server) -> Self {
        let of = |most: u32| Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        let connections = of(settings.max_connections);
        // It is raised before anything is served.
        let descriptors = Resource::NOFILE.get_soft().ok().and_then(|most| most.try_into().ok()).unwrap_or(RawFd::MAX);
        let first_kept = descriptors - KEPT.min(descriptors / 4);
        let [checks, watches] = [(); 2].map(|()| of(settings.max_other_streams));
        Self {
            calls: of(settings.max_calls),
            streams: of(settings.max_streams),
            checks,
            watches,
            connections,
            first_kept,
        }
    }

    /// A place for a new connection, which it has from before its handshake to its end.
    pub fn connection(&self, socket: &impl AsRawFd) -> Option<OwnedSemaphorePermit> {
        if socket.as_raw_fd() >= self.first_kept {
            return None;
        }
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// A share for a call, now or not at all: whoever waits in a queue has stopped waiting by the time it moves. None for
    /// what is not served.
    ///
    /// # Errors
    /// When there is none left.
    pub fn take(&self, method: &Method) -> Result<Option<Permit>, Kind> {
        let (shares, what) = match method.kind {
            MethodKind::Unary => (&self.calls, "server.max_calls"),
            MethodKind::Streaming => (&self.streams, "server.max_streams"),
            MethodKind::Health if method.name.ends_with("/Check") => (&self.checks, "server.max_other_streams"),
            MethodKind::Health | MethodKind::Reflection => (&self.watches, "server.max_other_streams"),
            MethodKind::Nothing => return Ok(None),
        };
        let share = Arc::clone(shares).try_acquire_owned().map_err(|_| Kind::Overloaded(what))?;
        Ok(Some(Arc::new(share)))
    }
}
