//! Events of the platform that are not as they should be: delivered all the same, and only what is no event is skipped.

use prost::Message;
use serde_json::{Value, json};
use xpander_grpc_proxy::{
    cli::proto_json::to_json,
    config::Settings,
    proto::{EventType, TaskEvent, task_event::Data},
};

use crate::support::{
    calls::follow,
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
};

/// What a caller gets of these bytes; the end of the task comes after them, and is left out.
pub async fn events_of(bytes: &[u8], tune: impl FnOnce(&mut Settings)) -> Vec<TaskEvent> {
    let mut stream = bytes.to_vec();
    stream.extend_from_slice(event("task_finished", &task("task-1", "completed")).as_bytes());
    let platform = Platform::start(move |request| {
        if request.path.ends_with("/events") {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n",
                stream.len()
            );
            Reply::Raw([head.as_bytes(), &stream].concat())
        } else {
            Reply::json(200, &task("task-1", "executing"))
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    tune(&mut settings);
    let proxy = Proxy::with(&settings).await;
    let mut stream = proxy.client().stream_events(follow("task-1")).await.expect("a stream").into_inner();
    let mut events = Vec::new();
    while let Some(message) = stream.message().await.expect("no break") {
        events.push(message.event.expect("an event"));
    }
    assert_eq!(events.pop().map(|last| last.type_name).as_deref(), Some("task_finished"));
    events
}

/// The one event that these fields make.
pub async fn event_of(event: &Value) -> TaskEvent {
    let mut events = events_of(format!("data: {event}\n\n").as_bytes(), |_| {}).await;
    assert_eq!(events.len(), 1, "{event}");
    events.remove(0)
}

fn other(event: &TaskEvent) -> Option<Value> {
    match &event.data {
        Some(Data::Other(other)) => Some(other.json()),
        _ => None,
    }
}

fn extra(event: &TaskEvent) -> Value {
    event.extra.as_ref().map_or(Value::Null, |extra| Value::Object(extra.fields()))
}

/// As a writer leaves it that encodes each event by itself.
#[tokio::test]
async fn a_byte_order_mark_before_each_event_costs_none() {
    let chunks = ["a", "b", "c"].map(|text| format!("\u{feff}{}", event("chunk", &json!(text))));
    let events = events_of(format!("\u{feff}{}", chunks.concat()).as_bytes(), |_| {}).await;
    let texts: Vec<_> = events.into_iter().map(|event| event.data).collect();
    assert!(
        matches!(&texts[..], [Some(Data::Chunk(a)), Some(Data::Chunk(b)), Some(Data::Chunk(c))] if [a, b, c] == ["a", "b", "c"])
    );
}

#[tokio::test]
async fn data_that_does_not_fit_its_type_is_delivered_as_other() {
    let rows = [
        ("chunk", json!(7)),
        ("chunk", json!({ "text": "hi" })),
        ("chunk", json!(["h", "i"])),
        ("task_updated", json!("executing")),
        ("task_created", json!([{ "id": "task-1" }])),
        ("sub_task_finished", json!(true)),
        ("tool_call_request", json!("search")),
        ("tool_call_request", json!({ "tool_name": 7 })),
        ("tool_call_request", json!({ "tool_name": "search", "reasoning": "because" })),
        ("tool_call_result", json!({ "tool_name": "search", "is_error": "no" })),
        ("tool_call_result", json!([])),
        ("think", json!("a bare string")),
        ("analyze", json!({ "thought": "hm", "confidence": "high" })),
        ("plan_updated", json!([{ "id": "1" }])),
        ("plan_updated", json!({ "tasks": "none" })),
        ("auth_event", json!({ "type": 7, "data": {} })),
        ("sub_agent_trigger", json!({ "agent_id": "a", "files": "x" })),
        ("context_status", json!({ "used": 0.5 })),
        ("ask_user_questions", json!([null, 1, "x"])),
        ("brand_new", json!({ "k": { "k": [1] } })),
        ("brand_new", json!("")),
    ];
    for (kind, data) in rows {
        let event = event_of(&json!({ "type": kind, "task_id": "task-1", "data": data })).await;
        assert_eq!((event.type_name.as_str(), other(&event)), (kind, Some(data)));
        assert_eq!(event.r#type() == EventType::Unspecified, kind == "brand_new", "{kind}");
    }
}

#[tokio::test]
async fn a_tasks_own_misfits_stand_in_its_own_other() {
    let data = json!({ "id": "task-1", "status": "hibernating", "result": 7, "mood": "fine" });
    let event = event_of(&json!({ "type": "task_updated", "task_id": "task-1", "data": data })).await;
    let Some(Data::Task(task)) = event.data else { panic!("a task") };
    let other = task.other.expect("other").fields();
    assert_eq!(Value::Object(other), json!({ "status": "hibernating", "result": 7, "mood": "fine" }));
}

#[tokio::test]
async fn more_than_the_shape_has_fields_for_stands_in_extra() {
    let rows = [
        ("tool_call_request", json!({ "tool_name": "search", "cost": 1 })),
        ("tool_call_result", json!({ "tool_name": "search", "reasoning": { "title": "t", "cost": 1 } })),
        ("think", json!({ "thought": "hm", "mood": "fine" })),
        ("plan_updated", json!({ "enabled": true, "tasks": [{ "id": "1", "owner": "ada" }] })),
        ("sub_agent_trigger", json!({ "agent_id": "a", "depth": 2 })),
        ("auth_event", json!({ "type": "login_required", "provider": "github" })),
    ];
    for (kind, data) in rows {
        let event = event_of(&json!({ "type": kind, "task_id": "task-1", "data": data })).await;
        assert!(event.data.is_some() && other(&event).is_none(), "{kind} keeps its shape");
        assert_eq!(extra(&event), json!({ "data": data }), "{kind}");
    }
}

#[tokio::test]
async fn what_does_not_fit_the_envelope_stands_in_extra() {
    let rows = [
        json!({ "mood": "fine", "nothing": null }),
        json!({ "time": "yesterday" }),
        json!({ "time": 1_775_847_695 }),
        json!({ "task_id": 7 }),
        json!({ "organization_id": ["org-1"] }),
        json!({ "identity": "ada" }),
        json!({ "identity": { "name": "Ada", "color": "red" } }),
    ];
    for row in rows {
        let mut sent = row.clone();
        sent["type"] = json!("chunk");
        sent["data"] = json!("hi");
        let event = event_of(&sent).await;
        assert!(matches!(&event.data, Some(Data::Chunk(chunk)) if chunk == "hi"), "{row}");
        assert_eq!(extra(&event), row);
    }
}

#[tokio::test]
async fn an_event_that_lacks_keys_is_delivered_with_what_it_has() {
    for sent in [
        json!({ "type": "chunk" }),
        json!({ "type": "chunk", "data": null, "time": null, "identity": null }),
        json!({ "type": "" }),
    ] {
        let event = event_of(&sent).await;
        assert!(event.data.is_none() && event.time.is_none() && event.task_id.is_none(), "{sent}");
        assert_eq!(event.type_name, sent["type"]);
    }
}

#[tokio::test]
async fn the_proxys_own_types_are_not_the_platforms_to_send() {
    for name in ["heartbeat", "stream_gap"] {
        let event = event_of(&json!({ "type": name, "data": { "attempts": 1 } })).await;
        assert!(event.r#type() == EventType::Unspecified, "{name}");
        assert_eq!((event.type_name.as_str(), other(&event)), (name, Some(json!({ "attempts": 1 }))));
    }
}

#[tokio::test]
async fn what_is_no_event_is_skipped_behind_a_gap_and_the_stream_goes_on() {
    let good = event("chunk", &json!("good"));
    let bad = [
        "noise",
        "",
        "[]",
        "7",
        "null",
        "\"chunk\"",
        "{}",
        "{\"type\": 7}",
        "{\"type\": null}",
        "{\"type\": \"chunk\"",
        "<html>",
    ];
    let mut stream = good.clone();
    for data in bad {
        stream.extend([": a comment\n\nevent: chunk\ndata: ", data, "\n\n", &good]);
    }
    let events = events_of(stream.as_bytes(), |_| {}).await;
    let chunks = events.iter().filter(|event| matches!(&event.data, Some(Data::Chunk(chunk)) if chunk == "good"));
    assert_eq!((chunks.count(), events.len()), (bad.len() + 1, 2 * bad.len() + 1));
    assert!(events.iter().skip(1).step_by(2).all(|event| event.r#type() == EventType::StreamGap));
}

#[tokio::test]
async fn an_event_beyond_the_limit_is_skipped_behind_a_gap_and_the_stream_goes_on() {
    let stream =
        event("chunk", &json!("one")) + &event("chunk", &json!("x".repeat(100_000))) + &event("chunk", &json!("two"));
    let events = events_of(stream.as_bytes(), |settings| settings.events.max_event_bytes = 10_000).await;
    let chunks: Vec<_> = events.iter().map(|event| to_json(event).expect("JSON")).collect();
    let [one, gap, two] = &chunks[..] else { panic!("{} events", chunks.len()) };
    assert!(one.contains("one") && gap.contains("STREAM_GAP") && two.contains("two"), "{gap}");
}

#[tokio::test]
async fn half_a_character_costs_itself_and_not_the_event() {
    let escaped = r#"data: {"type": "chunk", "data": "caf\u00e9 \ud83d"}"#;
    let raw = [&br#"data: {"type": "chunk", "data": "caf"#[..], &[0xc3], &br#""}"#[..]].concat();
    let stream = [escaped.as_bytes(), b"\n\n", &raw, b"\n\n"].concat();
    let events = events_of(&stream, |_| {}).await;
    assert_eq!(events.len(), 2);
    for event in events {
        let kept = String::from_utf8_lossy(&event.encode_to_vec()).into_owned();
        assert!(kept.contains("caf") && event.r#type() == EventType::Chunk, "{kept}");
    }
}

#[tokio::test]
async fn data_nested_without_end_is_delivered_as_its_json_text() {
    for levels in [200, 100_000] {
        let deep = format!("{}1{}", r#"{"k":"#.repeat(levels), "}".repeat(levels));
        for kind in ["chunk", "tool_call_request", "think", "plan_updated", "brand_new"] {
            let stream = format!("data: {{\"type\": \"{kind}\", \"data\": {deep}}}\n\n");
            let events = events_of(stream.as_bytes(), |_| {}).await;
            let bytes = events[0].encode_to_vec();
            assert!(String::from_utf8_lossy(&bytes).contains(r#"{"k":{"k":{"k":1}}}"#), "{kind}, {levels} levels");
        }
        let stream = format!(
            "data: {{\"type\": \"tool_call_result\", \"data\": {{\"tool_name\": \"t\", \"result\": {deep}}}}}\n\n"
        );
        let events = events_of(stream.as_bytes(), |_| {}).await;
        assert!(String::from_utf8_lossy(&events[0].encode_to_vec()).contains(r#"{"k":1}"#), "a tool's result");
    }
}

#[tokio::test]
async fn an_integer_beyond_a_double_becomes_its_decimal_string_in_events_too() {
    let data = json!({ "tool_name": "t", "payload": { "id": 9_007_199_254_740_993_u64 }, "result": [u64::MAX, 1] });
    let event = event_of(&json!({ "type": "tool_call_result", "data": data })).await;
    let Some(Data::ToolCallResult(result)) = event.data else { panic!("a result") };
    assert_eq!(result.payload.expect("a payload").json(), json!({ "id": "9007199254740993" }));
    assert_eq!(result.result.expect("a result").json(), json!(["18446744073709551615", 1]));
}

/// Auth events with a token, where it belongs and where nobody expects it.
fn with_tokens() -> Vec<(&'static str, Value)> {
    let tokens = json!({ "access_token": "t0ken", "connector": "github" });
    let nested = json!({ "connector": "github", "a": [{ "b": [tokens] }] });
    let deep = (0..200).fold(tokens.clone(), |inner, _| json!({ "k": inner }));
    let auth = |data: Value| json!({ "type": "auth_event", "task_id": "task-1", "data": data });
    let ready = |data: &Value| auth(json!({ "type": "token_ready", "data": data }));
    let mut beside = ready(&json!({ "connector": "github" }));
    beside["access_token"] = json!("t0ken");
    vec![
        ("where it belongs", ready(&tokens)),
        ("nested", ready(&nested)),
        ("nested too deep to be read", ready(&deep)),
        ("in a list", ready(&json!([tokens]))),
        (
            "beside the data",
            auth(json!({ "type": "token_ready", "access_token": "t0ken", "data": { "connector": "github" } })),
        ),
        ("beside the event's data", beside),
        ("without a type", auth(tokens.clone())),
        ("with a type that does not fit", auth(json!({ "type": 7, "data": tokens }))),
        ("an object", ready(&json!({ "access_token": { "value": "t0ken" }, "connector": "github" }))),
        ("in a list, and beside it", json!({ "type": "auth_event", "data": [tokens], "other_data": tokens })),
    ]
}

#[tokio::test]
async fn an_access_token_in_an_auth_event_stays_with_the_proxy() {
    let mut leaks = Vec::new();
    for (name, sent) in with_tokens() {
        let event = event_of(&sent).await;
        assert!(event.r#type() == EventType::AuthEvent && event.data.is_some(), "{name}");
        let bytes = event.encode_to_vec();
        let bytes = String::from_utf8_lossy(&bytes);
        if bytes.contains("t0ken") {
            leaks.push(name);
        }
        // The rest of it arrives, but for what cannot be read.
        assert!(name.contains("too deep") || bytes.contains("github"), "{name}: {bytes}");
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn an_access_token_is_forwarded_where_the_setting_says_so() {
    for (name, sent) in with_tokens() {
        let stream = format!("data: {sent}\n\n");
        let events = events_of(stream.as_bytes(), |settings| settings.events.forward_access_tokens = true).await;
        assert!(String::from_utf8_lossy(&events[0].encode_to_vec()).contains("t0ken"), "{name}");
    }
}

#[tokio::test]
async fn a_field_of_that_name_in_another_event_is_not_touched() {
    let data = json!({ "tool_name": "t", "payload": { "access_token": "the tool's own parameter" } });
    let event = event_of(&json!({ "type": "tool_call_request", "data": data })).await;
    assert!(String::from_utf8_lossy(&event.encode_to_vec()).contains("the tool's own parameter"));
}
