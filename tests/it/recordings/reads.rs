//! Lists and activity logs: the routes, queries and headers of the official client, and nothing lost of what came back.

use serde_json::{Value, json};
use tonic::Status;
use xpander_grpc_proxy::{
    cli::proto_json::{from_json, to_json},
    proto::{GetTaskActivityRequest, ListAgentsRequest, ListTasksRequest},
};

use super::{camel, holds, normal, recordings, script, text};
use crate::support::{
    platform::Platform,
    proxy::{Client, Proxy},
    status::failure,
};

const READS: &str = include_str!("../../fixtures/reads.json");
/// What a list shows of an agent.
const SHOWN: &str = "id name icon status description organization_id created_at created_by access_scope type";

#[tokio::test]
async fn a_list_or_an_activity_log_is_on_the_wire_what_the_official_client_reads() {
    for recording in recordings(READS) {
        let name = text(&recording["name"]).to_owned();
        let platform = Platform::start(script(&recording)).await;
        let mut settings = crate::support::proxy::settings(&platform.base_url());
        settings.users.callers = ["*".to_owned()].into();
        let proxy = Proxy::with(&settings).await;
        let answer = ask(&mut proxy.client(), &recording).await;

        let expected = recording["exchanges"].as_array().expect("exchanges");
        let seen = platform.seen();
        assert_eq!(seen.len(), expected.len(), "{name}: {:?}", platform.paths());
        for (seen, expected) in seen.iter().zip(expected) {
            let query = expected["query"].as_str().map(|query| format!("?{query}")).unwrap_or_default();
            let path = format!("{}{query}", text(&expected["path"]));
            assert_eq!((&*seen.method, &*seen.path), (text(&expected["method"]), &*path), "{name}");
            for (header, value) in expected["headers"].as_object().expect("headers") {
                assert_eq!(seen.header(header), value.as_str(), "{name}: {header}");
            }
        }
        if let Some(status) = recording["error"]["status_code"].as_u64() {
            assert_eq!(failure(answer).facts["http_status"], status.to_string(), "{name}");
            continue;
        }
        let ours = answer.unwrap_or_else(|status| panic!("{name}: {status}"));
        let sent = &recording["platform"].as_array().and_then(|answers| answers.last()).expect("an answer")["body"];
        match text(&recording["call"]) {
            "activity" => check_activity(&name, &ours, sent),
            "list_agents" => check_agents(&name, &ours, sent),
            _ => check_tasks(&name, &ours, sent),
        }
    }
}

/// Makes the recorded call; what came of it, as a list of proto JSON.
async fn ask(client: &mut Client, recording: &Value) -> Result<Vec<Value>, Status> {
    let read = |json: String| serde_json::from_str::<Value>(&json).expect("JSON");
    let rows = |answer: Value, name: &str| answer[name].as_array().cloned().unwrap_or_default();
    match text(&recording["call"]) {
        "list_agents" => {
            let answer = client.list_agents(ListAgentsRequest::default()).await?.into_inner();
            Ok(rows(read(to_json(&answer).expect("JSON")), "agents"))
        }
        "activity" => {
            let task_id = text(&recording["task_id"]).to_owned();
            let mut stream = client.get_task_activity(GetTaskActivityRequest { task_id }).await?.into_inner();
            let mut items = Vec::new();
            while let Some(item) = stream.message().await? {
                items.push(read(to_json(&item).expect("JSON")));
            }
            Ok(items)
        }
        _ => {
            let mut request = recording["filters"].clone();
            for id in ["agent_id", "user_id"] {
                if let Some(id_of) = recording[id].as_str() {
                    request[id] = json!(id_of);
                }
            }
            if let Some(status) = request["status"].as_str() {
                request["status"] = json!(format!("TASK_STATUS_{}", status.to_uppercase()));
            }
            request["include_results"] = json!(true);
            let request: Value =
                request.as_object().expect("filters").clone().into_iter().filter(|(_, v)| !v.is_null()).collect();
            let request: ListTasksRequest = from_json(&request.to_string()).expect("a request");
            let answer = client.list_tasks(request).await?.into_inner();
            Ok(rows(read(to_json(&answer).expect("JSON")), "tasks"))
        }
    }
}

fn check_tasks(name: &str, ours: &[Value], sent: &Value) {
    let sent = sent.as_array().expect("a list");
    assert_eq!(ours.len(), sent.len(), "{name}");
    for sent in sent {
        let ours = ours.iter().find(|ours| ours["id"] == sent["id"]).expect("none is lost");
        for (key, value) in sent.as_object().expect("a row").iter().filter(|(_, value)| !value.is_null()) {
            let known = normal(key, &ours[camel(key)]);
            let is_there = holds(&known, &normal(key, value)) || ours["other"][key] == *value;
            assert!(is_there, "{name}: {key}: {ours}");
        }
    }
}

fn check_agents(name: &str, ours: &[Value], sent: &Value) {
    let sent = sent.as_array().expect("a list");
    assert_eq!(ours.len(), sent.len(), "{name}");
    for sent in sent {
        let ours = ours.iter().find(|ours| ours["id"] == sent["id"]).expect("none is lost");
        for key in SHOWN.split(' ').filter(|key| !sent[key].is_null()) {
            assert_eq!(normal(key, &ours[camel(key)]), normal(key, &sent[key]), "{name}: {key}");
        }
        let told: Vec<_> = ours.as_object().expect("an agent").keys().cloned().collect();
        assert!(told.iter().all(|key| SHOWN.split(' ').any(|shown| camel(shown) == *key)), "{name}: {told:?}");
    }
}

fn check_activity(name: &str, ours: &[Value], sent: &Value) {
    let (thread, entries) = ours.split_first().expect("a thread");
    for key in ["id", "created_at", "user"].iter().filter(|key| !sent[*key].is_null()) {
        assert!(holds(&normal(key, &thread["thread"][camel(key)]), &normal(key, &sent[*key])), "{name}: {key}");
    }
    let messages = sent["messages"].as_array().expect("messages");
    assert_eq!(entries.len(), messages.len(), "{name}");
    for (entry, sent) in entries.iter().map(|item| &item["entry"]).zip(messages) {
        assert_eq!(entry["id"], sent["id"], "{name}");
        assert_eq!(normal("_at", &entry["time"]), normal("_at", &sent["created_at"]), "{name}");
        let mut expected = sent.clone();
        let shape = ["message", "toolCall", "reasoning", "subAgentTrigger", "auth", "other"];
        let shape = shape.into_iter().find(|shape| !entry[shape].is_null()).expect("an entry");
        let told = match shape {
            "message" => {
                expected["text"] = sent["content"]["text"].clone();
                expected["files"] = sent["content"]["files"].clone();
                expected["role"] = json!(format!("ACTIVITY_ROLE_{}", text(&sent["role"]).to_uppercase()));
                &["role", "text", "files", "user", "sub_execution_result"][..]
            }
            "toolCall" => &["tool_name", "payload", "is_error", "reasoning", "result", "plan_task_id"],
            "reasoning" => &["type", "title", "confidence", "thought", "action", "result", "analysis", "plan_task_id"],
            "subAgentTrigger" => &["agent_id", "query", "files", "reasoning"],
            "auth" => &["type", "data"],
            _ => {
                assert!(holds(&entry["other"], sent), "{name}: {entry}");
                continue;
            }
        };
        assert!(entry["extra"].is_null(), "{name}: {entry}");
        for key in told.iter().filter(|key| !expected[**key].is_null()) {
            let ours = &entry[shape][camel(key)];
            let is_empty = ours.is_null() && expected[*key].as_array().is_some_and(Vec::is_empty);
            assert!(is_empty || holds(ours, &expected[*key]), "{name}: {key}: {entry}");
        }
        // A key that has no place is none of those above.
        let has_place = |key: &String| told.contains(&&**key) || ["id", "created_at", "content"].contains(&&**key);
        assert!(sent.as_object().expect("an entry").keys().all(has_place), "{name}: {sent}");
    }
}
