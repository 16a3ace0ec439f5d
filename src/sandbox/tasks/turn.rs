//! One turn of a task: its state, its events, and the steps between them.
//!
//! What happens when is up to the agent (`script`); which turn is a task's current one, to the `store`. A finished
//! turn never changes again: a continued task gets a new one, so that a late step of the old turn cannot spoil it.

use std::sync::Mutex;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    activity::Activity,
    attributes::{self, Attributes},
    log::{Log, Subject, now},
    memory::Share,
    state::{State, tokens},
    status::{Ending, Status},
};
use crate::sandbox::lock::locked;

/// One turn of a task.
#[derive(Debug)]
pub struct Turn {
    subject: Subject,
    state: Mutex<State>,
    /// Told of every change of `state`.
    changed: watch::Sender<()>,
    resumed: Notify,
    /// Cancelled when the turn is over, and with the sandbox.
    over: CancellationToken,
    memory: Share,
}

impl Turn {
    /// A pending turn of the task with these attributes, before which this has happened in it, and whose events are
    /// numbered from `first_id` on.
    pub fn new(
        attributes: Attributes,
        (activity, first_id): (Activity, u64),
        over: CancellationToken,
        memory: Share,
    ) -> Self {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let turn = Self {
            subject: Subject { task: text("id"), organization: text("organization_id") },
            state: Mutex::new(State::pending(attributes, Log::starting_at(first_id), activity)),
            changed: watch::Sender::new(()),
            resumed: Notify::new(),
            over,
            memory,
        };
        turn.asked(&mut locked(&turn.state));
        turn.step(|state| Some(("task_created", state.snapshot())));
        turn
    }

    /// Whom the turn's events are about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Cancelled when the turn is over.
    pub fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// The task as it is now.
    pub fn snapshot(&self) -> Value {
        locked(&self.state).snapshot()
    }

    /// The task as a list has it.
    pub fn row(&self) -> Value {
        locked(&self.state).row()
    }

    /// What has happened in the task so far.
    pub fn activity(&self) -> String {
        let state = locked(&self.state);
        state.activity.to_json(&state.attributes)
    }

    /// What is to be done: the prompt.
    pub fn prompt(&self) -> String {
        attributes::prompt(&locked(&self.state).attributes).to_owned()
    }

    /// An attribute as it is now, null when there is none.
    pub fn attribute(&self, name: &str) -> Value {
        locked(&self.state).attributes.get(name).cloned().unwrap_or_default()
    }

    /// Whether the turn is done.
    pub fn is_over(&self) -> bool {
        locked(&self.state).status.is_terminal()
    }

    /// From pending to executing.
    pub fn begin(&self) {
        self.step(|state| {
            state.status = Status::Executing;
            state.attributes.entry("started_at").and_modify(|at| {
                if at.is_null() {
                    *at = json!(now());
                }
            });
            Some(("task_updated", state.snapshot()))
        });
    }

    /// Sends an event of the agent.
    pub fn emit(&self, kind: &'static str, data: Value) {
        self.step(|_| Some((kind, data)));
    }

    /// Sends an event of the agent under the identity of one of its skills.
    pub fn emit_as(&self, identity: Value, kind: &'static str, data: &Value) {
        let mut state = locked(&self.state);
        if !state.status.is_terminal() {
            self.push(&mut state, kind, data, Some(identity));
        }
    }

    /// Sets an attribute without telling anyone.
    pub fn set(&self, name: &str, value: Value) {
        self.step(|state| {
            state.attributes.insert(name.to_owned(), value);
            None
        });
    }

    /// From executing to paused, for the reason that this attribute tells.
    pub fn pause(&self, reason: &str, details: Value) {
        self.step(|state| {
            state.status = Status::Paused;
            state.attributes.insert("paused_at".to_owned(), json!(now()));
            state.attributes.insert(reason.to_owned(), details);
            Some(("task_updated", state.snapshot()))
        });
    }

    /// Waits until a paused turn is resumed.
    pub async fn resumed(&self) {
        self.resumed.notified().await;
    }

    /// From paused back to pending, with a new prompt. False, and nothing happens, unless the turn is paused.
    pub fn resume(&self, agent: &str, version: &str, body: &Attributes) -> bool {
        let mut state = locked(&self.state);
        if state.status != Status::Paused {
            return false;
        }
        // Whoever follows the paused task has a stream, whatever the continuation asks for.
        let streamed = attributes::is_streamed(&state.attributes);
        state.attributes = attributes::continued(&state.attributes, agent, version, body);
        if streamed {
            state.attributes.insert("events_streaming".to_owned(), json!(true));
        }
        state.status = Status::Pending;
        self.asked(&mut state);
        let updated = state.snapshot();
        self.push(&mut state, "task_updated", &updated, None);
        self.resumed.notify_one();
        true
    }

    /// Ends the turn, unless it is over already.
    pub fn finish(&self, ending: &Ending) {
        let bytes = ending.result.as_ref().map_or(0, String::len);
        self.step(|state| {
            state.attributes.insert("tokens".to_owned(), tokens(&state.attributes, ending.result.as_deref()));
            state.attributes.insert("used_tools".to_owned(), json!(ending.used_tools));
            state.attributes.insert("result".to_owned(), json!(ending.result));
            state.end(ending.status);
            self.memory.add(state.activity.answered(&self.subject.task, &state.attributes));
            Some(("task_finished", if ending.trimmed { state.trimmed() } else { state.snapshot() }))
        });
        self.memory.add(bytes);
        self.over.cancel();
    }

    /// Stops the turn, unless it is over already.
    pub fn stop(&self) {
        self.step(|state| {
            state.attributes.insert("is_manually_stopped".to_owned(), json!(true));
            state.end(Status::Stopped);
            Some(("task_finished", state.snapshot()))
        });
        self.over.cancel();
    }

    /// The attributes for the task's next turn, what has happened before it, and the id its first event has. None while
    /// this turn is not over.
    pub fn next(&self, agent: &str, version: &str, body: &Attributes) -> Option<(Attributes, (Activity, u64))> {
        let state = locked(&self.state);
        let next = || {
            let attributes = attributes::continued(&state.attributes, agent, version, body);
            (attributes, (state.activity.clone(), state.log.next_id()))
        };
        state.status.is_terminal().then(next)
    }

    /// Told of every change; what was read before `borrow_and_update` may be old after it.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Where a reader begins who has seen the event with this id.
    pub fn cursor(&self, last_event_id: u64) -> u64 {
        locked(&self.state).log.cursor(last_event_id)
    }

    /// Some events after the one with this id; none, and true, when there will be no more.
    pub fn events_after(&self, id: u64, most: usize) -> (Vec<Bytes>, bool) {
        let state = locked(&self.state);
        let events = state.log.after(id, most);
        let done = events.is_empty() && state.status.is_terminal();
        (events, done)
    }

    /// Changes the state and sends the event that comes of it in one go, so that events are in the order of the
    /// changes. Nothing happens any more once the turn is over.
    fn step(&self, change: impl FnOnce(&mut State) -> Option<(&'static str, Value)>) {
        let mut state = locked(&self.state);
        if state.status.is_terminal() {
            return;
        }
        if let Some((kind, data)) = change(&mut state) {
            self.push(&mut state, kind, &data, None);
        }
    }

    fn asked(&self, state: &mut State) {
        self.memory.add(state.activity.asked(&self.subject.task, &state.attributes));
    }

    fn push(&self, state: &mut State, kind: &str, data: &Value, identity: Option<Value>) {
        self.memory.add(state.activity.happened(&self.subject.task, kind, data));
        if attributes::is_streamed(&state.attributes) {
            self.memory.add(state.log.push(&self.subject.event(kind, data, identity)));
        }
        self.changed.send_replace(());
    }
}
