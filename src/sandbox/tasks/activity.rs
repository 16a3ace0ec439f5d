//! The activity log of a task: what its events say, as the platform keeps it.
//!
//! It takes no lock; the task that owns it does.

use serde_json::{Value, json};

use super::{attributes::Attributes, log::now};

/// A task's activity log, over all its turns.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    entries: Vec<Value>,
}

impl Activity {
    /// Notes what the user asks for, and says how many bytes that takes.
    pub fn asked(&mut self, task: &str, attributes: &Attributes) -> usize {
        let input = attributes.get("input").cloned().unwrap_or_default();
        let content = json!({ "text": input["text"], "files": input["files"] });
        self.add(task, json!({ "role": "user", "content": content, "user": input["user"] }))
    }

    /// Notes what the agent answers in the end.
    pub fn answered(&mut self, task: &str, attributes: &Attributes) -> usize {
        match attributes.get("result") {
            Some(result @ Value::String(_)) => {
                let content = json!({ "text": result, "files": [] });
                self.add(task, json!({ "role": "agent", "content": content, "sub_execution_result": false }))
            }
            _ => 0,
        }
    }

    /// Notes an event of the agent, where it is one that the log keeps.
    pub fn happened(&mut self, task: &str, kind: &str, data: &Value) -> usize {
        let part = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), data[*key].clone())).collect::<Value>();
        let entry = match kind {
            "think" | "analyze" if data.is_string() => json!({ "type": kind, "thought": data }),
            "think" | "analyze" => {
                part(&["type", "title", "confidence", "thought", "action", "result", "analysis", "plan_task_id"])
            }
            "tool_call_result" => part(&["tool_name", "payload", "is_error", "reasoning", "result", "plan_task_id"]),
            "sub_agent_trigger" => part(&["agent_id", "query", "files", "reasoning"]),
            "auth_event" => part(&["type", "data"]),
            "agent_gateway_decision" => json!({ "action": data["decision"], "confidence": data["confidence"] }),
            _ => return 0,
        };
        self.add(task, entry)
    }

    /// The whole log, as the platform answers with it.
    pub fn to_json(&self, attributes: &Attributes) -> String {
        let attribute = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        let (id, created, user) = (attribute("id"), attribute("created_at"), &attribute("input")["user"]);
        let entries = Value::from(self.entries.clone());
        // In the platform's order.
        format!(r#"{{"id":{id},"created_at":{created},"user":{user},"messages":{entries}}}"#)
    }

    fn add(&mut self, task: &str, mut entry: Value) -> usize {
        entry["id"] = json!(format!("{task}-{}", self.entries.len() + 1));
        entry["created_at"] = json!(now());
        let bytes = entry.to_string().len();
        self.entries.push(entry);
        bytes
    }
}
