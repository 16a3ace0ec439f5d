//! Rows of lists, and the entries of activity logs.

use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};

use super::{TaskStatus, Time, ToolCallReasoning, User, Wire, object::objects, task::words};
use crate::proto::json::{Reader, Struct, Value};

/// An agent, as far as a list shows it.
#[derive(Default)]
#[expect(missing_docs, reason = "the attributes are the platform contract's")]
pub struct AgentRow {
    pub id: String,
    pub name: Option<String>,
    pub icon: Option<String>,
    pub status: Option<String>,
    pub description: Option<String>,
    pub organization_id: Option<String>,
    pub created_at: Option<Time>,
    pub created_by: Option<String>,
    pub access_scope: Option<String>,
    pub r#type: Option<String>,
}

impl Wire for AgentRow {
    /// Nothing else of it is read, and nothing that does not fit: it holds instructions and credentials.
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        let mut row = Self::default();
        json.object(|json, key| {
            let value = json.skip()?;
            match &*key.text() {
                "id" => row.id = fitting(value).unwrap_or_default(),
                "name" => row.name = fitting(value),
                "icon" => row.icon = fitting(value),
                "status" => row.status = fitting(value),
                "description" => row.description = fitting(value),
                "organization_id" => row.organization_id = fitting(value),
                "created_at" => row.created_at = fitting(value),
                "created_by" => row.created_by = fitting(value),
                "access_scope" => row.access_scope = fitting(value),
                "type" => row.r#type = fitting(value),
                _ => {}
            }
            Some(())
        })?;
        Some(row)
    }
}

/// A value, where it fits.
fn fitting<T: Wire>(value: &str) -> Option<T> {
    T::read(&mut Reader::new(value))
}

words! {
    /// Who said something in a task.
    ActivityRole { User, Agent }
}

objects! {
    /// A task in a list.
    TaskRow {
        id: String,
        agent_id: String,
        user_id: String,
        parent_task_id: String,
        triggering_agent_id: String,
        organization_id: String,
        status: TaskStatus,
        created_at: Time,
        updated_at: Time,
        source_node_type: String,
        result: String,
        title: String,
        execution_kind: String,
        process: Struct,
        conversation_kind: String,
    }
    /// What an activity log says of itself, its entries aside.
    ActivityThread { id: String, created_at: Time, user: User }
    /// Somebody has said something.
    ActivityMessage {
        id: String,
        created_at: Time,
        role: ActivityRole,
        content: ActivityContent,
        user: User,
        sub_execution_result: bool,
    }
    /// What somebody has said.
    ActivityContent { text: String, files: Vec<String> }
    /// A tool was called.
    ActivityToolCall {
        id: String,
        created_at: Time,
        tool_name: String,
        payload: Value,
        is_error: bool,
        reasoning: ToolCallReasoning,
        result: Value,
        plan_task_id: String,
    }
    /// The agent has thought.
    ActivityReasoning {
        id: String,
        created_at: Time,
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
    ActivityAuth { id: String, created_at: Time, r#type as "type": String, data: Struct }
    /// The agent has started another one.
    ActivitySubAgent {
        id: String,
        created_at: Time,
        agent_id: String,
        query: String,
        files: Vec<String>,
        reasoning: ToolCallReasoning,
    }
}
