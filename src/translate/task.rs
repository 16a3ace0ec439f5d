//! A platform's task into a protobuf `Task`. Nothing that was sent is lost: what has no field stands in `other`.

use std::mem;

use super::words::Words;
use crate::{platform::wire, proto};

/// Translators of objects whose attributes have the same names on both sides, by attribute: as it is, or as is said. Every
/// one is named, so that a new one cannot be forgotten. What an object holds besides (`rest`) has been kept further out;
/// behind `+`, what the protobuf message has besides.
macro_rules! translators {
    ($($(#[$doc:meta])* $name:ident: $wire:ident => $proto:ident {
        $($field:ident $(= $value:expr)?),* $(,)? $(; + $more:ident = $what:expr)?
    })*) => {$(
        $(#[$doc])*
        pub(super) fn $name(object: wire::$wire) -> proto::$proto {
            let wire::$wire { $($field,)* rest: _ } = object;
            proto::$proto {
                $($field: $crate::translate::task::or!($field $(, $value)?),)*
                $($more: $what,)?
            }
        }
    )*};
}
macro_rules! or {
    ($field:ident) => {
        $field
    };
    ($field:ident, $value:expr) => {
        $value
    };
}
pub(super) use {or, translators};

/// Translates a task.
#[must_use]
pub fn task(mut task: Box<wire::Task>) -> Box<proto::Task> {
    let other = mem::take(&mut task.rest).into_struct();
    // An absent status means pending; an unknown one is in `other`, and nothing is made up for it.
    if task.status.is_none() && !other.as_ref().is_some_and(|other| other.has("status")) {
        task.status = Some(wire::TaskStatus::Pending);
    }
    let mut task = Box::new(attributes(*task));
    task.other = other;
    task
}

translators! {
    /// What a task says of itself, but for its rest.
    attributes: Task => Task {
        id = id.unwrap_or_default(), agent_id = agent_id.unwrap_or_default(),
        organization_id = organization_id.unwrap_or_default(), input = input.map(task_input),
        created_at = created_at.map(timestamp), status = proto::TaskStatus::number(status), internal_status,
        last_executed_node_id, agent_version, started_at = started_at.map(timestamp),
        paused_at = paused_at.map(timestamp), finished_at = finished_at.map(timestamp), result, parent_execution,
        conversation_id, conversation_kind, sub_executions = sub_executions.unwrap_or_default(),
        should_update_parent, is_manually_stopped, payload_extension, execution_kind,
        hitl_request = hitl_request.map(hitl), pending_eca_request = pending_eca_request.map(eca), source, voice_id,
        output_format = proto::OutputFormat::number(output_format), output_schema, events_streaming,
        is_orchestration, is_gateway, is_app, background_auth_eligible, additional_context, tool_call_limit,
        instructions_override, test_run_node_id, expected_output, mcp_servers = each(mcp_servers, mcp_server),
        triggering_agent_id, title, think_mode = proto::ThinkMode::number(think_mode), disable_attachment_injection,
        deep_planning = deep_planning.map(plan), must_deep_plan, execution_attempts, return_metrics,
        llm_model_provider, llm_model_name,
        llm_reasoning_effort = proto::LlmReasoningEffort::number(llm_reasoning_effort), harness_cli, permission_mode,
        tokens = tokens.map(count), used_tools = used_tools.unwrap_or_default(), duration = duration.map(seconds);
        + other = None
    }
    /// A plan, of a task or of an event.
    plan: DeepPlanning => DeepPlanning { enabled, enforce, started, question_raised, tasks = each(tasks, step) }
    step: PlanTask => PlanTask { id, title, completed }
    hitl: HitlRequest => HitlRequest { wait_node_id }
    eca: PendingEcaRequest => PendingEcaRequest { connector_name, auth_url }
    count: Tokens => Tokens { completion_tokens, prompt_tokens, cache_read_tokens, cache_write_tokens }
    task_input: TaskInput => TaskInput {
        text, files = files.unwrap_or_default(), user = user.map(person),
        attachments = each(attachments, attachment), principal = principal.map(behind),
    }
    person: User => User {
        id, first_name, last_name, email = email.unwrap_or_default(), additional_attributes, timezone,
    }
    behind: Principal => Principal {
        kind = proto::PrincipalKind::number(kind), id = id.unwrap_or_default(), email, display_name,
    }
    attachment: Attachment => Attachment {
        url = url.unwrap_or_default(), name, mime, size, kind = proto::AttachmentKind::number(kind), sha256,
        expires_at, source, transcript,
    }
    /// Without its secrets.
    mcp_server: McpServer => McpServer {
        id, r#type, name, command, url, transport, auth_type, api_key = secret(api_key), use_secrets_manager,
        client_id, client_secret = secret(client_secret), headers = secret(headers), env_vars = secret(env_vars),
        allowed_tools = allowed_tools.unwrap_or_default(), additional_scopes = additional_scopes.unwrap_or_default(),
        share_user_token_across_other_agents, sso_token, sso_audience,
    }
}

/// A time as protobuf has it.
pub(super) fn timestamp(wire::Time(time): wire::Time) -> prost_types::Timestamp {
    // jiff counts nanoseconds towards zero, protobuf always forwards.
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    let before = i64::from(nanos < 0);
    let nanos = if nanos < 0 { nanos + 1_000_000_000 } else { nanos };
    prost_types::Timestamp { seconds: seconds - before, nanos }
}

/// Left out.
fn secret<T>(_: Option<wire::Secret>) -> Option<T> {
    None
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
