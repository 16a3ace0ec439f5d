//! Tasks and what is inside them.

use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};

use super::{Seconds, Time, Wire, object::objects};
use crate::proto::json::{Reader, Struct};

/// Declares a closed set of the platform's words. A word outside it does not fit and so lands in `other`.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($word:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "the words are the platform contract's")]
        pub enum $name { $($word),* }

        impl Wire for $name {
            fn read(json: &mut Reader<'_>) -> Option<Self> {
                Self::deserialize(StrDeserializer::<value::Error>::new(&json.string()?.text())).ok()
            }
        }
    )*};
}
pub(super) use words;

words! {
    /// Where a task is in its life.
    TaskStatus { Pending, Executing, Paused, Error, Failed, Completed, Stopped }
    /// The form of a result.
    OutputFormat { Text, Markdown, Json, Voice }
    /// How hard an agent thinks.
    ThinkMode { Default, Harder }
    /// A model's reasoning effort.
    LlmReasoningEffort { Low, Medium, High, Xhigh }
    /// The coarse class of a file.
    AttachmentKind { Image, Pdf, Document, Text, Audio, Video, Archive, Unknown }
    /// The door a principal came through.
    PrincipalKind { User, Slack, ApiKey, System, Anonymous }
}

/// The longest name of an agent that is kept, in bytes.
const LONGEST_NAME: usize = 128;

/// A loaded agent, as far as a call needs it.
pub struct Agent {
    /// The id to create tasks under; may differ from the one that was asked for.
    pub id: String,
    /// Its name; empty without one.
    pub name: String,
}

impl Wire for Agent {
    /// Nothing else of it is kept: it may be large, and secret.
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        let (mut id, mut name) = (None, None);
        json.object(|json, key| {
            if key.is("id") {
                id = Some(String::read(json)?);
                return Some(());
            }
            let value = json.skip()?;
            if key.is("name") {
                name = String::read(&mut Reader::new(value)).filter(|name| name.len() <= LONGEST_NAME);
            }
            Some(())
        })?;
        id.map(|id| Self { id, name: name.unwrap_or_default() })
    }
}

objects! {
    /// A task, but for the user's secrets.
    Task {
        id: String,
        agent_id: String,
        organization_id: String,
        input: TaskInput,
        created_at: Time,
        status: TaskStatus,
        internal_status: String,
        last_executed_node_id: String,
        agent_version: String,
        started_at: Time,
        paused_at: Time,
        finished_at: Time,
        result: String,
        parent_execution: String,
        conversation_id: String,
        conversation_kind: String,
        sub_executions: Vec<String>,
        should_update_parent: bool,
        is_manually_stopped: bool,
        payload_extension: Struct,
        execution_kind: String,
        hitl_request: HitlRequest,
        pending_eca_request: PendingEcaRequest,
        source: String,
        voice_id: String,
        output_format: OutputFormat,
        output_schema: Struct,
        events_streaming: bool,
        is_orchestration: bool,
        is_gateway: bool,
        is_app: bool,
        background_auth_eligible: bool,
        additional_context: String,
        tool_call_limit: i32,
        instructions_override: String,
        test_run_node_id: String,
        expected_output: String,
        mcp_servers: Vec<McpServer>,
        triggering_agent_id: String,
        title: String,
        think_mode: ThinkMode,
        disable_attachment_injection: bool,
        deep_planning: DeepPlanning,
        must_deep_plan: bool,
        execution_attempts: i32,
        return_metrics: bool,
        llm_model_provider: String,
        llm_model_name: String,
        llm_reasoning_effort: LlmReasoningEffort,
        harness_cli: String,
        permission_mode: String,
        tokens: Tokens,
        used_tools: Vec<String>,
        duration: Seconds,
    }
    /// What an agent was asked.
    TaskInput { text: String, files: Vec<String>, user: User, attachments: Vec<Attachment>, principal: Principal }
    /// A person.
    User {
        id: String,
        first_name: String,
        last_name: String,
        email: String,
        additional_attributes: Struct,
        timezone: String,
    }
    /// A file with what is known of it.
    Attachment {
        url: String,
        name: String,
        mime: String,
        size: i64,
        kind: AttachmentKind,
        sha256: String,
        expires_at: String,
        source: String,
        transcript: String,
    }
    /// Who is behind a task.
    Principal { kind: PrincipalKind, id: String, email: String, display_name: String }
    /// An MCP server, but for its secrets.
    McpServer {
        id: String,
        r#type as "type": String,
        name: String,
        command: String,
        url: String,
        transport: String,
        auth_type: String,
        api_key: Secret,
        use_secrets_manager: bool,
        client_id: String,
        client_secret: Secret,
        headers: Secret,
        env_vars: Secret,
        allowed_tools: Vec<String>,
        additional_scopes: Vec<String>,
        share_user_token_across_other_agents: bool,
        sso_token: String,
        sso_audience: String,
    }
    /// A person's approval a task waits for.
    HitlRequest { wait_node_id: String }
    /// Access a task waits for.
    PendingEcaRequest { connector_name: String, auth_url: String }
    /// An agent's plan.
    DeepPlanning { enabled: bool, enforce: bool, started: bool, question_raised: bool, tasks: Vec<PlanTask> }
    /// A step of a plan.
    PlanTask { id: String, title: String, completed: bool }
    /// What a task cost in tokens.
    Tokens { completion_tokens: i64, prompt_tokens: i64, cache_read_tokens: i64, cache_write_tokens: i64 }
}

/// A value that is read and forgotten, whatever it is.
#[derive(Clone, Copy)]
pub struct Secret;

impl Wire for Secret {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        json.skip().map(|_| Self)
    }
}

impl Task {
    /// Whether the task is over. An absent status means pending; one this version does not know is not taken for an end.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        use TaskStatus::{Completed, Error, Failed, Stopped};
        matches!(self.status, Some(Completed | Failed | Error | Stopped))
    }
}
