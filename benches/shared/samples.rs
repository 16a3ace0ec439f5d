//! What is measured on: one call of each kind, in the sizes of the issue. The same for every bench, so that their numbers
//! can be compared. Not the recordings of the platform: those are in `tests/fixtures`.

use serde_json::json;
use xpander_grpc_proxy::proto::{InvokeRequest, User, json::Struct};

/// The organization of every task.
pub const ORGANIZATION: &str = "org-bench";
/// An attribute of every task and event.
const TIME: &str = "2026-04-10T19:01:36.500100Z";

/// A task that the platform has just created, with most attributes: 1.7 KB; its lines are joined.
const TASK: &str = r#"{"id":"@ID@","agent_id":"bench","organization_id":"org-bench","status":"@STATUS@",
"input":{"text":"Compare the two sales reports, region by region, and say where they differ.","files":["https://files.example.com/a.pdf"],"user":{"id":"user-4711","email":"ada@example.com","first_name":"Ada","additional_attributes":{"tier":"gold","seats":12,"ratio":0.5,"flags":[true,null]}}},
"created_at":"2026-04-10T19:01:36.500100Z","started_at":"2026-04-10T19:01:36.500100Z","paused_at":null,
"finished_at":null,"internal_status":"step 1 of 3","last_executed_node_id":"node-9","agent_version":"7",
"result":"@RESULT@","conversation_id":"conv-1",
"sub_executions":["t1","t2"],"should_update_parent":true,"is_manually_stopped":false,
"payload_extension":{"trace":{"id":7}},"execution_kind":"turn","source":"sdk",
"output_format":"json","output_schema":{"type":"object"},"events_streaming":true,"is_orchestration":false,
"is_gateway":false,"is_app":false,"background_auth_eligible":false,
"additional_context":"The reports are in English.","tool_call_limit":12,"instructions_override":null,
"expected_output":"One line a region","mcp_servers":[],
"title":"Quarterly sales","think_mode":"harder","disable_attachment_injection":true,
"deep_planning":{"enabled":true,"enforce":true,"started":true,"question_raised":false,"tasks":[{"id":"1","title":"read","completed":true},{"id":"2","title":"write","completed":false}]},
"must_deep_plan":false,"execution_attempts":1,"return_metrics":false,"llm_model_provider":"anthropic",
"llm_model_name":"claude","llm_reasoning_effort":"high",
"tokens":{"completion_tokens":12,"prompt_tokens":30,"cache_read_tokens":5,"cache_write_tokens":1},
"used_tools":["search","sql"],"duration":2.25}"#;

/// An object with every kind of value.
pub const FREE_JSON: &str = r#"{"flags":[true,null],"ratio":0.5,"seats":12,"team":{"id":"t-1"},"tier":"gold"}"#;

/// A request of 0.5 KB.
pub fn invoke_request(agent_id: &str) -> InvokeRequest {
    InvokeRequest {
        agent_id: agent_id.to_owned(),
        prompt: "Compare the two sales reports, region by region, and say where they differ by more than a tenth. "
            .repeat(3),
        user_details: Some(User {
            id: Some("user-4711".to_owned()),
            first_name: Some("Ada".to_owned()),
            last_name: Some("Lovelace".to_owned()),
            email: "ada@example.com".to_owned(),
            additional_attributes: Some(free_json()),
            timezone: Some("Europe/London".to_owned()),
        }),
        title: Some("Quarterly sales".to_owned()),
        ..InvokeRequest::default()
    }
}

/// The same as a Struct.
pub fn free_json() -> Struct {
    Struct::new(FREE_JSON)
}

/// A task of 1.7 KB, or one with this result. No text here has a character that JSON escapes.
pub fn task_json(id: &str, status: &str, result: Option<&str>) -> String {
    let result = result.unwrap_or("Nothing yet: the agent has only just begun to read.");
    TASK.replace('\n', "").replace("@ID@", id).replace("@STATUS@", status).replace("@RESULT@", result)
}

/// The data of one chunk event.
pub fn chunk_json(task_id: &str, chunk: &str) -> String {
    event_json("chunk", task_id, &json!(chunk).to_string())
}

/// The data of an event; `data` is JSON.
pub fn event_json(kind: &str, task_id: &str, data: &str) -> String {
    format!(
        r#"{{"type": "{kind}", "task_id": "{task_id}", "organization_id": "{ORGANIZATION}", "time": "{TIME}", "data": {data}}}"#
    )
}
