//! A task's attributes as the platform sends them: all of them, as JSON.
//!
//! What becomes of them while the task runs is decided in `task`.

use serde_json::{Map, Value, json};

use super::log::now;

/// The attributes of a task, by name.
pub type Attributes = Map<String, Value>;

/// The attributes a task takes from the body that creates it, each with what it is when unset there.
fn from_body() -> Value {
    json!({
        "payload_extension": null, "source": null, "worker_id": null, "output_format": null, "output_schema": null,
        "events_streaming": false, "additional_context": null, "instructions_override": null,
        "test_run_node_id": null, "user_oidc_token": null, "expected_output": null, "mcp_servers": [],
        "triggering_agent_id": null, "title": null, "think_mode": "default", "disable_attachment_injection": false,
        "user_tokens": null, "return_metrics": false, "llm_model_provider": null, "llm_model_name": null,
        "llm_reasoning_effort": null, "harness_cli": null, "permission_mode": null, "tool_call_limit": null,
    })
}

/// The attributes that say how a turn went, as they are before it begins.
fn before_a_turn() -> Value {
    json!({
        "internal_status": null, "last_executed_node_id": null, "started_at": null, "paused_at": null,
        "finished_at": null, "result": null, "sub_executions": [], "is_manually_stopped": false,
        "hitl_request": null, "pending_eca_request": null, "tokens": null, "used_tools": [], "duration": 0.0,
        "deep_planning": {
            "enabled": false, "enforce": false, "started": false, "question_raised": false, "tasks": [],
        },
    })
}

/// The attributes of a new task, `status` aside.
pub fn new(id: &str, agent: &str, organization: &str, version: &str, body: &Attributes) -> Attributes {
    let mut attributes = Map::new();
    merge(
        &mut attributes,
        json!({
            "id": id, "agent_id": agent, "organization_id": organization, "agent_version": version,
            "created_at": now(), "input": input(body), "conversation_id": id, "conversation_kind": "direct",
            "execution_kind": "turn", "execution_attempts": 1, "parent_execution": null, "should_update_parent": false,
            "voice_id": null, "is_orchestration": false, "is_gateway": false, "is_app": false,
            "background_auth_eligible": false, "must_deep_plan": false,
        }),
    );
    merge(&mut attributes, before_a_turn());
    merge(&mut attributes, from_body());
    take_over(&mut attributes, body);
    attributes
}

/// The attributes for the next turn of a task: who and when it was created stay, how the last turn went is reset, and
/// what the new body leaves unset stays as it was.
pub fn continued(previous: &Attributes, agent: &str, version: &str, body: &Attributes) -> Attributes {
    let mut attributes = previous.clone();
    merge(&mut attributes, before_a_turn());
    merge(&mut attributes, json!({ "agent_id": agent, "agent_version": version, "input": input(body) }));
    take_over(&mut attributes, body);
    attributes
}

/// The prompt among the attributes.
pub fn prompt(attributes: &Attributes) -> &str {
    attributes.get("input").and_then(|input| input["text"].as_str()).unwrap_or_default()
}

/// Whether the task was created with event streaming.
pub fn is_streamed(attributes: &Attributes) -> bool {
    attributes.get("events_streaming").and_then(Value::as_bool).unwrap_or_default()
}

fn input(body: &Attributes) -> Value {
    let mut input = json!({ "text": "", "files": [], "user": null });
    for (key, value) in body.get("input").and_then(Value::as_object).into_iter().flatten() {
        if !value.is_null() {
            input[key] = value.clone();
        }
    }
    input
}

fn take_over(attributes: &mut Attributes, body: &Attributes) {
    if let Value::Object(names) = from_body() {
        for name in names.keys() {
            if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
                attributes.insert(name.clone(), value.clone());
            }
        }
    }
}

fn merge(attributes: &mut Attributes, more: Value) {
    if let Value::Object(more) = more {
        attributes.extend(more);
    }
}
