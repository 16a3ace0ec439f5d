//! Requests that are understood, and those that are refused.

use reqwest::Method;
use serde_json::{Value, json};

use super::{World, read, streamed};

#[tokio::test]
async fn an_agent_is_found_by_id_and_by_name_below_every_root() {
    let world = World::new().await;
    for root in ["", "/org-1", "/agents", "/agent-controller/org-1"] {
        for name in ["echo", "echo-agent"] {
            let (status, agent) = world.get(&format!("{root}/agents/{name}")).await;
            assert_eq!((status, &agent["id"], &agent["version"]), (200, &json!("echo"), &json!(3)), "{root}");
        }
    }
    assert_eq!(world.get("/org-1/agents/tools").await.1["organization_id"], "org-1");
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let world = World::new().await;
    for (path, detail) in [
        ("/", "Not Found"),
        ("/agents", "Not Found"),
        ("/agents/", "Not Found"),
        ("/agents/echo/status", "Not Found"),
        ("/a/b/agents/echo", "Not Found"),
        ("/agents/nobody", "Agent not found"),
        ("/agents/http-200", "Agent not found"),
        ("/agent-execution/nothing/status", "Task not found"),
        ("/org-1/agent-execution/nothing/events", "Task not found"),
    ] {
        assert_eq!(world.get(path).await, (404, json!({ "detail": detail })), "{path}");
    }
    assert_eq!(world.delete("/agent-execution/nothing").await.0, 404);
    assert_eq!(world.post("echo", json!({ "id": "nothing", "input": {} })).await.0, 404);
}

#[tokio::test]
async fn a_task_is_created_under_the_agents_id_and_not_its_name() {
    let world = World::new().await;
    let answer = world.post("echo-agent", streamed("hi")).await;
    assert_eq!(answer, (404, json!({ "detail": "Agent not found" })));
}

#[tokio::test]
async fn a_request_without_a_key_is_unauthorized() {
    let world = World::new().await;
    let url = format!("{}/agents/echo", world.sandbox.base_url());
    for request in [world.client.get(&url), world.client.get(&url).header("x-api-key", "")] {
        let answer = read(request.send().await.unwrap()).await;
        assert_eq!(answer, (401, json!({ "detail": "Invalid API key" })));
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::new().await;
    let response = world.request(Method::PUT, "/agent-execution/echo").send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST, DELETE".parse().unwrap()));
}

#[tokio::test]
async fn a_pinned_version_runs_when_there_is_one() {
    let world = World::new().await;
    for (version, expected) in [("1", (200, json!("1"))), ("4", (404, Value::Null)), ("", (404, Value::Null))] {
        let request = world.creation("echo", &streamed("hi")).header("x-agent-version", version);
        let (status, task) = read(request.send().await.unwrap()).await;
        assert_eq!((status, task["agent_version"].clone()), expected, "{version}");
    }
    assert_eq!(world.post("echo", streamed("hi")).await.1["agent_version"], "3");
}

#[tokio::test]
async fn a_body_that_breaks_the_contract_is_told_where() {
    let world = World::new().await;
    for (body, kind, location) in [
        (json!([]), "model_attributes_type", json!(["body"])),
        (json!({}), "missing", json!(["body", "input"])),
        (json!({ "input": null }), "model_attributes_type", json!(["body", "input"])),
        (json!({ "input": { "text": 1 } }), "string_type", json!(["body", "input", "text"])),
        (json!({ "input": { "files": ["a", 1] } }), "string_type", json!(["body", "input", "files", 1])),
        (json!({ "input": { "user": {} } }), "missing", json!(["body", "input", "user", "email"])),
        (json!({ "input": { "attachments": [{}] } }), "missing", json!(["body", "input", "attachments", 0, "url"])),
        (principal("a:b"), "value_error", json!(["body", "input", "principal", "id"])),
        (principal(" "), "value_error", json!(["body", "input", "principal", "id"])),
        (json!({ "input": {}, "output_format": "xml" }), "enum", json!(["body", "output_format"])),
        (json!({ "input": {}, "events_streaming": "yes" }), "bool_type", json!(["body", "events_streaming"])),
        (json!({ "input": {}, "tool_call_limit": 1.0 }), "int_type", json!(["body", "tool_call_limit"])),
        (json!({ "input": {}, "output_schema": [] }), "dict_type", json!(["body", "output_schema"])),
        (json!({ "input": {}, "mcp_servers": {} }), "list_type", json!(["body", "mcp_servers"])),
    ] {
        let (status, answer) = world.post("echo", body.clone()).await;
        let complaint = &answer["detail"][0];
        assert_eq!((status, &complaint["type"], &complaint["loc"]), (422, &json!(kind), &location), "{body}");
        assert!(complaint["msg"].is_string() && complaint.get("input").is_some(), "{answer}");
    }
    let cut = world.request(Method::POST, "/agent-execution/echo").body("{\"input\":").send().await.unwrap();
    let (status, answer) = read(cut).await;
    assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!("json_invalid")));
}

fn principal(id: &str) -> Value {
    json!({ "input": { "principal": { "kind": "user", "id": id } } })
}

#[tokio::test]
async fn the_agents_of_errors_answer_them_on_demand() {
    let world = World::new().await;
    for status in [400, 402, 403, 409, 413, 429, 499, 500, 503, 504] {
        let agent = format!("http-{status}");
        assert_eq!(world.get(&format!("/agents/{agent}")).await.0, 200);
        let response = world.creation(&agent, &streamed("hi")).send().await.unwrap();
        assert_eq!(response.headers().contains_key("retry-after"), status == 429 || status == 503);
        let (answered, body) = read(response).await;
        assert_eq!((answered, body["detail"].is_string()), (status, true));
        assert_eq!(world.get(&format!("/agents/lookup-{status}")).await.0, status);
    }
    assert!(world.post("http-422", streamed("hi")).await.1["detail"][0]["loc"].is_array());
}

#[tokio::test]
async fn every_request_is_seen_as_it_came() {
    let world = World::new().await;
    world.get("/agents/echo").await;
    world.creation("echo", &streamed("hi")).header("X-Agent-Version", "2").send().await.unwrap();
    let seen = world.sandbox.seen();
    let lines: Vec<_> = seen.iter().map(|request| (request.method.as_str(), request.path.as_str())).collect();
    assert_eq!(lines, [("GET", "/agents/echo"), ("POST", "/agent-execution/echo")]);
    assert_eq!((&seen[0].body, &seen[1].body), (&Value::Null, &streamed("hi")));
    assert_eq!((seen[1].header("x-agent-version"), seen[1].header("x-api-key")), (Some("2"), Some("key")));
}
