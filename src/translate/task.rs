//! A platform's task into a protobuf `Task`. Nothing that was sent is lost: what has no field stands in `other`.

use super::words::Words;
use crate::{platform::wire, proto};

/// Translates a task. Every attribute is named, so that a new one cannot be forgotten here.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one line an attribute")]
pub fn task(task: Box<wire::Task>) -> Box<proto::Task> {
    let wire::Task {
        id,
        agent_id,
        organization_id,
        input,
        created_at,
        status,
        internal_status,
        last_executed_node_id,
        agent_version,
        started_at,
        paused_at,
        finished_at,
        result,
        parent_execution,
        conversation_id,
        conversation_kind,
        sub_executions,
        should_update_parent,
        is_manually_stopped,
        payload_extension,
        execution_kind,
        hitl_request,
        pending_eca_request,
        source,
        voice_id,
        output_format,
        output_schema,
        events_streaming,
        is_orchestration,
        is_gateway,
        is_app,
        background_auth_eligible,
        additional_context,
        tool_call_limit,
        instructions_override,
        test_run_node_id,
        expected_output,
        mcp_servers,
        triggering_agent_id,
        title,
        think_mode,
        disable_attachment_injection,
        deep_planning,
        must_deep_plan,
        execution_attempts,
        return_metrics,
        llm_model_provider,
        llm_model_name,
        llm_reasoning_effort,
        harness_cli,
        permission_mode,
        tokens,
        used_tools,
        duration,
        rest,
    } = *task;
    let other = rest.into_struct();
    // An absent status means pending; an unknown one is in `other`, and nothing is made up for it.
    let status = status.or_else(|| {
        let is_unknown = other.as_ref().is_some_and(|other| other.has("status"));
        (!is_unknown).then_some(wire::TaskStatus::Pending)
    });
    Box::new(proto::Task {
        id: id.unwrap_or_default(),
        agent_id: agent_id.unwrap_or_default(),
        organization_id: organization_id.unwrap_or_default(),
        input: input.map(task_input),
        created_at: created_at.map(timestamp),
        status: proto::TaskStatus::number(status),
        internal_status,
        last_executed_node_id,
        agent_version,
        started_at: started_at.map(timestamp),
        paused_at: paused_at.map(timestamp),
        finished_at: finished_at.map(timestamp),
        result,
        parent_execution,
        conversation_id,
        conversation_kind,
        sub_executions: sub_executions.unwrap_or_default(),
        should_update_parent,
        is_manually_stopped,
        payload_extension,
        execution_kind,
        hitl_request: hitl_request
            .map(|wire::HitlRequest { wait_node_id, rest: _ }| proto::HitlRequest { wait_node_id }),
        pending_eca_request: pending_eca_request.map(|request| {
            let wire::PendingEcaRequest { connector_name, auth_url, rest: _ } = request;
            proto::PendingEcaRequest { connector_name, auth_url }
        }),
        source,
        voice_id,
        output_format: proto::OutputFormat::number(output_format),
        output_schema,
        events_streaming,
        is_orchestration,
        is_gateway,
        is_app,
        background_auth_eligible,
        additional_context,
        tool_call_limit,
        instructions_override,
        test_run_node_id,
        expected_output,
        mcp_servers: each(mcp_servers, mcp_server),
        triggering_agent_id,
        title,
        think_mode: proto::ThinkMode::number(think_mode),
        disable_attachment_injection,
        deep_planning: deep_planning.map(plan),
        must_deep_plan,
        execution_attempts,
        return_metrics,
        llm_model_provider,
        llm_model_name,
        llm_reasoning_effort: proto::LlmReasoningEffort::number(llm_reasoning_effort),
        harness_cli,
        permission_mode,
        tokens: tokens.map(|tokens| {
            let wire::Tokens { completion_tokens, prompt_tokens, cache_read_tokens, cache_write_tokens, rest: _ } =
                tokens;
            proto::Tokens { completion_tokens, prompt_tokens, cache_read_tokens, cache_write_tokens }
        }),
        used_tools: used_tools.unwrap_or_default(),
        duration: duration.map(seconds),
        other,
    })
}

/// A plan, of a task or of an event.
pub(super) fn plan(plan: wire::DeepPlanning) -> proto::DeepPlanning {
    let wire::DeepPlanning { enabled, enforce, started, question_raised, tasks, rest: _ } = plan;
    let step = |step| {
        let wire::PlanTask { id, title, completed, rest: _ } = step;
        proto::PlanTask { id, title, completed }
    };
    proto::DeepPlanning { enabled, enforce, started, question_raised, tasks: each(tasks, step) }
}

/// A time as protobuf has it.
pub(super) fn timestamp(wire::Time(time): wire::Time) -> prost_types::Timestamp {
    // jiff counts nanoseconds towards zero, protobuf always forwards.
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    let before = i64::from(nanos < 0);
    let nanos = if nanos < 0 { nanos + 1_000_000_000 } else { nanos };
    prost_types::Timestamp { seconds: seconds - before, nanos }
}

fn task_input(input: wire::TaskInput) -> proto::TaskInput {
    let wire::TaskInput { text, files, user, attachments, principal, rest: _ } = input;
    proto::TaskInput {
        text,
        files: files.unwrap_or_default(),
        user: user.map(|user| {
            let wire::User { id, first_name, last_name, email, additional_attributes, timezone, rest: _ } = user;
            proto::User { id, first_name, last_name, email: email.unwrap_or_default(), additional_attributes, timezone }
        }),
        attachments: each(attachments, attachment),
        principal: principal.map(|principal| {
            let wire::Principal { kind, id, email, display_name, rest: _ } = principal;
            let kind = proto::PrincipalKind::number(kind);
            proto::Principal { kind, id: id.unwrap_or_default(), email, display_name }
        }),
    }
}

fn attachment(attachment: wire::Attachment) -> proto::Attachment {
    let wire::Attachment { url, name, mime, size, kind, sha256, expires_at, source, transcript, rest: _ } = attachment;
    let (url, kind) = (url.unwrap_or_default(), proto::AttachmentKind::number(kind));
    proto::Attachment { url, name, mime, size, kind, sha256, expires_at, source, transcript }
}

fn mcp_server(server: wire::McpServer) -> proto::McpServer {
    let wire::McpServer {
        id,
        kind,
        name,
        command,
        url,
        transport,
        auth_type,
        api_key: _,
        use_secrets_manager,
        client_id,
        client_secret: _,
        headers: _,
        env_vars: _,
        allowed_tools,
        additional_scopes,
        share_user_token_across_other_agents,
        sso_token,
        sso_audience,
        rest: _,
    } = server;
    proto::McpServer {
        id,
        r#type: kind,
        name,
        command,
        url,
        transport,
        auth_type,
        api_key: None,
        use_secrets_manager,
        client_id,
        client_secret: None,
        headers: None,
        env_vars: None,
        allowed_tools: allowed_tools.unwrap_or_default(),
        additional_scopes: additional_scopes.unwrap_or_default(),
        share_user_token_across_other_agents,
        sso_token,
        sso_audience,
    }
}

fn each<A, B>(items: Option<Vec<A>>, translate: impl FnMut(A) -> B) -> Vec<B> {
    items.unwrap_or_default().into_iter().map(translate).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "in range, as Seconds has checked")]
fn seconds(wire::Seconds(seconds): wire::Seconds) -> prost_types::Duration {
    let mut duration =
        prost_types::Duration { seconds: seconds.trunc() as i64, nanos: (seconds.fract() * 1e9).round() as i32 };
    duration.normalize();
    duration
}
