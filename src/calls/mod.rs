//! What each call does, in terms of the platform and of protobuf messages, without gRPC and without HTTP.

mod creates;
mod error;
mod follow;
mod history;
mod invoke;
mod lists;
mod owners;
mod rights;
mod stream_events;
mod tasks;
mod wait;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use error::{Error, Kind, Outcome};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{creates::named::Names, follow::Manner, owners::Owners, wait::Waits};
pub use self::{follow::is_end_of, lists::Page};
use crate::{claims::Store, config, platform::Client, translate};

/// The calls, with what they share. Cheap to clone.
#[derive(Clone)]
pub struct Calls {
    shared: Arc<Shared>,
}

struct Shared {
    platform: Client,
    default_agent: Option<String>,
    /// The versions that tasks are pinned to, by agent id.
    pins: BTreeMap<String, String>,
    stop_abandoned: bool,
    following: Manner,
    names: Names,
    /// Where all replicas share them.
    store: Option<Arc<Store>>,
    /// Whether a create goes on without the store while that is away.
    goes_alone: bool,
    /// How long a create may take on its way.
    longest_create: Duration,
    waits: Waits,
    owners: Owners,
    /// Creates go on when their caller has left; a shutdown waits for them here.
    background: TaskTracker,
    /// Ends those that a shutdown waits for no longer.
    ending: CancellationToken,
}

impl Calls {
    /// The calls over one platform client.
    #[must_use]
    pub fn new(platform: Client, store: Option<Arc<Store>>, settings: &config::Settings) -> Self {
        let config::Settings { agents, events, deduplication, .. } = settings;
        let shared = Shared {
            waits: Waits::default(),
            owners: Owners::default(),
            platform,
            default_agent: agents.default_id.clone(),
            pins: agents.pins.clone(),
            stop_abandoned: agents.stop_abandoned,
            following: Manner {
                forward_access_tokens: events.forward_access_tokens,
                reconnect_budget: events.reconnect_budget,
                idle_timeout: events.idle_timeout,
            },
            names: Names::new(deduplication.remembered, deduplication.memory_bytes),
            store,
            goes_alone: deduplication.when_away == config::WhenAway::Alone,
            longest_create: settings.platform.request_timeout,
            background: TaskTracker::new(),
            ending: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How many creates are remembered by their request ids, and the bytes that this takes.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        self.shared.names.size()
    }

    /// Waits for the creates that are still under way, theirs and those whose callers have left. No call may be begun
    /// after this.
    pub async fn finish(&self) {
        self.shared.background.close();
        self.shared.background.wait().await;
        if let Some(store) = &self.shared.store {
            store.settled().await;
        }
    }

    /// Ends the creates that are still under way without their callers: the process has no more time for them. Returns
    /// when each of them is told of and counted.
    pub async fn end(&self) {
        self.shared.ending.cancel();
        if let Some(store) = &self.shared.store {
            store.close();
        }
        self.finish().await;
    }
}

/// A task id from a caller, checked: it becomes a part of a path.
fn checked_task_id(task_id: &str) -> Result<&str, Error> {
    if task_id.is_empty() {
        return Err(Error::invalid("task_id", "is required"));
    }
    if !translate::is_id(task_id) {
        return Err(Error::invalid("task_id", "must match [A-Za-z0-9._~-]{1,128} and not be . or .."));
    }
    Ok(task_id)
}
