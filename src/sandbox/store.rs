//! All tasks of a sandbox, by id: creating, continuing, finding them, and forgetting the oldest.
//!
//! It does not know what a task does; it starts the agent's script and leaves it alone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::agents::{Agent, CHAT, script};
use super::lock::locked;
use super::tasks::{
    activity::Activity,
    attributes::{self, Attributes},
    memory::Total,
    turn::Turn,
};

/// How many tasks are kept at most.
const TASKS: usize = 10_000;
/// How many bytes the tasks' texts and events may take before finished tasks are forgotten.
const BYTES: usize = 256 << 20;

/// What a valid request to create or continue a task asks for.
#[derive(Debug)]
pub struct Order<'a> {
    /// Who is to do it.
    pub agent: &'a Agent,
    /// The agent's version to run.
    pub version: &'static str,
    /// On whose behalf.
    pub organization: &'a str,
    /// The body of the request.
    pub body: &'a Attributes,
    /// The size of that body on the wire.
    pub bytes: usize,
}

/// Why a task was not created or continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The task to continue is not known.
    Unknown,
    /// The task to continue is at work.
    Running,
    /// So many tasks are at work that none can be forgotten.
    Full,
}

/// The tasks.
#[derive(Debug)]
pub struct Store {
    tasks: Mutex<Tasks>,
    memory: Total,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Tasks {
    /// Each task's current turn.
    turns: HashMap<String, Arc<Turn>>,
    /// The ids, oldest task first.
    order: VecDeque<String>,
}

impl Store {
    /// No tasks yet; those to come end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: Mutex::default(), memory: Total::default(), stop }
    }

    /// The current turn of a task.
    pub fn find(&self, id: &str) -> Option<Arc<Turn>> {
        locked(&self.tasks).turns.get(id).cloned()
    }

    /// All tasks that are kept, oldest first.
    pub fn all(&self) -> Vec<Arc<Turn>> {
        let tasks = locked(&self.tasks);
        tasks.order.iter().filter_map(|id| tasks.turns.get(id).cloned()).collect()
    }

    /// Creates a task and sets its agent to work.
    pub fn create(&self, order: &Order<'_>) -> Result<Arc<Turn>, Refusal> {
        self.begin(order, None)
    }

    /// Creates a task, or a turn of this conversation.
    fn begin(&self, order: &Order<'_>, conversation: Option<&str>) -> Result<Arc<Turn>, Refusal> {
        let id = Uuid::now_v7().to_string();
        let mut attributes = attributes::new(&id, &order.agent.id, order.organization, order.version, order.body);
        if let Some(head) = conversation {
            attributes.insert("conversation_id".to_owned(), head.into());
            attributes.insert("conversation_kind".to_owned(), Value::Null);
        }
        let turn = self.turn(attributes, (Activity::default(), 1), order);
        let mut tasks = locked(&self.tasks);
        tasks.forget_finished(&self.memory);
        if tasks.turns.len() >= TASKS {
            return Err(Refusal::Full);
        }
        tasks.order.push_back(id.clone());
        tasks.turns.insert(id, Arc::clone(&turn));
        drop(tasks);
        script::start(Arc::clone(&turn), order.agent.behaviour);
        Ok(turn)
    }

    /// Continues a task: a paused one goes on with its turn, a finished one gets a new turn. In a conversation that is a
    /// task of its own.
    pub fn resume(&self, id: &str, order: &Order<'_>) -> Result<Arc<Turn>, Refusal> {
        let current = self.find(id).ok_or(Refusal::Unknown)?;
        if current.attribute("agent_id") == CHAT {
            let head = current.attribute("conversation_id");
            return if current.is_over() { self.begin(order, head.as_str()) } else { Err(Refusal::Running) };
        }
        let (agent, version) = (order.agent.id.as_str(), order.version);
        // The lock is held throughout, so that of two continuations at a time one finds the task running.
        let mut tasks = locked(&self.tasks);
        let current = tasks.turns.get_mut(id).ok_or(Refusal::Unknown)?;
        if current.resume(agent, version, order.body) {
            return Ok(Arc::clone(current));
        }
        let (attributes, before) = current.next(agent, version, order.body).ok_or(Refusal::Running)?;
        let turn = self.turn(attributes, before, order);
        *current = Arc::clone(&turn);
        drop(tasks);
        script::start(Arc::clone(&turn), order.agent.behaviour);
        Ok(turn)
    }

    fn turn(&self, attributes: Attributes, before: (Activity, u64), order: &Order<'_>) -> Arc<Turn> {
        Arc::new(Turn::new(attributes, before, self.stop.child_token(), self.memory.share(order.bytes)))
    }
}

impl Tasks {
    /// Makes room for one more task, as far as finished tasks can make it.
    fn forget_finished(&mut self, memory: &Total) {
        while self.turns.len() >= TASKS || memory.bytes() > BYTES {
            let finished = |id: &String| self.turns.get(id).is_none_or(|turn| turn.is_over());
            let Some(id) = self.order.iter().position(finished).and_then(|index| self.order.remove(index)) else {
                return;
            };
            self.turns.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn the_oldest_finished_task_is_forgotten_and_a_running_one_never() {
        let store = Store::new(CancellationToken::new());
        let agent = Agent::by_id("slow").unwrap();
        let body = json!({ "input": {} });
        let body = body.as_object().unwrap();
        let order = Order { agent: &agent, version: "3", organization: "org-1", body, bytes: 12 };
        let create = || store.create(&order).unwrap().snapshot()["id"].as_str().unwrap().to_owned();
        let (finished, running) = (create(), create());
        store.find(&finished).unwrap().stop();
        let others: Vec<_> = (0..9_998).map(|_| create()).collect();
        assert!(store.find(&finished).is_some());
        create();
        assert!(store.find(&finished).is_none());
        assert!(store.find(&running).is_some());
        assert_eq!(store.create(&order).map(|turn| Arc::strong_count(&turn)), Err(Refusal::Full));
        store.find(others.last().unwrap()).unwrap().stop();
        create();
    }
}
