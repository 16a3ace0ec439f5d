//! An event of the platform's stream into a protobuf `TaskEvent`.

use serde_json::{Map, Value, value::RawValue};

use super::task::{plan, rest_of, task, timestamp};
use crate::{
    platform::wire::{self, Object},
    proto::{self, EventType, json, task_event::Data},
};

/// What an `auth_event` is relieved of.
const TOKENS: [&str; 5] = ["access_token", "refresh_token", "id_token", "user_oidc_token", "user_tokens"];

/// Data that is no event: no JSON object with a string `type`. The stream goes on without it.
#[derive(Debug, thiserror::Error)]
#[error("no JSON object with a string `type`")]
pub struct NotAnEvent;

/// Translates an event's data; `id` is the event's own on the stream. An access token inside an `auth_event` is left
/// out unless `forward_access_tokens` is set.
///
/// # Errors
/// When the data is no event.
pub fn event(id: Option<String>, data: &[u8], forward_access_tokens: bool) -> Result<proto::TaskEvent, NotAnEvent> {
    // Bytes that are no UTF-8 cost the characters they stand in, not the event.
    let data = String::from_utf8_lossy(data);
    let envelope: wire::Envelope<'_> = serde_json::from_str(&data).map_err(|_| NotAnEvent)?;
    let wire::Envelope { kind, task_id, organization_id, time, identity, data, rest } = envelope;
    let r#type = event_type(&kind);
    let mut extra = rest.other;
    if r#type == EventType::AuthEvent && !forward_access_tokens {
        wire::remove_from(&mut extra, &TOKENS);
        // What is nested too deep stands there as its text.
        for value in extra.values_mut() {
            if matches!(&*value, Value::String(text) if TOKENS.iter().any(|name| text.contains(name))) {
                *value = "(left out: it may hold a token)".into();
            }
        }
    }
    Ok(proto::TaskEvent {
        data: data.map(|data| shaped(r#type, data, forward_access_tokens, &mut extra)),
        r#type: r#type.into(),
        type_name: kind.into_owned(),
        task_id,
        organization_id,
        time: time.map(timestamp),
        identity: identity.map(|wire::Identity { name, icon, rest: _ }| proto::EventIdentity { name, icon }),
        event_id: id,
        extra: rest_of(extra),
    })
}

/// The data in its type's shape, or as free JSON where it does not fit.
fn shaped(kind: EventType, raw: &RawValue, forward_access_tokens: bool, extra: &mut Map<String, Value>) -> Data {
    let shaped = match kind {
        EventType::TaskCreated
        | EventType::TaskUpdated
        | EventType::TaskFinished
        | EventType::SubTaskCreated
        | EventType::SubTaskUpdated
        | EventType::SubTaskFinished => parsed(raw).map(|data| Data::Task(task(Box::new(data)))),
        EventType::Chunk => wire::parse(raw).ok().map(Data::Chunk),
        EventType::ToolCallRequest => {
            read(raw, extra).map(|data| Data::ToolCallRequest(tool_call_request(data).into()))
        }
        EventType::ToolCallResult => read(raw, extra).map(|data| Data::ToolCallResult(tool_call_result(data).into())),
        EventType::Think | EventType::Analyze => read(raw, extra).map(|data| Data::Reasoning(reasoning(data).into())),
        EventType::PlanUpdated => read(raw, extra).map(|data| Data::Plan(plan(data))),
        EventType::AuthEvent => return auth(raw, forward_access_tokens, extra),
        EventType::SubAgentTrigger => {
            read(raw, extra).map(|data| Data::SubAgentTrigger(sub_agent_trigger(data).into()))
        }
        _ => None,
    };
    shaped.unwrap_or_else(|| Data::Other(json::Value::new(wire::verbatim(raw))))
}

fn parsed<T: Object>(raw: &RawValue) -> Option<T> {
    wire::at_once(raw.get()).or_else(|| wire::parse(raw).ok())
}

/// Reads data into its shape; None where it does not fit. Where it fits but holds more than the shape, the whole of it
/// goes into `extra` too.
fn read<T: Object>(raw: &RawValue, extra: &mut Map<String, Value>) -> Option<T> {
    let data: T = parsed(raw)?;
    if data.rest().misfit {
        return None;
    }
    if !data.is_whole() {
        extra.insert("data".to_owned(), wire::verbatim(raw));
    }
    Some(data)
}

fn auth(raw: &RawValue, forward_access_tokens: bool, extra: &mut Map<String, Value>) -> Data {
    let left = if forward_access_tokens { wire::verbatim(raw) } else { wire::without(raw, &TOKENS) };
    // The shape is read from what is left, so that no way out carries a token.
    let shaped = serde_json::value::to_raw_value(&left).ok().and_then(|left| read(&left, extra));
    shaped.map_or_else(
        || Data::Other(json::Value::new(left)),
        |wire::AuthEvent { kind, data, rest: _ }| {
            Data::Auth(proto::AuthEvent { r#type: kind, data: data.map(json::Struct::new) })
        },
    )
}

fn tool_call_request(request: wire::ToolCallRequest) -> proto::ToolCallRequest {
    let wire::ToolCallRequest {
        request_id,
        operation_id,
        tool_call_id,
        graph_node_id,
        tool_name,
        payload,
        reasoning,
        plan_task_id,
        rest: _,
    } = request;
    proto::ToolCallRequest {
        request_id,
        operation_id,
        tool_call_id,
        graph_node_id,
        tool_name,
        payload: payload.map(json::Value::new),
        reasoning: reasoning.map(tool_call_reasoning),
        plan_task_id,
    }
}

fn tool_call_result(result: wire::ToolCallResult) -> proto::ToolCallResult {
    let wire::ToolCallResult {
        request_id,
        operation_id,
        tool_call_id,
        graph_node_id,
        tool_name,
        payload,
        reasoning,
        plan_task_id,
        result,
        is_error,
        approval_request_id,
        rest: _,
    } = result;
    proto::ToolCallResult {
        request_id,
        operation_id,
        tool_call_id,
        graph_node_id,
        tool_name,
        payload: payload.map(json::Value::new),
        reasoning: reasoning.map(tool_call_reasoning),
        plan_task_id,
        result: result.map(json::Value::new),
        is_error,
        approval_request_id,
    }
}

fn tool_call_reasoning(reasoning: wire::ToolCallReasoning) -> proto::ToolCallReasoning {
    let wire::ToolCallReasoning { title, description, rest: _ } = reasoning;
    proto::ToolCallReasoning { title, description }
}

fn reasoning(reasoning: wire::Reasoning) -> proto::Reasoning {
    let wire::Reasoning { id, kind, title, confidence, thought, action, result, analysis, plan_task_id, rest: _ } =
        reasoning;
    proto::Reasoning { id, r#type: kind, title, confidence, thought, action, result, analysis, plan_task_id }
}

fn sub_agent_trigger(trigger: wire::SubAgentTrigger) -> proto::SubAgentTrigger {
    let wire::SubAgentTrigger { agent_id, query, files, reasoning, rest: _ } = trigger;
    let (files, reasoning) = (files.unwrap_or_default(), reasoning.map(tool_call_reasoning));
    proto::SubAgentTrigger { agent_id, query, files, reasoning }
}

/// The platform's word as a type; UNSPECIFIED for one this version does not know. The proxy's own two types are not
/// the platform's to send.
fn event_type(word: &str) -> EventType {
    match word {
        "connected" => EventType::Connected,
        "task_created" => EventType::TaskCreated,
        "task_updated" => EventType::TaskUpdated,
        "task_finished" => EventType::TaskFinished,
        "sub_task_created" => EventType::SubTaskCreated,
        "sub_task_updated" => EventType::SubTaskUpdated,
        "sub_task_finished" => EventType::SubTaskFinished,
        "chunk" => EventType::Chunk,
        "tool_call_request" => EventType::ToolCallRequest,
        "tool_call_result" => EventType::ToolCallResult,
        "think" => EventType::Think,
        "analyze" => EventType::Analyze,
        "plan_updated" => EventType::PlanUpdated,
        "auth_event" => EventType::AuthEvent,
        "sub_agent_trigger" => EventType::SubAgentTrigger,
        "task_compactization" => EventType::TaskCompactization,
        "context_status" => EventType::ContextStatus,
        "agent_gateway_decision" => EventType::AgentGatewayDecision,
        "process_state_changed" => EventType::ProcessStateChanged,
        "process_update" => EventType::ProcessUpdate,
        "gateway_steer_applied" => EventType::GatewaySteerApplied,
        "ask_user_questions" => EventType::AskUserQuestions,
        "invite_member" => EventType::InviteMember,
        "member_invited" => EventType::MemberInvited,
        "ask_for_secret" => EventType::AskForSecret,
        "secret_saved" => EventType::SecretSaved,
        "live_surface_created" => EventType::LiveSurfaceCreated,
        "inline_card" => EventType::InlineCard,
        _ => EventType::Unspecified,
    }
}
