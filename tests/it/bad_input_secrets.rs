//! A user's secrets in the platform's answers: no call sends them back, wherever they stand.

use std::collections::BTreeSet;

use prost::Message;
use serde_json::{Value, json};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest, InvokeStreamRequest, StopTaskRequest, WaitTaskRequest};

use crate::support::{
    calls::{follow, invoke},
    platform::{Platform, Reply, event},
    proxy::Proxy,
};

/// Tasks that hold a user's secrets, where they belong and where nobody expects them.
fn secretive() -> Vec<(&'static str, Value)> {
    let deep = (0..200).fold(json!("s3cret"), |inner, _| json!([inner]));
    let secrets = json!({ "id": "task-2", "user_oidc_token": "s3cret", "user_tokens": { "github": "s3cret" } });
    let server = json!({
        "id": "s-1", "type": "remote", "url": "https://x/mcp", "api_key": "s3cret", "client_secret": "s3cret",
        "headers": { "authorization": "s3cret" }, "env_vars": { "TOKEN": "s3cret" }, "allowed_tools": ["a"],
    });
    let with_servers = json!({ "id": "task-2", "mcp_servers": [server] });
    let more = |key: &str, value: Value| {
        let mut server = server.clone();
        server[key] = value;
        json!([server])
    };
    let as_text = |value: &Value| json!(value.to_string());
    let camel = json!({ "apiKey": "s3cret", "clientSecret": "s3cret", "Headers": "s3cret", "env-vars": "s3cret" });
    let deep_servers = (0..200).fold(with_servers.clone(), |inner, _| json!([inner]));
    let with = |key: &str, value: Value| {
        let mut task = json!({ "id": "task-1", "status": "completed", "events_streaming": true });
        task[key] = value;
        task
    };
    vec![
        ("the token", with("user_oidc_token", json!("s3cret"))),
        ("the token, of another type", with("user_oidc_token", json!({ "token": "s3cret" }))),
        ("the tokens", with("user_tokens", json!({ "github": "s3cret" }))),
        ("the tokens, of another type", with("user_tokens", json!(["s3cret"]))),
        ("the tokens, nested deep", with("user_tokens", deep)),
        ("a sub-task in full", with("sub_executions", json!([secrets]))),
        ("a parent in full", with("parent_execution", secrets.clone())),
        ("the input", with("input", json!({ "text": "hi", "user_oidc_token": "s3cret" }))),
        ("an attribute of tomorrow", with("previous_turn", secrets)),
        ("servers", with("mcp_servers", json!([server]))),
        ("servers, with an attribute of tomorrow", with("mcp_servers", more("mood", json!({ "headers": "s3cret" })))),
        ("servers, of which something does not fit", with("mcp_servers", more("url", json!(7)))),
        ("servers, of another type", with("mcp_servers", json!({ "first": server }))),
        ("servers, as a text", with("mcp_servers", json!(json!([server]).to_string()))),
        ("servers, as texts", with("mcp_servers", json!([server.to_string()]))),
        ("servers, as Python writes them", with("mcp_servers", json!("[{'name': 'x', 'headers': {'a': 's3cret'}}]"))),
        (
            "servers, as texts in an attribute of tomorrow",
            with("previous_turn", json!({ "mcp_servers": [json!([server.to_string()]).to_string()] })),
        ),
        ("servers, secrets of another type", with("mcp_servers", more("headers", json!(["s3cret"])))),
        ("servers of a sub-task in full", with("sub_executions", json!([with_servers]))),
        ("servers of a parent in full", with("parent_execution", with_servers.clone())),
        ("servers in the input", with("input", json!({ "text": "hi", "mcp_servers": [server] }))),
        ("servers in an attribute of tomorrow", with("previous_turn", with_servers.clone())),
        ("servers in the extension", with("payload_extension", with_servers)),
        ("a server as a text beside one", with("mcp_servers", json!([as_text(&server), server]))),
        ("servers, as the text of a text", with("mcp_servers", as_text(&as_text(&json!([server]))))),
        ("servers as a text in the extension", with("payload_extension", json!({ "mcp_servers": as_text(&server) }))),
        ("servers, in other letters", with("mcp_servers", json!([camel]))),
        ("servers, as their clients name them", with("payload_extension", json!({ "mcpServers": { "one": camel } }))),
        ("servers, nested deep", with("previous_turn", deep_servers)),
    ]
}

#[tokio::test]
async fn a_users_secrets_are_never_sent_back() {
    let mut leaks = BTreeSet::new();
    for (name, task) in secretive() {
        for (call, bytes) in answers(task).await {
            if String::from_utf8_lossy(&bytes).contains("s3cret") {
                leaks.insert(format!("{name}, by {call}"));
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// What every call answers about this task, as bytes.
async fn answers(task: Value) -> Vec<(&'static str, Vec<u8>)> {
    let stream =
        event("task_updated", &task) + &event("sub_task_finished", &task) + &event("task_updated", &json!([task]));
    let platform = Platform::with_agents(move |request| match request.path.ends_with("/events") {
        true => Reply::events(&stream),
        false if request.path.ends_with("/status") && request.path.contains("live") => {
            Reply::json(200, &json!({ "id": "live", "status": "executing", "events_streaming": true }))
        }
        false => Reply::json(200, &task),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = proxy.client();
    let id = || "task-1".to_owned();
    let wait = WaitTaskRequest { task_id: id(), timeout: None };
    let stream = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let named = InvokeRequest { prompt: r#"{"xpander_task_id": "task-1"}"#.into(), ..invoke("agent-1") };
    let mut answers = vec![
        (
            "GetTask",
            client.get_task(GetTaskRequest { task_id: id() }).await.expect("a task").into_inner().encode_to_vec(),
        ),
        (
            "StopTask",
            client.stop_task(StopTaskRequest { task_id: id() }).await.expect("a task").into_inner().encode_to_vec(),
        ),
        ("WaitTask", client.wait_task(wait).await.expect("a task").into_inner().encode_to_vec()),
        ("Invoke", client.invoke(invoke("agent-1")).await.expect("a task").into_inner().encode_to_vec()),
        ("Invoke, named", client.invoke(named).await.expect("a task").into_inner().encode_to_vec()),
    ];
    let mut items = client.invoke_stream(stream).await.expect("a stream").into_inner();
    while let Some(item) = items.message().await.expect("an item") {
        answers.push(("InvokeStream", item.encode_to_vec()));
    }
    let mut events = client.stream_events(follow("live")).await.expect("a stream").into_inner();
    for _ in 0..3 {
        answers.push(("StreamEvents", events.message().await.expect("an event").expect("an event").encode_to_vec()));
    }
    answers
}
