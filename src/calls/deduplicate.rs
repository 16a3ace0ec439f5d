//! Invocations with a `request_id` (AIP-155): the first one creates, the others get its task.
//!
//! Remembered by this process, for ten minutes; a mesh that balances callers over replicas shows each its own memory.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{sync::watch, time::timeout_at};
use tracing::warn;

use super::{Calls, Error, Kind, Outcome, create::Create};
use crate::{
    platform::{Context, Owner},
    proto,
};

/// How long a request id is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);
/// The most request ids that are remembered; the least lately used one goes first.
const CAPACITY: u64 = 10_000;

/// What is remembered holds a receiver of its own; every other one is a caller.
const REMEMBERED_RECEIVERS: usize = 1;

type Answer = Option<Result<Box<proto::Task>, Error>>;

/// The invocations that were made with a request id.
pub(super) struct Deduplicator {
    first: Cache<Key, Arc<First>>,
    hasher: RandomState,
}

/// Never shared between callers, nor between the keys that they bring.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    owner: Owner,
    caller: Option<Arc<str>>,
    request_id: String,
}

/// The first invocation of its request id.
struct First {
    /// Of the invocation's content.
    fingerprint: u64,
    answer: watch::Receiver<Answer>,
}

impl Default for Deduplicator {
    fn default() -> Self {
        let first = Cache::builder()
            .max_capacity(CAPACITY)
            // Not the default policy, which may refuse a newcomer and so forget it at once.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(REMEMBERED)
            .build();
        Self { first, hasher: RandomState::new() }
    }
}

impl Calls {
    /// Creates a task unless an invocation with this request id does so already, or has done so.
    pub(super) async fn create_once(
        &self,
        context: &Context,
        request_id: &str,
        create: Create,
    ) -> Result<Box<proto::Task>, Error> {
        let creates = &self.shared.creates;
        let agent = create.agent.clone();
        let fingerprint = creates.hasher.hash_one((&create.agent, &create.version, &create.body));
        let (owner, caller) = (context.credentials.owner().clone(), context.record.caller().cloned());
        let key = Key { owner, caller, request_id: request_id.to_owned() };
        let (publish, answer) = watch::channel(None);
        // Not the async cache: nothing may come between being first and beginning.
        let entry = creates.first.entry_by_ref(&key).or_insert_with(|| Arc::new(First { fingerprint, answer }));
        let is_fresh = entry.is_fresh();
        let first = entry.into_value();
        if first.fingerprint != fingerprint {
            return Err(Error::invalid("request_id", "was used for another invocation within the last ten minutes"));
        }
        let answer = first.answer.clone();
        if is_fresh {
            self.create_and_publish(context, key, create, publish);
        }
        self.published(context, answer)
            .await
            .map_err(|error| if error.agent_id.is_none() { error.of_agent(&agent) } else { error })
    }

    /// Creates on its own, so that the answer comes for whoever still waits, and for those who ask later.
    fn create_and_publish(&self, context: &Context, key: Key, create: Create, publish: watch::Sender<Answer>) {
        let (calls, context) = (self.clone(), context.without_deadline());
        self.shared.background.spawn(async move {
            let creating = Box::pin(calls.create_while_awaited(&context, create, &publish));
            let answer = creating.await.map_err(|error| error.in_our_names().or_not_created());
            if matches!(&answer, Err(error) if error.outcome == Some(Outcome::NotCreated)) {
                calls.shared.creates.first.invalidate(&key);
            }
            // Not stopped, whatever the setting: who gave the create a name means to come back for it.
            if let Ok(task) = &answer
                && publish.receiver_count() <= REMEMBERED_RECEIVERS
            {
                let request_id = context.request_id.to_str().unwrap_or_default();
                warn!(request_id, task_id = task.id, "a task was created after its callers left");
            }
            publish.send_replace(Some(answer));
        });
    }

    /// Loads the agent and creates the task, unless everybody has left before it was begun.
    async fn create_while_awaited(
        &self,
        context: &Context,
        create: Create,
        publish: &watch::Sender<Answer>,
    ) -> Result<Box<proto::Task>, Error> {
        let (agent_id, create) = self.load_agent(context, create).await?;
        if publish.receiver_count() <= REMEMBERED_RECEIVERS {
            return Err(Error::new(Kind::Deadline));
        }
        self.send(context, &agent_id, create).await
    }

    async fn published(
        &self,
        context: &Context,
        mut answer: watch::Receiver<Answer>,
    ) -> Result<Box<proto::Task>, Error> {
        let waiting = answer.wait_for(Option::is_some);
        let published = match context.deadline {
            Some(deadline) => timeout_at(deadline, waiting).await.map_err(|_| may_be_created(Kind::Deadline))?,
            None => waiting.await,
        };
        let published = published.map_err(|_| may_be_created(Kind::Internal))?;
        published.as_ref().unwrap_or(&Err(may_be_created(Kind::Internal))).clone()
    }
}

/// Whoever waits for another's create cannot know how far it has come.
fn may_be_created(kind: Kind) -> Error {
    Error { outcome: Some(Outcome::Unknown), ..Error::new(kind) }
}
