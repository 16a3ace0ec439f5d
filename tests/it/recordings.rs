//! The recordings of the official client, replayed over real sockets: the same requests on the wire, the same task, no
//! event lost.

mod reads;

use std::sync::Mutex;

use serde_json::{Map, Value, json};
use xpander_grpc_proxy::{
    cli::proto_json::{from_json, to_json},
    proto::{InvokeRequest, StreamEventsRequest, TaskEvent},
};

use crate::support::{
    platform::{Platform, Reply, Seen, task},
    proxy::{Proxy, settings},
    status::failure,
};

const INVOCATIONS: &str = include_str!("../fixtures/invoke.json");
const STREAMS: &str = include_str!("../fixtures/events.json");

fn recordings(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a list")
}

/// Answers as the recorded platform did.
fn script(recording: &Value) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let answers = Mutex::new(recording["platform"].as_array().expect("answers").clone());
    move |request| {
        let mut answers = answers.lock().expect("no panic");
        let path = request.path.split('?').next().unwrap_or_default();
        let at = answers.iter().position(|answer| answer["method"] == *request.method && answer["path"] == *path);
        let Some(at) = at else {
            return Reply::json(404, &json!({ "detail": "not in the recording" }));
        };
        let answer = answers.remove(at);
        let status = answer["status"].as_u64().map_or(200, |status| u16::try_from(status).expect("a status"));
        let headers = answer["headers"].as_object().cloned().unwrap_or_default();
        let mut headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| (&*name.leak(), value.as_str().expect("a text").to_owned()))
            .collect();
        match answer["raw"].as_str() {
            Some(raw) => Reply::Http(status, headers, raw.as_bytes().to_vec()),
            None => {
                headers.push(("content-type", "application/json".to_owned()));
                Reply::Http(status, headers, answer["body"].to_string().into_bytes())
            }
        }
    }
}

#[tokio::test]
async fn an_invocation_is_on_the_wire_what_the_official_client_sends() {
    for recording in recordings(INVOCATIONS) {
        let name = recording["name"].as_str().expect("a name");
        let platform = Platform::start(script(&recording)).await;
        let mut settings = settings(&platform.base_url());
        settings.agents.default_id = recording["env"]["XPANDER_AGENT_ID"].as_str().map(str::to_owned);
        let proxy = Proxy::with(&settings).await;
        let request: InvokeRequest = from_json(&recording["request"].to_string()).expect("a request");
        let answer = proxy.client().invoke(request).await;

        let expected = recording["exchanges"].as_array().expect("exchanges");
        let seen = platform.seen();
        assert_eq!(seen.len(), expected.len(), "{name}: {:?}", platform.paths());
        for (seen, expected) in seen.iter().zip(expected) {
            assert_eq!((&*seen.method, &*seen.path), (text(&expected["method"]), text(&expected["path"])), "{name}");
            assert_eq!(seen.body.to_string(), sorted(&expected["body"]), "{name}");
            for (header, value) in expected["headers"].as_object().expect("headers") {
                assert_eq!(seen.header(header), value.as_str(), "{name}: {header}");
            }
            let pin = expected["headers"]["x-agent-version"].as_str();
            assert_eq!(seen.header("x-agent-version"), pin, "{name}");
        }
        match recording["error"]["status_code"].as_u64() {
            Some(status) => assert_eq!(failure(answer).facts["http_status"], status.to_string(), "{name}"),
            None => {
                let task =
                    answer.unwrap_or_else(|status| panic!("{name}: {status}")).into_inner().task.expect("a task");
                let task: Value = serde_json::from_str(&to_json(&*task).expect("JSON")).expect("JSON");
                let last = recording["platform"].as_array().and_then(|answers| answers.last()).expect("an answer");
                check_task(name, &task, &recording["result"], &last["body"]);
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// JSON with sorted keys and with numbers as they are written.
fn sorted(value: &Value) -> String {
    value.to_string()
}

/// The task holds all that the official client made of it, and all that the platform sent.
fn check_task(name: &str, task: &Value, official: &Value, sent: &Value) {
    let other = task["other"].as_object().cloned().unwrap_or_default();
    for (key, value) in official.as_object().expect("a task") {
        // What the platform did not send and the official client made up as a default.
        if sent.get(key).is_none() {
            continue;
        }
        let ours = &task[camel(key)];
        let theirs = normal(key, value);
        assert!(holds(&normal(key, ours), &theirs), "{name}: {key}: {ours} for {value}");
    }
    for (key, value) in sent.as_object().expect("a task") {
        let is_known = !task[camel(key)].is_null() || value.as_array().is_some_and(Vec::is_empty) || value.is_null();
        assert!(is_known || other.get(key) == Some(value), "{name}: {key} was lost");
    }
    assert_eq!(task["status"], format!("TASK_STATUS_{}", text(&official["status"]).to_uppercase()), "{name}");
}

/// Whether `ours` says all that `theirs` says: the official client adds defaults and computed keys inside objects.
fn holds(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => theirs.iter().all(|(key, value)| {
            let ours = ours.get(&camel(key)).or_else(|| ours.get(key));
            match ours {
                Some(ours) => holds(&normal(key, ours), &normal(key, value)),
                None => key == "total_tokens" || value.as_array().is_some_and(Vec::is_empty) || value == &json!(false),
            }
        }),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| holds(ours, theirs))
        }
        _ => ours == theirs,
    }
}

/// A value in one form for both sides: times in UTC, enum words, durations and 64-bit numbers as numbers.
fn normal(key: &str, value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return value.as_f64().map_or_else(|| value.clone(), |number| json!(number));
    };
    if key.ends_with("_at")
        && let Ok(time) = text.parse::<jiff::Timestamp>()
    {
        return json!(time.to_string());
    }
    if key == "duration" {
        return json!(text.trim_end_matches('s').parse::<f64>().expect("seconds"));
    }
    if key.ends_with("_tokens") {
        return json!(text.parse::<f64>().expect("a number"));
    }
    for prefix in ["TASK_STATUS_", "OUTPUT_FORMAT_", "THINK_MODE_", "LLM_REASONING_EFFORT_"] {
        if let Some(word) = text.strip_prefix(prefix) {
            return json!(word.to_lowercase());
        }
    }
    value.clone()
}

/// `snake_case` in lowerCamelCase, as proto JSON writes names.
fn camel(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_uppercase() + tail
    })
}

#[tokio::test]
async fn a_stream_brings_every_event_that_the_platform_sent() {
    for recording in recordings(STREAMS) {
        let name = text(&recording["name"]).to_owned();
        let body = text(&recording["sse"]).to_owned();
        let platform = Platform::with_agents(move |request| match request.path.ends_with("/events") {
            true => Reply::events(&body),
            false => Reply::json(200, &task("task-abc", "executing")),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let request = StreamEventsRequest { task_id: "task-abc".into(), ..StreamEventsRequest::default() };
        let mut stream = proxy.client().stream_events(request).await.expect(&name).into_inner();
        let mut events = Vec::new();
        while let Some(message) = stream.message().await.expect(&name) {
            events.push(message.event.expect("an event"));
        }
        let sent = sent(text(&recording["sse"]));
        assert_eq!(events.len(), sent.len(), "{name}");
        for (event, sent) in events.iter().zip(&sent) {
            check_event(&name, event, sent);
        }
        let official = recording["sdk_yields"].as_array().expect("events");
        let known: Vec<_> = events.iter().map(|event| json!(event.type_name)).collect();
        assert!(official.iter().all(|event| known.contains(&event["type"])), "{name}");
    }
}

/// The events in a stream's bytes, with their ids.
fn sent(body: &str) -> Vec<(Option<String>, Map<String, Value>)> {
    let body = body.replace("\r\n", "\n");
    let line = |block: &str, field: &str| {
        block.lines().find_map(|line| line.strip_prefix(field).map(|value| value.trim().to_owned()))
    };
    body.split("\n\n")
        .filter_map(|block| Some((line(block, "id:"), serde_json::from_str(&line(block, "data:")?).ok()?)))
        .collect()
}

fn check_event(name: &str, event: &TaskEvent, (id, sent): &(Option<String>, Map<String, Value>)) {
    assert_eq!(event.event_id, *id, "{name}");
    assert_eq!(event.type_name, sent["type"], "{name}");
    assert_eq!(event.task_id.as_deref(), sent["task_id"].as_str(), "{name}");
    assert_eq!(event.organization_id.as_deref(), sent["organization_id"].as_str(), "{name}");
    let event: Value = serde_json::from_str(&to_json(event).expect("JSON")).expect("JSON");
    assert_eq!(normal("_at", &event["time"]), normal("_at", &sent["time"]), "{name}");
    let shapes =
        ["task", "chunk", "toolCallRequest", "toolCallResult", "reasoning", "plan", "auth", "subAgentTrigger", "other"];
    let data = shapes.iter().map(|shape| &event[shape]).find(|data| !data.is_null()).unwrap_or(&Value::Null);
    let extra = &event["extra"];
    assert!(extra.is_null(), "{name}: {extra}");
    assert!(holds(data, &sent["data"]), "{name}: {data} for {}", sent["data"]);
    if let Some(identity) = sent.get("identity") {
        assert!(holds(&event["identity"], identity), "{name}");
    }
}
