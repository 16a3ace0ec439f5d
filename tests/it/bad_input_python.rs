//! What Python writes beyond JSON, and its library reads: numbers that are none, byte order marks, halves of surrogates.
//! Read the same way wherever the platform speaks, and in a prompt.

use serde_json::{Value, json};
use tonic::{Code, Status};
use xpander_grpc_proxy::proto::{
    GetTaskActivityRequest, GetTaskRequest, InvokeRequest, InvokeStreamRequest, ListAgentsRequest, ListTasksRequest,
    Task, TaskEvent, task_event::Data,
};

use crate::support::{
    calls::{follow, invoke},
    platform::{Platform, Reply, event, task},
    proxy::Proxy,
    status::failure,
};

/// A task as Python may write it: the text, then what is expected in `other`.
fn written() -> Vec<(String, Value)> {
    let task = |attributes: &str| format!(r#"{{"id": "task-1", "status": "executing", {attributes}}}"#);
    let half = "\u{fffd}";
    vec![
        (task(r#""score": NaN"#), json!({ "score": "NaN" })),
        (
            task(r#""score": Infinity, "scores": [-Infinity, {"a": NaN}]"#),
            json!({ "score": "Infinity", "scores": ["-Infinity", { "a": "NaN" }] }),
        ),
        (task(r#""NaN": "NaN""#), json!({ "NaN": "NaN" })),
        (task(r#""mood": "\ud83d", "\udd0e": 1"#), json!({ "mood": half, half: 1 })),
        (task(r#""mood": 1, "mood": NaN"#), json!({ "mood": "NaN" })),
        (task(r#""mood": 1E400"#), json!({ "mood": "1E400" })),
        (task(r#""mood": 123456789012345678901234567890"#), json!({ "mood": "123456789012345678901234567890" })),
        (format!("\u{feff}{}", task(r#""mood": 1"#)), json!({ "mood": 1 })),
        (format!(" \r\n\t{} \n", task(r#""mood": 1"#)), json!({ "mood": 1 })),
    ]
}

async fn proxy_before(body: Vec<u8>) -> (Platform, Proxy) {
    let platform = Platform::with_agents(move |_| Reply::Http(200, Vec::new(), body.clone())).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    (platform, proxy)
}

async fn get(proxy: &Proxy) -> Result<Task, Status> {
    let answer = proxy.client().get_task(GetTaskRequest { task_id: "task-1".into() }).await?;
    Ok(*answer.into_inner().task.expect("a task"))
}

fn other(task: &Task) -> Value {
    Value::Object(task.other.as_ref().map(|other| other.fields()).unwrap_or_default())
}

#[tokio::test]
async fn an_answer_that_python_wrote_is_read_by_every_call() {
    for (text, expected) in written() {
        let (_platform, proxy) = proxy_before(text.clone().into_bytes()).await;
        let mut client = proxy.client();
        let read = get(&proxy).await.unwrap_or_else(|status| panic!("{text}: {status:?}"));
        let made = client.invoke(invoke("agent-1")).await.expect("a task").into_inner().task.expect("a task");
        let stream = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
        assert!(client.invoke_stream(stream).await.is_ok(), "{text}");
        for task in [read, *made] {
            assert_eq!((task.id.as_str(), other(&task)), ("task-1", expected.clone()), "{text}");
        }
    }
}

type Written = fn(&str) -> Vec<u8>;

/// What Python's library reads JSON from, by the first bytes.
const UNICODE: [(&str, Written); 4] = [
    ("UTF-16LE", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ("UTF-16BE", |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ("UTF-32LE", |text| text.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect()),
    ("UTF-32BE", |text| text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect()),
];

/// Each with a byte order mark and without; in pieces that are no characters.
#[tokio::test]
async fn answers_in_utf16_and_utf32_are_read_by_every_call() {
    for ((name, written), mark) in UNICODE.into_iter().flat_map(|row| [(row, ""), (row, "\u{feff}")]) {
        let platform = Platform::start(move |request| {
            let path = request.path.as_str();
            let answer = match path {
                "/agents/list" => json!([{ "id": "agent-1", "name": "Zoë 🔎" }]),
                "/agents/agent-1" => json!({ "id": "agent-7", "name": "Zoë" }),
                "/agents/agent-2" => json!({ "detail": "Zoë 🔎 is away" }),
                _ if path.starts_with("/activity/") => json!({ "id": "task-1", "messages": [{ "id": "Zoë 🔎" }] }),
                _ if path.contains("/history/") => {
                    json!([{ "id": "task-1", "agent_id": "agent-1", "organization_id": "org-1", "title": "Zoë 🔎" }])
                }
                _ => json!({ "id": "task-1", "agent_id": "agent-1", "title": "Zoë 🔎", "mood": ["ü"] }),
            };
            let status = if path == "/agents/agent-2" { 404 } else { 200 };
            let body = written(&format!("{mark}{answer}"));
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
            let chunks =
                body.chunks(3).flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
            Reply::Raw(head.into_iter().chain(chunks).chain(*b"0\r\n\r\n").collect())
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let mut client = proxy.client();
        let what = format!("{name}{mark:?}");
        let read = get(&proxy).await.unwrap_or_else(|status| panic!("{what}: {status:?}"));
        let made = client.invoke(invoke("agent-1")).await.expect("a task").into_inner().task.expect("a task");
        for task in [read, *made] {
            assert_eq!((task.title.as_deref(), other(&task)), (Some("Zoë 🔎"), json!({ "mood": ["ü"] })), "{what}");
        }
        assert!(platform.paths().contains(&"POST /agent-execution/agent-7".to_owned()), "{what}");
        assert_eq!(failure(client.invoke(invoke("agent-2")).await).message, "Zoë 🔎 is away", "{what}");
        let agents = client.list_agents(ListAgentsRequest::default()).await.expect("agents").into_inner().agents;
        assert_eq!(agents[0].name.as_deref(), Some("Zoë 🔎"), "{what}");
        let request = ListTasksRequest { agent_id: "agent-1".into(), ..ListTasksRequest::default() };
        let tasks = client.list_tasks(request).await.expect("tasks").into_inner().tasks;
        assert_eq!(tasks[0].title.as_deref(), Some("Zoë 🔎"), "{what}");
        let request = GetTaskActivityRequest { task_id: "task-1".into() };
        let mut log = client.get_task_activity(request).await.expect("a log").into_inner();
        let mut told = Vec::new();
        while let Some(message) = log.message().await.expect("OK") {
            told.push(format!("{message:?}"));
        }
        assert_eq!(told.len(), 2, "{what}: {told:?}");
    }
}

#[tokio::test]
async fn a_number_that_is_none_is_null_where_a_type_is_expected() {
    let body = r#"{"id": "task-1", "result": NaN, "duration": Infinity, "status": NaN, "created_at": -Infinity,
        "tokens": {"prompt_tokens": NaN, "completion_tokens": 3}, "is_app": NaN, "input": {"text": NaN, "user": NaN}}"#;
    let (_platform, proxy) = proxy_before(body.into()).await;
    let task = get(&proxy).await.expect("a task");
    assert_eq!(other(&task), json!({}));
    assert!(task.result.is_none() && task.duration.is_none() && task.created_at.is_none() && task.is_app.is_none());
    let tokens = task.tokens.expect("tokens");
    assert_eq!((tokens.prompt_tokens, tokens.completion_tokens), (None, Some(3)));
}

#[tokio::test]
async fn bytes_that_are_no_utf8_cost_the_characters_they_stand_in() {
    let body = [&br#"{"id": "task-1", "title": "caf"#[..], &[0xc3], br#"", "mood": ""#, &[0xed, 0xa0, 0x80], br#""}"#];
    let (_platform, proxy) = proxy_before(body.concat()).await;
    let task = get(&proxy).await.expect("a task");
    assert_eq!(task.title.as_deref(), Some("caf\u{fffd}"));
    assert!(other(&task)["mood"].as_str().is_some_and(|mood| mood.starts_with('\u{fffd}')), "{}", other(&task));
}

#[tokio::test]
async fn what_python_refuses_is_refused() {
    let rows = ["nan", "-NaN", "+1", "'a'", "01", "[1,]", "{\"a\":1,}", "\"\t\"", "\"\\x\"", "None", "True", "1 2"];
    for value in rows {
        let (_platform, proxy) = proxy_before(format!(r#"{{"id": "task-1", "mood": {value}}}"#).into_bytes()).await;
        let failure = failure(get(&proxy).await);
        assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"), "{value}");
    }
}

#[tokio::test]
async fn an_agent_that_python_wrote_is_found() {
    let platform = Platform::start(|request| match request.path.starts_with("/agents/") {
        true => {
            Reply::Http(200, Vec::new(), "\u{feff}{\"id\": \"agent-7\", \"score\": NaN, \"x\": \"\\ud83d\"}".into())
        }
        false => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    proxy.client().invoke(invoke("agent-1")).await.expect("a task");
    assert_eq!(platform.paths()[1], "POST /agent-execution/agent-7");
}

#[tokio::test]
async fn a_refusal_that_python_wrote_says_why() {
    let detail =
        r#"{"loc": ["body", "input", "text"], "msg": "too long", "ctx": {"limit": Infinity}, "input": "\ud83d"}"#;
    let rows = [
        (400, "\u{feff}{\"detail\": \"no\", \"score\": NaN}".to_owned(), "no", None),
        (422, format!(r#"{{"score": NaN, "detail": [{detail}]}}"#), "input.text: too long", Some("prompt")),
    ];
    for (status, body, message, field) in rows {
        let answer = body.clone().into_bytes();
        let platform = Platform::start(move |_| Reply::Http(status, Vec::new(), answer.clone())).await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let failure = failure(proxy.client().invoke(invoke("agent-1")).await);
        assert_eq!((failure.code, &*failure.message), (Code::InvalidArgument, message), "{body}");
        assert_eq!(failure.fields.first().map(String::as_str), field, "{body}");
    }
}

/// The first event of a stream with this data.
async fn first_event(data: &str) -> TaskEvent {
    let stream = format!("data: {data}\n\n{}", event("task_finished", &task("task-1", "completed")));
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::events(&stream),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut events = proxy.client().stream_events(follow("task-1")).await.expect("a stream").into_inner();
    events.message().await.expect("an event").expect("an event").event.expect("an event")
}

#[tokio::test]
async fn an_event_that_python_wrote_arrives() {
    let event =
        first_event(r#"{"type": "tool_call_result", "data": {"tool_name": "t", "result": {"mean": NaN}}}"#).await;
    let Some(Data::ToolCallResult(result)) = event.data else { panic!("a result") };
    assert_eq!(result.result.expect("a result").json(), json!({ "mean": "NaN" }));
    let event = first_event(r#"{"type": "think", "time": NaN, "data": {"thought": "hm", "confidence": NaN}}"#).await;
    let Some(Data::Reasoning(reasoning)) = event.data else { panic!("a thought") };
    assert_eq!((reasoning.thought.as_deref(), reasoning.confidence, event.extra), (Some("hm"), None, None));
    let event = first_event("\u{feff}{\"type\": \"chunk\", \"data\": \"hi\", \"score\": [Infinity]}").await;
    assert!(matches!(&event.data, Some(Data::Chunk(chunk)) if chunk == "hi"));
    assert_eq!(event.extra.expect("the score").fields()["score"], json!(["Infinity"]));
    let event = first_event(r#"{"type": "brand_new", "data": NaN}"#).await;
    assert!(matches!(&event.data, Some(Data::Other(other)) if other.json() == "NaN"));
    let event = first_event(r#"{"type": "task_updated", "data": {"id": "task-1", "score": NaN}}"#).await;
    assert!(matches!(&event.data, Some(Data::Task(task)) if other(task) == json!({ "score": "NaN" })));
}

#[tokio::test]
async fn a_prompt_that_names_a_task_in_pythons_json_reads_it_and_creates_nothing() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("t-9", "completed"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let prompts = [
        r#"{"xpander_task_id": "t-9", "score": NaN}"#,
        r#"{"score": [-Infinity, {"k": Infinity}], "xpander_task_id": "t-9"}"#,
        "\u{feff}{\"xpander_task_id\": \"t-9\"}",
        r#" {"x": "\ud83d", "xpander\u005ftask_id": "t-9"} "#,
        r#"{"xpander_task_id": "another", "xpander_task_id": "t-9"}"#,
    ];
    for prompt in prompts {
        let request = InvokeRequest { prompt: prompt.to_owned(), ..invoke("agent-1") };
        let task = proxy.client().invoke(request).await.expect("the task").into_inner().task.expect("a task");
        assert_eq!(task.id, "t-9", "{prompt}");
    }
    assert_eq!(platform.paths(), vec!["GET /agent-execution/t-9/status"; prompts.len()]);
}

#[tokio::test]
async fn a_prompt_that_names_a_task_needs_no_agent() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("t-9", "completed"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let named = InvokeRequest { prompt: r#"{"xpander_task_id": "t-9"}"#.into(), ..invoke("") };
    let task = proxy.client().invoke(named.clone()).await.expect("the task").into_inner().task.expect("a task");
    assert_eq!((task.id.as_str(), platform.paths()), ("t-9", vec!["GET /agent-execution/t-9/status".to_owned()]));
    // An agent that is named all the same must be one.
    let wrong = InvokeRequest { agent_id: "a/b".into(), ..named };
    assert_eq!(failure(proxy.client().invoke(wrong).await).fields, ["agent_id"]);
    let any_other = InvokeRequest { prompt: r#"{"task": "t-9"}"#.into(), ..invoke("") };
    assert_eq!(failure(proxy.client().invoke(any_other).await).fields, ["agent_id"]);
}
