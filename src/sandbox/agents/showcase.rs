//! What the agent `tools` does: a run in which every type of event occurs, and one of a type no client knows yet.
//!
//! The order of the run is here; the events' payloads follow the shapes of the platform's official client.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::says::{completed, say};
use crate::sandbox::tasks::{log::now, status::Ending, turn::Turn};

/// The pause between two events: there are many, and the whole run is to stay well under a second.
const BEAT: Duration = Duration::from_millis(5);

/// Does the run and says how it ended.
pub async fn perform(turn: &Turn, prompt: &str) -> Ending {
    plan(turn, 0).await;
    think(turn, prompt).await;
    log_in(turn).await;
    call_tools(turn).await;
    plan(turn, 1).await;
    delegate(turn, prompt).await;
    manage_context(turn).await;
    report_process(turn).await;
    ask_people(turn).await;
    show(turn).await;
    plan(turn, 2).await;
    let result = format!("Looked into it: {prompt}");
    say(turn, &result).await;
    Ending { used_tools: vec!["search", "sql"], ..completed(result) }
}

async fn send(turn: &Turn, kind: &'static str, data: Value) {
    sleep(BEAT).await;
    turn.emit(kind, data);
}

/// The plan, with so many of its steps completed.
async fn plan(turn: &Turn, completed: usize) {
    let steps = ["Look it up", "Write it down"];
    let tasks: Vec<Value> = (1..)
        .zip(steps)
        .map(|(id, title)| json!({ "id": id.to_string(), "title": title, "completed": id <= completed }))
        .collect();
    let plan = json!({ "enabled": true, "enforce": true, "started": true, "question_raised": false, "tasks": tasks });
    turn.set("deep_planning", plan.clone());
    send(turn, "plan_updated", plan).await;
}

async fn think(turn: &Turn, prompt: &str) {
    let thought = json!({
        "id": "thought-1", "type": "think", "title": "What is asked", "confidence": 0.9,
        "thought": format!("The prompt has {} characters.", prompt.chars().count()), "action": "search",
        "result": null, "analysis": null, "plan_task_id": "1",
    });
    send(turn, "think", thought).await;
    send(turn, "think", json!("A thought can be a bare string, too.")).await;
    let analysis = json!({
        "id": "analysis-1", "type": "analyze", "title": "What is known", "confidence": 1, "thought": null,
        "action": "continue", "result": "enough", "analysis": "Two sources agree.", "plan_task_id": "1",
    });
    send(turn, "analyze", analysis).await;
}

async fn log_in(turn: &Turn) {
    let server = json!({ "server_url": "https://mcp.example.com", "server_name": "Example MCP" });
    let with = |kind: &str, more: Value| {
        let mut data = server.clone();
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        json!({ "type": kind, "data": data })
    };
    let login = with("login_required", json!({ "url": "https://auth.example.com/authorize?state=1" }));
    send(turn, "auth_event", login).await;
    send(turn, "auth_event", with("token_ready", json!({ "access_token": "sandbox-access-token" }))).await;
}

async fn call_tools(turn: &Turn) {
    let payload = json!({
        "query": "quarterly revenue", "limit": 3, "ratio": 0.25, "row": 9_007_199_254_740_993_i64,
        "filter": { "years": [2024, 2025], "region": null, "nested": { "deep": [[true, []], {}] } },
    });
    let search = tool_call("search", "1", &payload);
    send(turn, "tool_call_request", search.clone()).await;
    send(turn, "tool_call_result", tool_result(search, json!({ "rows": [1, 2, 3], "total": 3 }), false)).await;
    let query = tool_call("sql", "2", &json!({ "statement": "select 1" }));
    sleep(BEAT).await;
    let analyst = json!({ "name": "Analyst", "icon": "📊" });
    turn.emit_as(analyst, "tool_call_request", &query);
    sleep(BEAT).await;
    // An identity without an icon.
    turn.emit_as(json!({ "name": "Analyst" }), "tool_call_result", &tool_result(query, json!("no such table"), true));
}

fn tool_call(tool: &str, number: &str, payload: &Value) -> Value {
    json!({
        "request_id": format!("request-{number}"), "operation_id": format!("operation-{tool}"),
        "tool_call_id": format!("call-{number}"), "graph_node_id": format!("node-{tool}"), "tool_name": tool,
        "payload": payload, "plan_task_id": number,
        "reasoning": { "title": format!("Use {tool}"), "description": "It has what is missing." },
    })
}

fn tool_result(mut call: Value, result: Value, is_error: bool) -> Value {
    call["result"] = result;
    call["is_error"] = json!(is_error);
    call["approval_request_id"] = if is_error { json!("approval-1") } else { Value::Null };
    call
}

async fn delegate(turn: &Turn, prompt: &str) {
    let trigger = json!({
        "agent_id": "echo", "query": prompt, "files": ["https://example.com/notes.pdf"],
        "reasoning": { "title": "Ask a colleague", "description": "It knows the subject." },
    });
    send(turn, "sub_agent_trigger", trigger).await;
    let mut task = sub_task(turn, prompt);
    turn.set("sub_executions", json!([task["id"]]));
    send(turn, "sub_task_created", task.clone()).await;
    task["status"] = json!("executing");
    send(turn, "sub_task_updated", task.clone()).await;
    task["status"] = json!("completed");
    task["result"] = json!(prompt);
    // The platform's three ways to write a time: `Z` above, here with an offset, and without a zone below.
    task["started_at"] = json!("2026-04-10T21:01:36.5+02:00");
    task["finished_at"] = json!("2026-04-10T19:01:38.000001");
    send(turn, "sub_task_finished", task).await;
}

fn sub_task(turn: &Turn, prompt: &str) -> Value {
    let subject = turn.subject();
    json!({
        "id": format!("{}-sub-1", subject.task), "agent_id": "echo", "organization_id": subject.organization,
        "input": { "text": prompt, "files": [], "user": null }, "created_at": now(), "status": "pending",
        "parent_execution": subject.task, "triggering_agent_id": "tools", "source": "sdk", "events_streaming": true,
    })
}

async fn manage_context(turn: &Turn) {
    send(
        turn,
        "task_compactization",
        json!({
            "type": "compaction_progress",
            "data": { "trigger": "auto", "attempt": 1, "percent": 50.0, "label": "Compacting context", "detail": null },
        }),
    )
    .await;
    send(turn, "context_status", json!({ "used_tokens": 1200, "max_tokens": 200_000, "percent": 0.6 })).await;
    send(turn, "agent_gateway_decision", json!({ "decision": "delegate", "agent_id": "echo", "confidence": 0.8 }))
        .await;
    send(turn, "gateway_steer_applied", json!({ "steer_id": "steer-1", "text": "Keep it short." })).await;
}

async fn report_process(turn: &Turn) {
    send(turn, "process_state_changed", json!({ "process_id": "process-1", "state": "running" })).await;
    send(turn, "process_update", json!({ "process_id": "process-1", "note": "Half way there", "percent": 50 })).await;
}

async fn ask_people(turn: &Turn) {
    let question = json!({ "id": "question-1", "text": "Which year?", "options": ["2024", "2025"], "multiple": false });
    send(turn, "ask_user_questions", json!({ "questions": [question] })).await;
    send(turn, "invite_member", json!({ "email": "new@example.com", "role": "member" })).await;
    send(turn, "member_invited", json!({ "email": "new@example.com", "invited": true })).await;
    send(turn, "ask_for_secret", json!({ "secrets": [{ "name": "API_TOKEN", "reason": "The report needs it." }] }))
        .await;
    send(turn, "secret_saved", json!({ "names": ["API_TOKEN"] })).await;
}

async fn show(turn: &Turn) {
    send(turn, "live_surface_created", json!({ "surface_id": "surface-1", "title": "Dashboard", "version": 1 })).await;
    let manifest = json!({ "kind": "table", "columns": ["year", "revenue"], "rows": [[2024, 1.5], [2025, null]] });
    send(turn, "inline_card", json!({ "card_id": "card-1", "manifest": manifest })).await;
    send(turn, "quantum_leap", json!({ "from": "today", "to": ["tomorrow", { "certain": null }], "leaps": 1 })).await;
}
