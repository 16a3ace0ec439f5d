//! Events and what is inside them.

use std::borrow::Cow;

use super::{Rest, Time, object::objects};
use crate::proto::json::{Reader, Struct, Value};

/// One event: a JSON object with a string `type`; everything else may be missing.
pub struct Envelope<'a> {
    /// The platform's word for what happened.
    pub kind: Cow<'a, str>,
    /// The task it happened in.
    pub task_id: Option<String>,
    /// The organization the task belongs to.
    pub organization_id: Option<String>,
    /// When it happened.
    pub time: Option<Time>,
    /// Under which identity the agent spoke.
    pub identity: Option<Identity>,
    /// What is known of it, as its text: its shape depends on the kind. None for null.
    pub data: Option<&'a str>,
    /// What has no place above.
    pub rest: Rest,
}

impl<'a> Envelope<'a> {
    /// The event of this text; None where it is none.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let mut json = Reader::new(text);
        let mut kind = None;
        let (mut task_id, mut organization_id, mut time, mut identity, mut data) = (None, None, None, None, None);
        let mut rest = Rest::default();
        json.object(|json, key| {
            match &*key.text() {
                "type" => kind = Some(json.string()?.text()),
                "task_id" => task_id = rest.read(key, json)?,
                "organization_id" => organization_id = rest.read(key, json)?,
                "time" => time = rest.read(key, json)?,
                "identity" => identity = rest.read(key, json)?,
                "data" => data = Some(json.skip()?).filter(|data| *data != "null"),
                _ => rest.keep(key, json)?,
            }
            Some(())
        })?;
        let kind = kind.filter(|_| json.is_at_end())?;
        Some(Self { kind, task_id, organization_id, time, identity, data, rest })
    }
}

objects! {
    /// Under which identity an agent spoke.
    Identity { name: String, icon: String }
    /// A tool the agent wants to call.
    ToolCallRequest {
        request_id: String,
        operation_id: String,
        tool_call_id: String,
        graph_node_id: String,
        tool_name: String,
        payload: Value,
        reasoning: ToolCallReasoning,
        plan_task_id: String,
    }
    /// What a tool answered.
    ToolCallResult {
        request_id: String,
        operation_id: String,
        tool_call_id: String,
        graph_node_id: String,
        tool_name: String,
        payload: Value,
        reasoning: ToolCallReasoning,
        plan_task_id: String,
        result: Value,
        is_error: bool,
        approval_request_id: String,
    }
    /// Why an agent calls a tool or another agent.
    ToolCallReasoning { title: String, description: String }
    /// A thought of the agent.
    Reasoning {
        id: String,
        r#type as "type": String,
        title: String,
        confidence: f64,
        thought: String,
        action: String,
        result: String,
        analysis: String,
        plan_task_id: String,
    }
    /// A tool needs a person's access.
    AuthEvent { r#type as "type": String, data: Struct }
    /// The agent starts another agent.
    SubAgentTrigger { agent_id: String, query: String, files: Vec<String>, reasoning: ToolCallReasoning }
}
