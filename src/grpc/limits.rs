//! How much the proxy does at once, over all connections: a permit for each call, held as long as anything of it goes on.
//!
//! Not tonic's concurrency limit: that one is per connection, and a mesh opens few.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::traffic::UnderWay;
use crate::{
    calls::Kind,
    config,
    telemetry::{Method, MethodKind},
};

/// A call's share; shared by all that the call begins.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// What a call holds while it goes on: a place among its connection's calls, and its share.
pub struct Hold(Mutex<Option<(UnderWay, Option<Permit>)>>);

/// The shares that are left.
pub struct Limits {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Hold {
    /// Held until it is released; dropped before that, the call was reset.
    pub fn new(under_way: UnderWay, permit: Option<Permit>) -> Self {
        Self(Mutex::new(Some((under_way, permit))))
    }

    /// The call's share, for what it begins.
    pub fn permit(&self) -> Option<Permit> {
        self.lock().as_ref().and_then(|(_, permit)| permit.clone())
    }

    /// Gives it back: the call's work is over, whether its caller takes the answer or not.
    pub fn release(&self) {
        let held = self.lock().take();
        if let Some((mut under_way, _permit)) = held {
            under_way.finish();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(UnderWay, Option<Permit>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    /// As many as the settings say.
    pub fn new(settings: &config::Server) -> Self {
        let of = |most: u32| Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        Self { calls: of(settings.max_calls), streams: of(settings.max_streams) }
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
