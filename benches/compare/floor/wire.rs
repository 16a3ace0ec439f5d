//! The floor's JSON: the attributes that are sent here, as serde derives them. Unlike the proxy it knows nothing of
//! attributes of tomorrow, of values that do not fit, or of secrets.

use std::str::FromStr as _;

use prost_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xpander_grpc_proxy::proto::{self, json::Struct};

type Fields = Box<RawValue>;
pub type Text = Option<String>;

#[derive(Serialize, Default)]
#[expect(clippy::struct_excessive_bools, reason = "so many keys are booleans")]
pub struct Create<'a> {
    pub id: Option<&'a str>,
    pub input: Input<'a>,
    pub payload_extension: Option<&'a Struct>,
    pub source: &'a str,
    pub worker_id: Option<&'a str>,
    pub output_format: Option<&'a str>,
    pub output_schema: Option<&'a Struct>,
    pub run_locally: bool,
    pub events_streaming: bool,
    pub additional_context: Option<&'a str>,
    pub instructions_override: Option<&'a str>,
    pub test_run_node_id: Option<&'a str>,
    pub user_oidc_token: Option<&'a str>,
    pub expected_output: Option<&'a str>,
    pub mcp_servers: [(); 0],
    pub triggering_agent_id: Option<&'a str>,
    pub title: Option<&'a str>,
    pub think_mode: &'a str,
    pub disable_attachment_injection: bool,
    pub user_tokens: Option<&'a Struct>,
    pub return_metrics: bool,
    pub llm_model_provider: Option<&'a str>,
    pub llm_model_name: Option<&'a str>,
    pub llm_reasoning_effort: Option<&'a str>,
    pub harness_cli: Option<&'a str>,
    pub permission_mode: Option<&'a str>,
    pub tool_call_limit: Option<i32>,
}

#[derive(Serialize, Default)]
pub struct Input<'a> {
    pub text: &'a str,
    pub files: Option<&'a [String]>,
    pub user: Option<Person<'a>>,
}

#[derive(Serialize)]
pub struct Person<'a> {
    pub id: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub email: &'a str,
    pub additional_attributes: Option<&'a Struct>,
    pub timezone: Option<&'a str>,
}

#[derive(Deserialize)]
pub struct Envelope<'a> {
    pub r#type: &'a str,
    pub task_id: String,
    pub organization_id: String,
    pub time: &'a str,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub struct Task {
    id: String,
    agent_id: String,
    organization_id: String,
    input: TaskInput,
    created_at: Text,
    status: String,
    internal_status: Text,
    last_executed_node_id: Text,
    agent_version: Text,
    started_at: Text,
    paused_at: Text,
    finished_at: Text,
    result: Text,
    parent_execution: Text,
    conversation_id: Text,
    conversation_kind: Text,
    sub_executions: Vec<String>,
    should_update_parent: Option<bool>,
    is_manually_stopped: Option<bool>,
    payload_extension: Option<Fields>,
    execution_kind: Text,
    source: Text,
    voice_id: Text,
    output_format: Text,
    output_schema: Option<Fields>,
    events_streaming: Option<bool>,
    is_orchestration: Option<bool>,
    is_gateway: Option<bool>,
    is_app: Option<bool>,
    background_auth_eligible: Option<bool>,
    additional_context: Text,
    tool_call_limit: Option<i32>,
    instructions_override: Text,
    test_run_node_id: Text,
    expected_output: Text,
    triggering_agent_id: Text,
    title: Text,
    think_mode: Text,
    disable_attachment_injection: Option<bool>,
    deep_planning: Option<Plan>,
    must_deep_plan: Option<bool>,
    execution_attempts: Option<i32>,
    return_metrics: Option<bool>,
    llm_model_provider: Text,
    llm_model_name: Text,
    llm_reasoning_effort: Text,
    harness_cli: Text,
    permission_mode: Text,
    tokens: Option<Tokens>,
    used_tools: Vec<String>,
    duration: Option<f64>,
}

#[derive(Deserialize)]
struct TaskInput {
    text: Text,
    files: Vec<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: Text,
    email: String,
    first_name: Text,
    last_name: Text,
    additional_attributes: Option<Fields>,
    timezone: Text,
}

#[derive(Deserialize)]
struct Plan {
    enabled: Option<bool>,
    enforce: Option<bool>,
    started: Option<bool>,
    question_raised: Option<bool>,
    tasks: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    id: Text,
    title: Text,
    completed: Option<bool>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the keys are the platform contract's")]
struct Tokens {
    completion_tokens: Option<i64>,
    prompt_tokens: Option<i64>,
    cache_read_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
}

pub fn timestamp(text: &str) -> Option<Timestamp> {
    Timestamp::from_str(text).ok()
}

/// The number of one of our enums' values, from the platform's word for it.
fn number(names: [&str; 4], word: Option<&str>) -> i32 {
    let at = word.and_then(|word| names.iter().position(|name| *name == word));
    at.map_or(0, |at| i32::try_from(at + 1).unwrap_or_default())
}

impl From<Task> for proto::Task {
    fn from(task: Task) -> Self {
        let time = |text: Text| text.as_deref().and_then(timestamp);
        Self {
            id: task.id,
            agent_id: task.agent_id,
            organization_id: task.organization_id,
            input: Some(task.input.into()),
            created_at: time(task.created_at),
            status: match &*task.status {
                "completed" => proto::TaskStatus::Completed.into(),
                status => number(["pending", "executing", "paused", "error"], Some(status)),
            },
            internal_status: task.internal_status,
            last_executed_node_id: task.last_executed_node_id,
            agent_version: task.agent_version,
            started_at: time(task.started_at),
            paused_at: time(task.paused_at),
            finished_at: time(task.finished_at),
            result: task.result,
            parent_execution: task.parent_execution,
            conversation_id: task.conversation_id,
            conversation_kind: task.conversation_kind,
            sub_executions: task.sub_executions,
            should_update_parent: task.should_update_parent,
            is_manually_stopped: task.is_manually_stopped,
            payload_extension: task.payload_extension.map(object),
            execution_kind: task.execution_kind,
            source: task.source,
            voice_id: task.voice_id,
            output_format: number(["text", "markdown", "json", "voice"], task.output_format.as_deref()),
            output_schema: task.output_schema.map(object),
            events_streaming: task.events_streaming,
            is_orchestration: task.is_orchestration,
            is_gateway: task.is_gateway,
            is_app: task.is_app,
            background_auth_eligible: task.background_auth_eligible,
            additional_context: task.additional_context,
            tool_call_limit: task.tool_call_limit,
            instructions_override: task.instructions_override,
            test_run_node_id: task.test_run_node_id,
            expected_output: task.expected_output,
            triggering_agent_id: task.triggering_agent_id,
            title: task.title,
            think_mode: number(["default", "harder", "", ""], task.think_mode.as_deref()),
            disable_attachment_injection: task.disable_attachment_injection,
            deep_planning: task.deep_planning.map(Into::into),
            must_deep_plan: task.must_deep_plan,
            execution_attempts: task.execution_attempts,
            return_metrics: task.return_metrics,
            llm_model_provider: task.llm_model_provider,
            llm_model_name: task.llm_model_name,
            llm_reasoning_effort: number(["low", "medium", "high", "xhigh"], task.llm_reasoning_effort.as_deref()),
            harness_cli: task.harness_cli,
            permission_mode: task.permission_mode,
            tokens: task.tokens.map(Into::into),
            used_tools: task.used_tools,
            duration: task.duration.and_then(|seconds| std::time::Duration::from_secs_f64(seconds).try_into().ok()),
            ..Self::default()
        }
    }
}

fn object(fields: Fields) -> Struct {
    Struct::new(fields)
}

impl From<TaskInput> for proto::TaskInput {
    fn from(TaskInput { text, files, user }: TaskInput) -> Self {
        let user = user.map(|user| {
            let User { id, email, first_name, last_name, additional_attributes, timezone } = user;
            let additional_attributes = additional_attributes.map(object);
            proto::User { id, first_name, last_name, email, additional_attributes, timezone }
        });
        Self { text, files, user, ..Self::default() }
    }
}

impl From<Plan> for proto::DeepPlanning {
    fn from(Plan { enabled, enforce, started, question_raised, tasks }: Plan) -> Self {
        let tasks = tasks.into_iter().map(|Step { id, title, completed }| proto::PlanTask { id, title, completed });
        Self { enabled, enforce, started, question_raised, tasks: tasks.collect() }
    }
}

impl From<Tokens> for proto::Tokens {
    fn from(tokens: Tokens) -> Self {
        let Tokens { completion_tokens, prompt_tokens, cache_read_tokens, cache_write_tokens } = tokens;
        Self { completion_tokens, prompt_tokens, cache_read_tokens, cache_write_tokens }
    }
}
