//! Events and what is inside them.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, value::RawValue};

use super::lenient::{Rest, Text, Time, objects};

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
    /// What is known of it, unread: its shape depends on the kind. None for null.
    pub data: Option<&'a RawValue>,
    /// What has no place above.
    pub rest: Rest,
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> de::Visitor<'de> for Keys {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: an object with a string `type`")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut kind = None;
        let (mut task_id, mut organization_id, mut time, mut identity, mut data) = (None, None, None, None, None);
        let mut rest = Rest::default();
        while let Some(Text(key)) = map.next_key()? {
            if key == "type" {
                kind = Some(map.next_value::<Text<'_>>()?.0);
                continue;
            }
            let raw: &RawValue = map.next_value()?;
            match &*key {
                "task_id" => task_id = rest.read(&key, raw),
                "organization_id" => organization_id = rest.read(&key, raw),
                "time" => time = rest.read(&key, raw),
                "identity" => identity = rest.read(&key, raw),
                "data" => data = (raw.get() != "null").then_some(raw),
                _ => rest.keep(&key, raw),
            }
        }
        let kind = kind.ok_or_else(|| de::Error::missing_field("type"))?;
        Ok(Envelope { kind, task_id, organization_id, time, identity, data, rest })
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
        kind as "type": String,
        title: String,
        confidence: f64,
        thought: String,
        action: String,
        result: String,
        analysis: String,
        plan_task_id: String,
    }
    /// A tool needs a person's access.
    AuthEvent { kind as "type": String, data: Map<String, Value> }
    /// The agent starts another agent.
    SubAgentTrigger { agent_id: String, query: String, files: Vec<String>, reasoning: ToolCallReasoning }
}
