//! A turn's state under its lock, and what the platform says of it.
//!
//! Plain data: who may change it when is up to `task`.

use std::time::Instant;

use serde_json::{Value, json};

use super::activity::Activity;
use super::attributes::{self, Attributes};
use super::log::{Log, now};
use super::status::Status;

/// How much of a trimmed result is left.
const TRIMMED_RESULT: usize = 1024;

/// A turn's state.
#[derive(Debug)]
pub struct State {
    /// The task's attributes, `status` aside.
    pub attributes: Attributes,
    /// Its `status`.
    pub status: Status,
    /// Its events.
    pub log: Log,
    /// What has happened in its task so far, in earlier turns too.
    pub activity: Activity,
    began: Instant,
}

impl State {
    /// A turn that is still to begin.
    pub fn pending(attributes: Attributes, log: Log, activity: Activity) -> Self {
        Self { attributes, status: Status::Pending, log, activity, began: Instant::now() }
    }

    /// The whole task, as JSON.
    pub fn snapshot(&self) -> Value {
        let mut task = self.attributes.clone();
        task.insert("status".to_owned(), json!(self.status.as_str()));
        Value::Object(task)
    }

    /// The task as a list has it.
    pub fn row(&self) -> Value {
        let attribute = |name: &str| self.attributes.get(name).cloned().unwrap_or_default();
        let [finished, started, created] = ["finished_at", "started_at", "created_at"].map(attribute);
        let updated = [&finished, &started, &created].into_iter().find(|time| !time.is_null());
        json!({
            "id": attribute("id"), "agent_id": attribute("agent_id"), "organization_id": attribute("organization_id"),
            "status": self.status.as_str(), "user_id": attribute("input")["user"]["id"],
            "parent_task_id": attribute("parent_execution"), "triggering_agent_id": attribute("triggering_agent_id"),
            "created_at": created, "updated_at": updated, "source_node_type": attribute("source"),
            "result": attribute("result"), "title": attribute("title"), "execution_kind": attribute("execution_kind"),
            "process": null, "conversation_kind": attribute("conversation_kind"),
        })
    }

    /// What is left of a task that is too big for an event: not even all that a task needs to have.
    pub fn trimmed(&self) -> Value {
        const KEPT: [&str; 4] = ["id", "agent_id", "finished_at", "events_streaming"];
        let kept = KEPT.into_iter().filter_map(|name| self.attributes.get_key_value(name));
        let mut task: Attributes = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let result = self.attributes.get("result").and_then(Value::as_str).unwrap_or_default();
        let start: String = result.chars().take(TRIMMED_RESULT).collect();
        task.insert("result".to_owned(), json!(start));
        task.insert("status".to_owned(), json!(self.status.as_str()));
        task.insert("_result_truncated".to_owned(), json!(true));
        Value::Object(task)
    }

    /// To a terminal status.
    pub fn end(&mut self, status: Status) {
        self.status = status;
        // Whole milliseconds, for a number that is short on the wire.
        let milliseconds = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.attributes.insert("duration".to_owned(), json!(f64::from(milliseconds) / 1000.0));
        self.attributes.insert("finished_at".to_owned(), json!(now()));
    }
}

/// What a turn with this result cost, a word being a token here.
pub fn tokens(attributes: &Attributes, result: Option<&str>) -> Value {
    let words = |text: &str| text.split_whitespace().count();
    json!({
        "prompt_tokens": words(attributes::prompt(attributes)),
        "completion_tokens": result.map_or(0, words),
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
    })
}
