//! What is remembered of which agent a task is, and of the ids that agents' names stand for.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use crate::platform::Owner;

/// How long it is remembered of which agent a task is, and which id an agent's name stands for.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How much is remembered, in bytes.
const CAPACITY: u64 = 4 << 20;
/// What an entry costs besides its texts, about.
const ENTRY: usize = 256;

/// What is remembered. An agent's id is empty where there is no such agent.
pub(super) struct Owners {
    pub(super) agents: Cache<(Owner, What), Arc<str>>,
}

/// What an agent is known by.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum What {
    /// A task of it.
    Task(String),
    /// Its name.
    Name(String),
}

impl Default for Owners {
    fn default() -> Self {
        let weight = |(owner, what): &(Owner, What), agent: &Arc<str>| {
            let (What::Task(name) | What::Name(name)) = what;
            u32::try_from(ENTRY + owner.size() + name.len() + agent.len()).unwrap_or(u32::MAX)
        };
        let agents = Cache::builder().weigher(weight).max_capacity(CAPACITY).time_to_live(REMEMBERED);
        Self { agents: agents.eviction_policy(EvictionPolicy::lru()).build() }
    }
}
