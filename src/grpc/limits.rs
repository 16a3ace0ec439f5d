//! How much the proxy does at once, over all connections: a permit for each call, held as long as anything of it goes on.
//!
//! Not tonic's concurrency limit: that one is per connection, and a mesh opens few.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    calls::Kind,
    config,
    telemetry::{Method, MethodKind},
};

/// A call's share; shared by all that the call begins.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// The shares that are left.
pub struct Limits {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Limits {
    /// As many as the settings say.
    pub fn new(settings: &config::Server) -> Self {
        let of = |most: u32| Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        let connections = of(settings.max_connections);
        Self { calls: of(settings.max_calls), streams: of(settings.max_streams), connections }
    }

    /// A place for a new connection, which it has from before its handshake to its end.
    pub fn connection(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// A share for a call of the API, now or not at all: whoever waits in a queue has stopped waiting by the time it
    /// moves. None for what is no call of the API.
    ///
    /// # Errors
    /// When there is none left.
    pub fn take(&self, method: &Method) -> Result<Option<Permit>, Kind> {
        let (shares, what) = match method.kind {
            MethodKind::Unary => (&self.calls, "server.max_calls"),
            MethodKind::Streaming => (&self.streams, "server.max_streams"),
            MethodKind::Health | MethodKind::Reflection | MethodKind::Nothing => return Ok(None),
        };
        let share = Arc::clone(shares).try_acquire_owned().map_err(|_| Kind::Overloaded(what))?;
        Ok(Some(Arc::new(share)))
    }
}
