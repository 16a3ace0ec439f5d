//! An event of the platform's stream into a protobuf `TaskEvent`.

use prost::Message as _;

use super::{
    auth::harmless,
    task::{plan, task, timestamp, translators},
};
use crate::{
    platform::wire::{self, Object, Wire},
    proto::{
        self, EventType,
        json::{self, Quoted, Reader},
        task_event::Data,
    },
};

/// Data that is no event: no JSON object with a string `type`. The stream goes on without it.
#[derive(Debug, thiserror::Error)]
#[error("no JSON object with a string `type`")]
pub struct NotAnEvent;

/// Translates an event's data; `id` is the event's own on the stream. Of an `auth_event` only what is harmless is kept
/// unless `forward_access_tokens` is set.
///
/// # Errors
/// When the data is no event.
pub fn event(id: Option<String>, data: &[u8], forward_access_tokens: bool) -> Result<proto::TaskEvent, NotAnEvent> {
    // Bytes that are no UTF-8 cost the characters they stand in, not the event.
    let data = wire::text(data);
    let envelope = wire::Envelope::read(&data).ok_or(NotAnEvent)?;
    let wire::Envelope { kind, task_id, organization_id, time, identity, data, rest: mut extra } = envelope;
    let r#type = event_type(&kind);
    let kept = (r#type == EventType::AuthEvent && !forward_access_tokens).then(|| {
        extra = wire::Rest::default();
        data.map(harmless)
    });
    let data = kept.as_ref().map_or(data, Option::as_deref);
    let data = data.map(|data| shaped(r#type, data, &mut extra));
    let extra = extra.into_struct();
    Ok(proto::TaskEvent {
        data,
        r#type: r#type.into(),
        type_name: kind.into_owned(),
        task_id,
        organization_id,
        time: time.map(timestamp),
        identity: identity.map(self::identity),
        event_id: id,
        extra: extra.filter(|extra| extra.encoded_len() > 0),
    })
}

/// The data in its type's shape, or as free JSON where it does not fit.
fn shaped(kind: EventType, json: &str, extra: &mut wire::Rest) -> Data {
    let shaped = match kind {
        EventType::TaskCreated
        | EventType::TaskUpdated
        | EventType::TaskFinished
        | EventType::SubTaskCreated
        | EventType::SubTaskUpdated
        | EventType::SubTaskFinished => parsed(json).map(|data| Data::Task(task(Box::new(data)))),
        EventType::Chunk => parsed(json).map(Data::Chunk),
        EventType::ToolCallRequest => {
            read(json, extra).map(|data| Data::ToolCallRequest(tool_call_request(data).into()))
        }
        EventType::ToolCallResult => read(json, extra).map(|data| Data::ToolCallResult(tool_call_result(data).into())),
        EventType::Think | EventType::Analyze => read(json, extra).map(|data| Data::Reasoning(reasoning(data).into())),
        EventType::PlanUpdated => read(json, extra).map(|data| Data::Plan(plan(data))),
        EventType::AuthEvent => read(json, extra).map(auth),
        EventType::SubAgentTrigger => {
            read(json, extra).map(|data| Data::SubAgentTrigger(sub_agent_trigger(data).into()))
        }
        _ => None,
    };
    shaped.unwrap_or_else(|| Data::Other(json::Value::new(json)))
}

fn parsed<T: Wire>(json: &str) -> Option<T> {
    T::read(&mut Reader::new(json))
}

/// Reads data into its shape; None where it does not fit. Where it fits but holds more than the shape, the whole of it
/// goes into `extra` too.
fn read<T: Object>(json: &str, extra: &mut wire::Rest) -> Option<T> {
    let data: T = parsed(json)?;
    if data.rest().misfit {
        return None;
    }
    if !data.is_whole() {
        extra.keep(Quoted::plain("data"), &mut Reader::new(json))?;
    }
    Some(data)
}

fn auth(auth: wire::AuthEvent) -> Data {
    let wire::AuthEvent { r#type, data, rest: _ } = auth;
    Data::Auth(proto::AuthEvent { r#type, data })
}

translators! {
    tool_call_request: ToolCallRequest => ToolCallRequest {
        request_id, operation_id, tool_call_id, graph_node_id, tool_name, payload,
        reasoning = reasoning.map(tool_call_reasoning), plan_task_id,
    }
    tool_call_result: ToolCallResult => ToolCallResult {
        request_id, operation_id, tool_call_id, graph_node_id, tool_name, payload,
        reasoning = reasoning.map(tool_call_reasoning), plan_task_id, result, is_error, approval_request_id,
    }
    tool_call_reasoning: ToolCallReasoning => ToolCallReasoning { title, description }
    reasoning: Reasoning => Reasoning { id, r#type, title, confidence, thought, action, result, analysis, plan_task_id }
    sub_agent_trigger: SubAgentTrigger => SubAgentTrigger {
        agent_id, query, files = files.unwrap_or_default(), reasoning = reasoning.map(tool_call_reasoning),
    }
    identity: Identity => EventIdentity { name, icon }
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
