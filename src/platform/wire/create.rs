//! The body of a created task: every key is always sent, null when unset.

use serde::Serialize;

use super::task::{AttachmentKind, LlmReasoningEffort, OutputFormat, PrincipalKind, ThinkMode};
use crate::proto::json::Struct;

/// The body of `POST {rest}/agent-execution/{agent_id}`, in the official client's order.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
#[expect(clippy::struct_excessive_bools, reason = "so is their number")]
pub struct CreateTask<'a> {
    pub id: Option<&'a str>,
    pub input: Input<'a>,
    pub payload_extension: Option<&'a Struct>,
    pub source: &'a str,
    pub worker_id: Option<&'a str>,
    pub output_format: Option<OutputFormat>,
    pub output_schema: Option<&'a Struct>,
    pub run_locally: bool,
    pub events_streaming: bool,
    pub additional_context: Option<&'a str>,
    pub instructions_override: Option<&'a str>,
    pub test_run_node_id: Option<&'a str>,
    pub user_oidc_token: Option<&'a str>,
    pub expected_output: Option<&'a str>,
    pub mcp_servers: Vec<Server<'a>>,
    pub triggering_agent_id: Option<&'a str>,
    pub title: Option<&'a str>,
    pub think_mode: ThinkMode,
    pub disable_attachment_injection: bool,
    pub user_tokens: Option<&'a Struct>,
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
    pub attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Behind<'a>>,
}

/// On whose behalf.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
pub struct Person<'a> {
    pub id: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub email: &'a str,
    pub additional_attributes: Option<&'a Struct>,
    pub timezone: Option<&'a str>,
}

/// A file with what is known of it.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
pub struct File<'a> {
    pub url: &'a str,
    pub name: Option<&'a str>,
    pub mime: Option<&'a str>,
    pub size: Option<i64>,
    pub kind: Option<AttachmentKind>,
    pub sha256: Option<&'a str>,
    pub expires_at: Option<&'a str>,
    pub source: Option<&'a str>,
    pub transcript: Option<&'a str>,
}

/// Who is behind the task.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
pub struct Behind<'a> {
    pub kind: Option<PrincipalKind>,
    pub id: &'a str,
    pub email: Option<&'a str>,
    pub display_name: Option<&'a str>,
}

/// An MCP server that the agent may use.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the keys are the platform contract's")]
pub struct Server<'a> {
    pub id: Option<&'a str>,
    pub r#type: &'a str,
    pub name: Option<&'a str>,
    pub command: Option<&'a str>,
    pub url: Option<&'a str>,
    pub transport: &'a str,
    pub auth_type: &'a str,
    pub api_key: Option<&'a str>,
    pub use_secrets_manager: bool,
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a str>,
    pub headers: &'a Struct,
    pub env_vars: &'a Struct,
    pub allowed_tools: &'a [String],
    pub additional_scopes: &'a [String],
    pub share_user_token_across_other_agents: bool,
    pub sso_token: &'a str,
    pub sso_audience: Option<&'a str>,
}
