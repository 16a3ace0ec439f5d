//! Names for creates: of the invocations with one `request_id` (AIP-155), the first one creates, the others wait with it.
//!
//! Remembered by this process, for ten minutes; a mesh that balances callers over replicas shows each its own memory.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
    time::Duration,
};

use moka::{
    Entry,
    ops::compute::{CompResult, Op},
    policy::EvictionPolicy,
    sync::Cache,
};
use tokio::{sync::watch, task::AbortHandle};

use super::{
    Calls, Error, Kind,
    create::{Answer, Caller, Create, Life, in_time, told_to_nobody},
};
use crate::{
    memory,
    platform::{Context, Owner, Phase, Progress, State},
};

/// How long a request id is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);
/// The most request ids that are remembered; the least lately used one goes first.
const CAPACITY: u64 = 10_000;

/// The invocations that were made with a request id.
pub(super) struct Deduplicator {
    names: Cache<Key, Arc<Named>>,
    hasher: RandomState,
}

/// Never shared between callers, nor between the keys that they bring.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    owner: Owner,
    caller: Option<Arc<str>>,
    request_id: String,
}

/// A create with its name.
struct Named {
    /// Of the invocation's content.
    fingerprint: u64,
    progress: Arc<Progress>,
    /// None until it is over.
    answer: watch::Receiver<Option<Answer>>,
    /// Its life, which goes on by itself.
    life: OnceLock<AbortHandle>,
}

/// One who waits for a create with a name. The last one who leaves ends what is not on its way.
struct Waiting<'a> {
    calls: &'a Calls,
    context: &'a Context,
    key: Key,
    named: Arc<Named>,
    caller: Caller,
}

impl Default for Deduplicator {
    fn default() -> Self {
        let names = Cache::builder()
            .max_capacity(CAPACITY)
            // Not the default policy, which may refuse a newcomer and so forget it at once.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(REMEMBERED)
            .build();
        Self { names, hasher: RandomState::new() }
    }
}

impl Deduplicator {
    /// The create that has this name already, which is joined, or else the new one, which gets it. None where the name
    /// stands for another invocation.
    fn claim(&self, key: &Key, new: &Arc<Named>) -> Option<Arc<Named>> {
        let claim = |known: Option<Entry<Key, Arc<Named>>>| {
            let stays = known.is_some_and(|known| {
                let Named { fingerprint, progress, .. } = &**known.value();
                if *fingerprint == new.fingerprint { progress.step(State::join) } else { !is_free(progress) }
            });
            if stays { Op::Nop } else { Op::Put(Arc::clone(new)) }
        };
        // Not the async cache: nothing may come between being first and beginning.
        let named = match self.names.entry_by_ref(key).and_compute_with(claim) {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => {
                entry.into_value()
            }
            CompResult::StillNone(_) | CompResult::Removed(_) => return None,
        };
        (named.fingerprint == new.fingerprint).then_some(named)
    }

    /// Frees the name of a create that has made no task, unless another one has got it since.
    fn forget(&self, key: &Key, named: &Arc<Named>) {
        let forget = |known: Option<Entry<Key, Arc<Named>>>| match known {
            Some(known) if Arc::ptr_eq(known.value(), named) => Op::Remove,
            _ => Op::Nop,
        };
        let _ = self.names.entry_by_ref(key).and_compute_with(forget);
    }
}

impl Calls {
    /// Creates a task unless a create with this name does so already, or has done so.
    pub(super) async fn create_once(&self, context: &Context, request_id: &str, create: Create) -> Answer {
        let creates = &self.shared.creates;
        let all = (&create.agent, &create.version, &create.body);
        let fingerprint = memory::aside(create.body.len(), || creates.hasher.hash_one(all));
        let (owner, caller) = (context.credentials.owner().clone(), context.record.caller().cloned());
        let key = Key { owner, caller, request_id: request_id.to_owned() };
        let ((publish, answer), progress) = (watch::channel(None), Arc::new(Progress::begin()));
        let new = Arc::new(Named { fingerprint, progress, answer, life: OnceLock::new() });
        let Some(named) = creates.claim(&key, &new) else {
            return Err(Error::invalid("request_id", "was used for another invocation within the last ten minutes"));
        };
        let caller = Caller::new(Arc::clone(&named.progress), context);
        let waiting = Waiting { calls: self, context, key, named, caller };
        if Arc::ptr_eq(&waiting.named, &new) {
            waiting.begin(create, publish);
        }
        in_time(context, waiting.answer()).await
    }
}

impl Waiting<'_> {
    /// Begins the create, which goes on by itself: its answer comes for whoever still waits, and for those who ask later.
    fn begin(&self, create: Create, publish: watch::Sender<Option<Answer>>) {
        let (calls, key, named) = (self.calls.clone(), self.key.clone(), Arc::clone(&self.named));
        // Not stopped, whatever the setting: who gave the create a name means to come back for it.
        let life = Life::begin(self.calls, self.context, &named.progress, false);
        let life = async move {
            life.live(create, |answer| drop(publish.send_replace(Some(answer)))).await;
            if is_free(&named.progress) {
                calls.shared.creates.forget(&key, &named);
            }
        };
        if let Some(life) = self.calls.go_on(life) {
            let _ = self.named.life.set(life);
        }
    }

    async fn answer(mut self) -> Answer {
        let mut answer = self.named.answer.clone();
        // An error is a life that broke off.
        let published = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        self.caller.hear();
        published.unwrap_or_else(|| Err(Error::new(Kind::Internal)))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(State { phase, callers: 0, is_told }) = self.caller.leave() else { return };
        match phase {
            Phase::NotCreated => {
                if let Some(life) = self.named.life.get() {
                    life.abort();
                }
                self.calls.shared.creates.forget(&self.key, &self.named);
            }
            Phase::Created if !is_told => {
                let answer = self.named.answer.borrow();
                let task = answer.as_ref().and_then(|answer| answer.as_ref().ok());
                told_to_nobody(self.context, task.map(|task| &*task.id));
            }
            _ => {}
        }
    }
}

/// Whether a create has made no task and will make none, so that its name is free.
fn is_free(progress: &Progress) -> bool {
    progress.phase() == Phase::NotCreated
}
