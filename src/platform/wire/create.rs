//! The body of a created task: every key is always sent, null when unset.

use serde::Serialize;
use serde_json::{Map, Value};

use super::task::{Attachment, LlmReasoningEffort, McpServer, OutputFormat, Principal, ThinkMode};

/// The body of `POST {rest}/agent-execution/{agent_id}`, in the official client's order.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
#[expect(clippy::struct_excessive_bools, reason = "so is their number")]
pub struct CreateTask<'a> {
    pub id: Option<&'a str>,
    pub input: Input<'a>,
    pub payload_extension: Option<&'a Map<String, Value>>,
    pub source: &'a str,
    pub worker_id: Option<&'a str>,
    pub output_format: Option<OutputFormat>,
    pub output_schema: Option<&'a Map<String, Value>>,
    pub run_locally: bool,
    pub events_streaming: bool,
    pub additional_context: Option<&'a str>,
    pub instructions_override: Option<&'a str>,
    pub test_run_node_id: Option<&'a str>,
    pub user_oidc_token: Option<&'a str>,
    pub expected_output: Option<&'a str>,
    pub mcp_servers: Vec<McpServer>,
    pub triggering_agent_id: Option<&'a str>,
    pub title: Option<&'a str>,
    pub think_mode: ThinkMode,
    pub disable_attachment_injection: bool,
    pub user_tokens: Option<&'a Map<String, Value>>,
    pub return_metrics: bool,
    pub llm_model_provider: Option<&'a str>,
    pub llm_model_name: Option<&'a str>,
    pub llm_reasoning_effort: Option<LlmReasoningEffort>,
    pub harness_cli: Option<String>,
    pub permission_mode: Option<String>,
    pub tool_call_limit: Option<i32>,
}

/// What the agent is asked; attachments and principal alone are left out when unset.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
pub struct Input<'a> {
    pub text: &'a str,
    pub files: Option<&'a [String]>,
    pub user: Option<Person<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
}

/// On whose behalf; borrowed where a task's own `User` owns, since most invocations have one.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
pub struct Person<'a> {
    pub id: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub email: &'a str,
    pub additional_attributes: Option<&'a Map<String, Value>>,
    pub timezone: Option<&'a str>,
}
