//! The marked values, a request and answers full of them, and the search for them.

use serde_json::{Map, Value, json};
use xpander_grpc_proxy::proto::{Attachment, InvokeRequest, McpServer, Principal, User, json::Struct};

use crate::support::platform::{event, task};

/// What every marked value begins with, in letters and digits alone, so that no encoding changes it.
const MARK: &str = "c4n4ry";

/// Credentials: told to nobody but whom they are for.
pub const API_KEY: &str = "c4n4ry-api-key";
pub const CALLERS_KEY: &str = "c4n4ry-key-of-the-caller";
pub const TOKEN: &str = "c4n4ry-bearer-token";
pub const WRONG_TOKEN: &str = "c4n4ry-bearer-token-that-is-wrong";
pub const COLLECTOR_TOKEN: &str = "c4n4ry-token-of-the-collector";
pub const CREDENTIALS: [&str; 5] = [API_KEY, CALLERS_KEY, TOKEN, WRONG_TOKEN, COLLECTOR_TOKEN];

/// The user whom the gateway names.
pub const GATEWAYS_USER: [(&str, &str); 4] = [
    ("x-user-id", "c4n4ry-gateway-user-id"),
    ("x-user-email", "c4n4ry-gateway@user.example"),
    ("x-user-first-name", "c4n4ry-gateway-first-name"),
    ("x-user-last-name", "c4n4ry-gateway-last-name"),
];

/// A marked text about this.
pub fn mark(about: &str) -> String {
    format!("{MARK}-{about}")
}

/// What is around each mark in here; nothing where there is none.
pub fn marks(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let around = |(at, _): (usize, &str)| {
        let (from, to) = (at.saturating_sub(200), (at + 120).min(lower.len()));
        lower[lower.floor_char_boundary(from)..lower.ceil_char_boundary(to)].to_owned()
    };
    lower.match_indices(MARK).map(around).collect()
}

fn object(about: &str) -> Map<String, Value> {
    let key = mark(&format!("{about}-key"));
    Map::from_iter([(key, json!({ "inside": [mark(about), { "deeper": mark(about) }] }))])
}

fn structure(about: &str) -> Option<Struct> {
    Some(Struct::new(Value::Object(object(about)).to_string()))
}

/// An invocation whose every value is marked, but for the ids, which the log may tell.
pub fn request(agent_id: &str) -> InvokeRequest {
    let text = |about: &str| Some(mark(about));
    let url = |about: &str| format!("https://files.example.com/{}?signature={}", mark(about), mark("signature"));
    InvokeRequest {
        agent_id: agent_id.to_owned(),
        prompt: mark("prompt"),
        file_urls: vec![url("file")],
        user_details: Some(User {
            id: text("user-id"),
            first_name: text("first-name"),
            last_name: text("last-name"),
            email: format!("{}@user.example", mark("email")),
            additional_attributes: structure("attribute"),
            timezone: text("timezone"),
        }),
        tool_call_payload_extension: structure("payload"),
        source: mark("source"),
        worker_id: text("worker"),
        output_schema: structure("schema"),
        additional_context: text("context"),
        expected_output: text("expected-output"),
        attachments: vec![Attachment {
            url: url("attachment"),
            name: text("attachment-name"),
            transcript: text("transcript"),
            source: text("attachment-source"),
            ..Attachment::default()
        }],
        principal: Some(Principal {
            kind: 1,
            id: mark("principal"),
            email: text("principal-email"),
            display_name: text("principal-name"),
        }),
        instructions_override: text("instructions"),
        title: text("title"),
        mcp_servers: vec![McpServer {
            name: text("mcp-name"),
            url: Some(url("mcp")),
            auth_type: Some("api_key".to_owned()),
            api_key: text("mcp-api-key"),
            client_id: text("mcp-client-id"),
            client_secret: text("mcp-client-secret"),
            headers: structure("mcp-headers"),
            env_vars: structure("mcp-env-vars"),
            allowed_tools: vec![mark("mcp-tool")],
            ..McpServer::default()
        }],
        user_oidc_token: text("user-oidc-token"),
        user_tokens: structure("user-tokens"),
        ..InvokeRequest::default()
    }
}

/// The platform's task under this id, in this status, full of marks.
pub fn answer(id: &str, status: &str) -> Value {
    let mut answer = task(id, status);
    answer["input"] = json!({ "text": mark("prompt"), "user": { "email": mark("email") }, "files": [mark("file")] });
    answer["result"] = mark("result").into();
    answer["user_oidc_token"] = mark("user-oidc-token").into();
    answer["user_tokens"] = object("user-tokens").into();
    answer["mcp_servers"] = json!([{ "api_key": mark("mcp-api-key"), "headers": object("mcp-headers") }]);
    answer["pending_eca_request"] = json!({ "connector_name": "x", "auth_url": mark("auth-url") });
    // Of another type than it should be, and of tomorrow.
    answer["tokens"] = mark("tokens").into();
    answer["of_tomorrow"] = object("of-tomorrow").into();
    answer
}

/// Events full of marks: each type, data of another shape, what is no event at all, and what is too large.
pub fn events() -> String {
    let data =
        |about: &str| json!({ "text": mark(about), "access_token": mark("access-token"), "more": object(about) });
    let kinds = ["think", "tool_call_request", "tool_call_result", "plan_updated", "auth_event", "sub_agent_trigger"];
    let shaped: String = kinds.iter().map(|kind| event(kind, &data(kind))).collect();
    let tool =
        json!({ "tool_name": "t", "tool_call_id": "1", "payload": object("tool"), "result": mark("tool-result") });
    let garbage = format!(
        "data: {0} is no JSON\n\ndata: [\"{0}\"]\n\ndata: {{\"{0}\": 1}}\n\n{0}: {0}\n\nretry: {0}\n\n: {0}\n\ndata: {1}\n\n",
        mark("garbage"),
        mark("large").repeat(10_000),
    );
    [
        event("task_created", &answer("task-1", "executing")),
        event("chunk", &json!(mark("chunk"))),
        event("chunk", &data("chunk-of-another-shape")),
        shaped,
        event("tool_call_result", &tool),
        event("auth_event", &json!({ "token": mark("auth-token"), "refresh_token": mark("refresh-token") })),
        event("of_tomorrow", &data("event-of-tomorrow")),
        garbage,
    ]
    .concat()
}
