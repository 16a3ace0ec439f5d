//! The agents that were loaded lately: a lookup is kept for a few seconds, and many calls at once make one.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;

use super::{error::Error, pool::credentials::Credentials};

/// How much is kept, in bytes: some ten thousand lookups.
const CAPACITY: u64 = 4 << 20;
/// What one takes beside its texts, in bytes, give or take.
const LOOKUP: usize = 256;

/// The cache; belongs to one client and so to one base URL.
#[derive(Clone)]
pub struct Agents {
    ids: Cache<Key, Loaded>,
}

/// An agent that was loaded.
#[derive(Clone)]
pub struct Loaded {
    /// The id to create tasks under.
    pub id: Arc<str>,
    /// Its name; empty without one.
    pub name: Arc<str>,
}

/// Everything an answer depends on, as the official client has it.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    credentials: Arc<Credentials>,
    agent: String,
    version: Option<String>,
}

fn weight(key: &Key, agent: &Loaded) -> u32 {
    let texts = key.agent.len() + key.version.as_ref().map_or(0, String::len) + agent.id.len() + agent.name.len();
    u32::try_from(LOOKUP + texts).unwrap_or(u32::MAX)
}

impl Agents {
    /// A cache that keeps a lookup for `ttl`.
    pub fn new(ttl: Duration) -> Self {
        Self { ids: Cache::builder().weigher(weight).max_capacity(CAPACITY).time_to_live(ttl).build() }
    }

    /// What an agent answered with, loaded by `load` unless it is known. Failures are shared by those who wait
    /// for the same load and are not kept.
    pub async fn get_or_load(
        &self,
        credentials: &Arc<Credentials>,
        agent: &str,
        version: Option<&str>,
        load: impl AsyncFnOnce() -> Result<Loaded, Error>,
    ) -> Result<Loaded, Error> {
        let key =
            Key { credentials: Arc::clone(credentials), agent: agent.to_owned(), version: version.map(str::to_owned) };
        if let Some(agent) = self.ids.get(&key).await {
            return Ok(agent);
        }
        // Boxed: a load is rare, and would make every call's future large.
        let loading = Box::pin(self.ids.try_get_with(key, load()));
        loading.await.map_err(|error| Error::clone(&error))
    }
}
