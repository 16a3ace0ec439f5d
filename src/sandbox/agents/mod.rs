//! The agents of the sandbox: who there is, and what the platform says of them.
//!
//! It does not run them; that is `script`. The table for readers is in the module `sandbox`.

pub mod says;
pub mod script;
pub mod showcase;

use http::StatusCode;
use serde_json::{Value, json};

/// The versions each agent has; the last one is current.
pub const VERSIONS: [&str; 3] = ["1", "2", "3"];

/// The agent whose continued tasks are turns of a conversation.
pub const CHAT: &str = "chat";
/// The agents that a list has.
const LISTED: [&str; 8] = ["echo", CHAT, "tools", "slow", "human", "fail", "big", "burst"];

/// What follows an agent's id in its name.
const NAME_SUFFIX: &str = "-agent";

/// What an agent does with a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Says the prompt.
    Echo,
    /// Shows every event type.
    Tools,
    /// Takes long.
    Slow,
    /// Waits for a person.
    Human,
    /// Ends badly.
    Fail,
    /// Gives a big result.
    Big,
    /// Sends many events at once.
    Burst,
    /// Answers the creation of a task with this status.
    Refuses(StatusCode),
    /// Answers everything with this status.
    Hidden(StatusCode),
}

/// An agent of the sandbox.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// What it does.
    pub behaviour: Behaviour,
}

impl Agent {
    /// The agent with this id.
    pub fn by_id(id: &str) -> Option<Self> {
        let behaviour = match id {
            "echo" | CHAT => Behaviour::Echo,
            "tools" => Behaviour::Tools,
            "slow" => Behaviour::Slow,
            "human" => Behaviour::Human,
            "fail" => Behaviour::Fail,
            "big" => Behaviour::Big,
            "burst" => Behaviour::Burst,
            _ => match id.split_once('-')? {
                ("http", status) => Behaviour::Refuses(error_status(status)?),
                ("lookup", status) => Behaviour::Hidden(error_status(status)?),
                _ => return None,
            },
        };
        Some(Self { id: id.to_owned(), behaviour })
    }

    /// All agents that a list has.
    pub fn listed() -> impl Iterator<Item = Self> {
        LISTED.into_iter().filter_map(Self::by_id)
    }

    /// The agent with this id or name.
    pub fn by_id_or_name(text: &str) -> Option<Self> {
        Self::by_id(text).or_else(|| Self::by_id(text.strip_suffix(NAME_SUFFIX)?))
    }

    /// The version to run when this one was asked for (none: the current one), if there is such a version.
    pub fn version(asked: Option<&str>) -> Option<&'static str> {
        match asked {
            None => VERSIONS.last().copied(),
            Some(asked) => VERSIONS.into_iter().find(|version| *version == asked),
        }
    }

    /// What the platform says of the agent.
    pub fn to_json(&self, organization: &str, version: &str) -> Value {
        let name = format!("{}{NAME_SUFFIX}", self.id);
        json!({
            "id": self.id,
            "organization_id": organization,
            "name": name,
            "unique_name": name,
            "description": format!("The sandbox's agent {}", self.id),
            "environment_id": "env-sandbox",
            "icon": "🚀",
            "framework": "agno",
            "status": "ACTIVE",
            "type": "regular",
            "deployment_type": "serverless",
            "access_scope": "organizational",
            "version": version.parse::<u32>().unwrap_or_default(),
            "model_provider": "openai",
            "model_name": "gpt-5",
            "llm_reasoning_effort": "medium",
            "deep_planning": true,
            "output_format": "markdown",
            "output_schema": null,
            "instructions": { "role": [], "goal": [], "general": "" },
            "source_nodes": [{ "id": "source-sdk", "type": "sdk", "targets": [], "metadata": {} }],
            "graph": [],
            "tools": [],
            "knowledge_bases": [],
            "created_by": null,
            "created_at": "2026-01-01T00:00:00.000000Z",
        })
    }
}

fn error_status(text: &str) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(text.as_bytes()).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}
