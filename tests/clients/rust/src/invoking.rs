//! Invoking, reading, waiting and stopping.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use prost::Message;
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::{
    Scenario,
    api::{
        Attachment, AttachmentKind, InvokeRequest, LlmReasoningEffort, McpServer, OutputFormat, Principal,
        PrincipalKind, Task, TaskStatus, ThinkMode, User, WaitTaskRequest,
    },
    failure::failure,
    json::{field, object},
    scenario,
    world::{agents, asking, created, read, soon, stopped, waited, waited_within},
};

const MIB: usize = 1024 * 1024;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("invoke", every_parameter()),
        scenario("structured-output", structured_output()),
        scenario("files", files()),
        scenario("user-details", user_details()),
        scenario("version-pin", version_pin()),
        scenario("continue", continue_a_task()),
        scenario("wait", wait()),
        scenario("stop", stop()),
        scenario("struct", free_json()),
        scenario("large-result", large_result()),
    ]
}

fn user(email: &str) -> User {
    User { email: email.into(), ..Default::default() }
}

fn file(url: &str) -> Attachment {
    Attachment { url: url.into(), ..Default::default() }
}

/// Every parameter but `existing_task_id`.
fn invocation() -> InvokeRequest {
    InvokeRequest {
        agent_id: "echo".into(),
        prompt: "hello".into(),
        existing_task_id: None,
        file_urls: vec!["https://example.com/a".into()],
        user_details: Some(user("ann@example.com")),
        agent_version: Some("2".into()),
        tool_call_payload_extension: Some(object(json!({"tenant": 1}))),
        source: "tests".into(),
        worker_id: Some("worker".into()),
        run_locally: true,
        output_format: OutputFormat::Markdown.into(),
        output_schema: Some(object(json!({"type": "string"}))),
        events_streaming: true,
        additional_context: Some("context".into()),
        expected_output: Some("output".into()),
        attachments: vec![file("https://example.com/b")],
        request_id: "rust-invoke".into(),
        principal: Some(Principal {
            kind: PrincipalKind::Slack.into(),
            id: "U1".into(),
            email: None,
            display_name: Some("Ann".into()),
        }),
        instructions_override: Some("instructions".into()),
        title: Some("title".into()),
        think_mode: ThinkMode::Harder.into(),
        tool_call_limit: Some(7),
        disable_attachment_injection: true,
        llm_model_provider: Some("openai".into()),
        llm_model_name: Some("model".into()),
        llm_reasoning_effort: LlmReasoningEffort::High.into(),
        mcp_servers: vec![McpServer {
            name: Some("tools".into()),
            url: Some("https://example.com/mcp".into()),
            allowed_tools: vec!["search".into()],
            ..Default::default()
        }],
        triggering_agent_id: Some("other".into()),
        user_oidc_token: Some("secret-of-the-user".into()),
        user_tokens: Some(object(json!({"drive": "secret-of-the-drive"}))),
        return_metrics: true,
        harness_cli: Some("codex".into()),
        permission_mode: Some("plan".into()),
        test_run_node_id: Some("node".into()),
    }
}

async fn every_parameter() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task = created(&mut agents, invocation()).await?;
    let again = read(&mut agents, &task.id).await?;
    has_every_parameter(&task).context("from Invoke")?;
    has_every_parameter(&again).context("from GetTask")
}

fn has_every_parameter(task: &Task) -> Result<()> {
    let sent = invocation();
    has_the_same(task, &sent)?;
    let input = task.input.as_ref().context("there is no input")?;
    ensure!(task.agent_id == "echo" && input.text() == "hello");
    ensure!(task.agent_version() == "2");
    ensure!(input.files == sent.file_urls);
    ensure!(input.user == sent.user_details);
    ensure!(input.attachments == sent.attachments);
    ensure!(input.principal == sent.principal);
    ensure!(task.payload_extension == sent.tool_call_payload_extension);
    ensure!(field(task.other.as_ref(), "worker_id") == "worker");
    let server = task.mcp_servers.first().context("there is no MCP server")?;
    ensure!((server.name(), server.url(), server.r#type()) == ("tools", "https://example.com/mcp", "remote"));
    ensure!(server.allowed_tools == ["search"]);
    let bytes = task.encode_to_vec();
    let secret = b"secret-of-the";
    ensure!(!bytes.windows(secret.len()).any(|part| part == secret), "a secret of the user was sent back");
    Ok(())
}

/// The parameters that a task has under the same name.
fn has_the_same(task: &Task, sent: &InvokeRequest) -> Result<()> {
    ensure!(task.source() == sent.source);
    ensure!(task.output_format == sent.output_format);
    ensure!(task.output_schema == sent.output_schema);
    ensure!(task.events_streaming == Some(true));
    ensure!(task.additional_context == sent.additional_context);
    ensure!(task.expected_output == sent.expected_output);
    ensure!(task.instructions_override == sent.instructions_override);
    ensure!(task.title == sent.title);
    ensure!(task.think_mode == sent.think_mode);
    ensure!(task.tool_call_limit == sent.tool_call_limit);
    ensure!(task.disable_attachment_injection == Some(true));
    ensure!(task.llm_model_provider == sent.llm_model_provider);
    ensure!(task.llm_model_name == sent.llm_model_name);
    ensure!(task.llm_reasoning_effort == sent.llm_reasoning_effort);
    ensure!(task.triggering_agent_id == sent.triggering_agent_id);
    ensure!(task.return_metrics == Some(true));
    ensure!(task.harness_cli == sent.harness_cli);
    ensure!(task.permission_mode == sent.permission_mode);
    ensure!(task.test_run_node_id == sent.test_run_node_id);
    Ok(())
}

async fn structured_output() -> Result<()> {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "count": {"type": "integer"}, "share": {"type": "number"},
        "is_new": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}},
    }});
    let request = InvokeRequest {
        output_format: OutputFormat::Json.into(),
        output_schema: Some(object(schema)),
        ..asking("echo", "hello")
    };
    let mut agents = agents("PLAIN").await?;
    let task = created(&mut agents, request).await?;
    let result: Json = serde_json::from_str(waited(&mut agents, &task.id).await?.result())?;
    ensure!(result.as_object().context("the result is no object")?.len() == 5, "the result is {result}");
    let typed = result["name"].is_string() && result["count"].is_i64() && result["share"].is_f64();
    ensure!(typed && result["is_new"].is_boolean() && result["tags"].is_array(), "the result is {result}");
    Ok(())
}

async fn files() -> Result<()> {
    let request = InvokeRequest {
        file_urls: vec!["https://example.com/report.pdf".into(), "https://example.com/data.csv".into()],
        attachments: vec![Attachment {
            url: "https://example.com/scan.pdf".into(),
            name: Some("scan.pdf".into()),
            mime: Some("application/pdf".into()),
            size: Some(5_000_000_000),
            kind: AttachmentKind::Pdf.into(),
            sha256: Some("ab".repeat(32)),
            expires_at: Some("2030-01-01T00:00:00Z".into()),
            source: Some("upload".into()),
            transcript: Some("What the scan says".into()),
        }],
        ..asking("echo", "hello")
    };
    let task = created(&mut agents("PLAIN").await?, request.clone()).await?;
    let input = task.input.context("there is no input")?;
    ensure!(input.files == request.file_urls, "the files are {:?}", input.files);
    ensure!(input.attachments == request.attachments, "the attachments are {:?}", input.attachments);
    Ok(())
}

async fn user_details() -> Result<()> {
    let user = User {
        id: Some("u-1".into()),
        first_name: Some("Ann".into()),
        last_name: Some("Example".into()),
        email: "ann@example.com".into(),
        additional_attributes: Some(object(json!({"roles": ["admin", "author"], "level": 3}))),
        timezone: Some("America/New_York".into()),
    };
    let request = InvokeRequest { user_details: Some(user.clone()), ..asking("echo", "hello") };
    let task = created(&mut agents("PLAIN").await?, request).await?;
    let seen = task.input.and_then(|input| input.user);
    ensure!(seen.as_ref() == Some(&user), "the user is {seen:?}");
    Ok(())
}

async fn version_pin() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let pinned = |version: &str| InvokeRequest { agent_version: Some(version.into()), ..asking("echo", "") };
    ensure!(created(&mut agents, pinned("2")).await?.agent_version() == "2");
    ensure!(created(&mut agents, asking("echo", "")).await?.agent_version() == "3");
    failure(Code::NotFound, created(&mut agents, pinned("9")).await)?;
    Ok(())
}

async fn continue_a_task() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task = created(&mut agents, asking("human", "look")).await?;
    let paused = waited(&mut agents, &task.id).await?;
    ensure!(paused.status() == TaskStatus::Paused);
    ensure!(paused.hitl_request.is_some(), "the task does not say that it waits for a person");
    let request = InvokeRequest { existing_task_id: Some(paused.id.clone()), ..asking("human", "go on") };
    ensure!(created(&mut agents, request).await?.id == paused.id);
    ensure!(waited(&mut agents, &paused.id).await?.result() == "Continued with: go on");
    Ok(())
}

async fn wait() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let slow = created(&mut agents, asking("slow", "")).await?.id;
    let timeout = prost_types::Duration { seconds: 0, nanos: 300_000_000 };
    let request = WaitTaskRequest { task_id: slow.clone(), timeout: Some(timeout) };
    let latest = agents.wait_task(soon(request)).await?.into_inner().task.unwrap_or_default();
    ensure!(
        matches!(latest.status(), TaskStatus::Pending | TaskStatus::Executing),
        "the status is {:?}",
        latest.status()
    );
    stopped(&mut agents, &slow).await?;
    let echo = created(&mut agents, asking("echo", "hello")).await?.id;
    let done = waited(&mut agents, &echo).await?;
    ensure!((done.status(), done.result()) == (TaskStatus::Completed, "hello"));
    Ok(())
}

async fn stop() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let slow = created(&mut agents, asking("slow", "")).await?.id;
    ensure!(stopped(&mut agents, &slow).await?.status() == TaskStatus::Stopped);
    ensure!(read(&mut agents, &slow).await?.status() == TaskStatus::Stopped);
    Ok(())
}

async fn free_json() -> Result<()> {
    let payload = object(json!({
        "a": {"b": {"c": {"d": [0, -1, 0.5, 1e30, 9_007_199_254_740_991_i64]}}},
        "mixed": ["x", null, true, {}, []],
        "none": null,
    }));
    let request = InvokeRequest {
        tool_call_payload_extension: Some(payload.clone()),
        events_streaming: true,
        ..asking("tools", "hello")
    };
    let mut agents = agents("PLAIN").await?;
    let task = created(&mut agents, request).await?;
    let again = read(&mut agents, &task.id).await?;
    for seen in [task.payload_extension, again.payload_extension] {
        ensure!(seen.as_ref() == Some(&payload), "the payload is {seen:?}");
    }
    Ok(())
}

/// tonic says OUT_OF_RANGE of a message beyond its limit, where other libraries say RESOURCE_EXHAUSTED.
async fn large_result() -> Result<()> {
    let minutes = Duration::from_secs(120);
    let mut agents = agents("PLAIN").await?;
    let task_id = created(&mut agents, asking("big", &(6 * MIB).to_string())).await?.id;
    failure(Code::OutOfRange, waited_within(minutes, &mut agents, &task_id).await)?;
    let mut agents = agents.max_decoding_message_size(64 * MIB);
    ensure!(waited_within(minutes, &mut agents, &task_id).await?.result().len() == 6 * MIB);
    Ok(())
}
