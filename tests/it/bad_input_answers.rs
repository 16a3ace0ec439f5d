//! Answers of the platform that are not as they should be: refused where they cannot be read, else kept whole.

use futures_util::future::join_all;
use prost::Message;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use xpander_grpc_proxy::{
    cli::proto_json::to_json,
    proto::{GetTaskRequest, Task, TaskStatus},
};

use crate::support::{
    calls::{At, EVERYWHERE, failing},
    platform::{Platform, Reply},
    proxy::Proxy,
};

/// What `GetTask` makes of this answer.
async fn read(answer: impl Into<Vec<u8>>) -> Result<Task, Status> {
    let answer = answer.into();
    let platform = Platform::start(move |_| Reply::Http(200, Vec::new(), answer.clone())).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let answer = proxy.client().get_task(GetTaskRequest { task_id: "task-1".into() }).await?;
    Ok(*answer.into_inner().task.expect("a task"))
}

/// A task with these attributes more, as JSON text.
async fn task_with(attributes: &str) -> Task {
    let answer = format!(r#"{{"id": "task-1", "status": "executing", {attributes}}}"#);
    read(answer).await.unwrap_or_else(|status| panic!("{attributes:.200}: {status:?}"))
}

fn other(task: &Task) -> Map<String, Value> {
    task.other.as_ref().map(|other| other.fields()).unwrap_or_default()
}

const WORD: &str = "for no one else's eyes";

fn unreadable() -> Vec<Vec<u8>> {
    let texts =
        ["", " ", WORD, "[]", "7", "true", "null", "{", "{}", "<html>ok</html>", r#"{"id": null}"#, r#"{"id": ""}"#];
    let words = [
        json!(WORD).to_string(),
        json!([{ "id": WORD }]).to_string(),
        json!({ "detail": WORD }).to_string(),
        json!({ "id": [WORD] }).to_string(),
        json!({ "id": 7, "title": WORD }).to_string(),
        json!({ "id": { "id": WORD } }).to_string(),
        format!(r#"{{"id": "task-1", "title": "{WORD}"#),
        format!(r#"{{"id": "task-1"}} {WORD}"#),
        format!("{{'id': '{WORD}'}}"),
    ];
    let no_utf8 = [&br#"{"id": ""#[..], &[0xc3, 0x28], &br#""}"#[..]].concat();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let wide = [utf16(WORD), [&utf16(r#"{"id": "task-1"}"#)[..], b"x"].concat(), utf16(r#"{"id": "task-1""#)];
    texts.map(str::to_owned).into_iter().chain(words).map(String::into_bytes).chain([no_utf8]).chain(wide).collect()
}

#[tokio::test]
async fn an_answer_that_is_no_task_is_internal_and_not_repeated_to_the_caller() {
    let answers = unreadable();
    let count = answers.len();
    let is_list: Vec<_> = answers.iter().map(|answer| answer.starts_with(b"[")).collect();
    let nth = move |case: &str| Reply::Http(200, Vec::new(), answers[case.parse::<usize>().expect("a row")].clone());
    let platform = Platform::start(failing(nth)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = proxy.client();
    let cells = (0..count).flat_map(|row| EVERYWHERE.map(|at| (row, at)));
    // What is wrong with lists, `lists::bad_input` says.
    let cells = cells.filter(|(row, at)| !at.lists() || !is_list[*row]);
    join_all(cells.map(async |(row, at)| {
        let failure = at.fail(&client, &row.to_string(), None).await;
        let reason = if at.creates() { "CREATE_OUTCOME_UNKNOWN" } else { "PLATFORM_ANSWER_UNREADABLE" };
        assert_eq!((failure.code, &*failure.reason), (Code::Internal, reason), "{at:?} {row}: {failure:?}");
        assert_eq!(failure.facts["http_status"], "200", "{at:?} {row}");
        assert!(!failure.message.contains(WORD), "{at:?} {row}: {}", failure.message);
    }))
    .await;
}

#[tokio::test]
async fn an_answer_about_another_task_is_none_to_a_read_or_a_stop() {
    let platform = Platform::start(failing(|_| Reply::json(200, &json!({ "id": "task-of-another" })))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for at in [At::Get, At::Stop, At::Wait, At::Follow, At::ActivityTask] {
        let failure = at.fail(&proxy.client(), "7", None).await;
        assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"), "{at:?}");
        assert_eq!(failure.facts["task_id"], "task-7", "{at:?}");
        assert!(!failure.message.contains("task-of-another"), "{at:?}: {}", failure.message);
    }
}

/// Every attribute of a task but its id.
const ATTRIBUTES: &str = "agent_id organization_id input created_at status internal_status last_executed_node_id \
    agent_version started_at paused_at finished_at result parent_execution conversation_id conversation_kind \
    sub_executions should_update_parent is_manually_stopped payload_extension execution_kind hitl_request \
    pending_eca_request source voice_id output_format output_schema events_streaming is_orchestration is_gateway \
    is_app background_auth_eligible additional_context tool_call_limit instructions_override test_run_node_id \
    user_oidc_token expected_output mcp_servers triggering_agent_id title think_mode disable_attachment_injection \
    user_tokens deep_planning must_deep_plan execution_attempts return_metrics llm_model_provider llm_model_name \
    llm_reasoning_effort harness_cli permission_mode tokens used_tools duration";

#[tokio::test]
async fn nulls_everywhere_are_the_same_as_nothing() {
    let nulls: Map<_, _> = ATTRIBUTES.split(' ').map(|key| (key.to_owned(), json!(null))).collect();
    let mut answer = json!(nulls);
    answer["id"] = json!("task-1");
    let task = read(answer.to_string()).await.expect("a task");
    let bare = read(r#"{"id": "task-1"}"#).await.expect("a task");
    assert_eq!(to_json(&task).expect("JSON"), to_json(&bare).expect("JSON"));
    assert!(task.status() == TaskStatus::Pending && task.other.is_none(), "absent means pending");
}

#[tokio::test]
async fn nulls_inside_what_is_known_are_tolerated_too() {
    let answer = json!({
        "id": "task-1",
        "input": { "text": null, "files": null, "user": { "email": null, "timezone": null }, "principal": null },
        "deep_planning": { "enabled": null, "tasks": [{ "id": null, "title": null, "completed": null }] },
        "tokens": { "completion_tokens": null },
        "hitl_request": { "wait_node_id": null },
        "mcp_servers": [{ "type": null, "headers": null, "allowed_tools": null }],
    });
    let task = read(answer.to_string()).await.expect("a task");
    assert!(task.input.is_some() && task.tokens.is_some() && task.hitl_request.is_some(), "{:?}", other(&task));
    assert_eq!((task.mcp_servers.len(), other(&task)), (1, Map::new()));
}

#[tokio::test]
async fn attributes_and_words_of_tomorrow_stand_verbatim_in_other() {
    let sent = json!({
        "status": "hibernating", "output_format": "hologram", "think_mode": "hardest", "llm_reasoning_effort": "",
        "mood": "fine", "score": 1.5, "count": 7, "tags": ["a", null, { "b": [] }], "flag": false, "nothing": null,
        "detail": { "k": { "k": "v" } }, "ünïcode \" key": "👋",
        "input": { "text": "hi", "principal": { "kind": "robot", "id": "r2" } },
        "tokens": { "completion_tokens": 1, "thinking_tokens": 2 },
        "deep_planning": { "enabled": true, "tasks": [{ "id": "1", "owner": "ada" }] },
    });
    let mut answer = sent.clone();
    answer["id"] = json!("task-1");
    let task = read(answer.to_string()).await.expect("a task");
    assert!(task.status() == TaskStatus::Unspecified);
    assert_eq!(Value::Object(other(&task)), sent);
    // What could be read stands in its place as well.
    assert_eq!(task.tokens.and_then(|tokens| tokens.completion_tokens), Some(1));
    assert_eq!(task.input.and_then(|input| input.text).as_deref(), Some("hi"));
}

/// Attributes whose value does not fit their type.
const MISFITS: [(&str, &str); 33] = [
    ("agent_id", "7"),
    ("organization_id", "[]"),
    ("result", "7"),
    ("result", r#"{"answer":42}"#),
    ("result", "true"),
    ("title", "{}"),
    ("title", r#"["a"]"#),
    ("tokens", r#""many""#),
    ("tokens", r#"{"completion_tokens":"12"}"#),
    ("tokens", r#"{"completion_tokens":1.5}"#),
    ("status", "7"),
    ("created_at", "1775847695"),
    ("created_at", r#""yesterday""#),
    ("created_at", r#""""#),
    ("finished_at", r#""2026-02-30T00:00:00Z""#),
    ("finished_at", r#""0000-01-01T00:00:00Z""#),
    ("started_at", r#""10000-01-01T00:00:00Z""#),
    ("started_at", r#""2026-04-10T19:01:35+99:00""#),
    ("sub_executions", r#""x""#),
    ("sub_executions", r#"[{"id":"task-2"}]"#),
    ("used_tools", "[null]"),
    ("tool_call_limit", r#""5""#),
    ("tool_call_limit", "2.5"),
    ("tool_call_limit", "3000000000"),
    ("execution_attempts", "-3000000000"),
    ("events_streaming", r#""yes""#),
    ("is_app", "1"),
    ("input", r#""hi""#),
    ("payload_extension", "[1]"),
    ("mcp_servers", "{}"),
    ("deep_planning", "true"),
    ("duration", r#""3s""#),
    ("duration", "1000000000000"),
];

#[tokio::test]
async fn a_value_that_does_not_fit_its_attribute_stands_verbatim_in_other() {
    let nth = |case: &str| {
        let (key, value) = MISFITS[case.parse::<usize>().expect("a row")];
        Reply::Http(200, Vec::new(), format!(r#"{{"id": "task-{case}", "{key}": {value}}}"#).into_bytes())
    };
    let platform = Platform::start(failing(nth)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for (row, (key, value)) in MISFITS.into_iter().enumerate() {
        let request = GetTaskRequest { task_id: format!("task-{row}") };
        let task = proxy.client().get_task(request).await.expect("tolerated").into_inner().task.expect("a task");
        let value: Value = serde_json::from_str(value).expect("JSON");
        assert_eq!(Value::Object(other(&task)), json!({ key: value }), "{key}");
        if key == "status" {
            assert!(task.status() == TaskStatus::Unspecified);
        }
    }
}

#[tokio::test]
async fn times_are_utc_whatever_their_zone() {
    let rows = [
        ("2026-04-10T19:01:35.114410Z", (1_775_847_695, 114_410_000)),
        ("2026-04-10T19:01:35.114410", (1_775_847_695, 114_410_000)),
        ("2026-04-10 19:01:35", (1_775_847_695, 0)),
        ("2026-04-10T21:01:35+02:00", (1_775_847_695, 0)),
        ("2026-04-10T14:31:35.5-04:30", (1_775_847_695, 500_000_000)),
        ("2026-04-10T19:01:35.123456789+00:00", (1_775_847_695, 123_456_789)),
        ("2026-04-10T19:01:35+0000", (1_775_847_695, 0)),
        ("2026-04-10T21:01:35+02", (1_775_847_695, 0)),
        ("2026-04-10t19:01:35z", (1_775_847_695, 0)),
        ("20260410T190135Z", (1_775_847_695, 0)),
        ("2026-04-10T19:01:35,5", (1_775_847_695, 500_000_000)),
        ("2026-04-10T19:01", (1_775_847_660, 0)),
        ("2026-04-10", (1_775_779_200, 0)),
        ("1969-12-31T23:59:59.5Z", (-1, 500_000_000)),
        ("0001-01-01T00:00:00Z", (-62_135_596_800, 0)),
    ];
    for (text, expected) in rows {
        let task = task_with(&format!(r#""created_at": "{text}""#)).await;
        let time = task.created_at.map(|time| (time.seconds, time.nanos));
        assert_eq!((time, other(&task)), (Some(expected), Map::new()), "{text}");
    }
}

#[tokio::test]
async fn an_integer_beyond_a_double_becomes_its_decimal_string() {
    let rows = [
        ("9007199254740992", json!(9_007_199_254_740_992_u64)),
        ("9007199254740993", json!("9007199254740993")),
        ("-9007199254740993", json!("-9007199254740993")),
        ("18446744073709551615", json!("18446744073709551615")),
        ("100000000000000000000000000000001", json!("100000000000000000000000000000001")),
        ("0.1", json!(0.1)),
        ("-7", json!(-7)),
    ];
    for (number, expected) in rows {
        let task = task_with(&format!(r#""mood": [{number}], "payload_extension": {{"k": {number}}}"#)).await;
        assert_eq!(other(&task)["mood"], json!([expected]), "{number}");
        let extension = task.payload_extension.expect("an object");
        assert_eq!(extension.fields()["k"], expected, "{number}");
    }
    let task = task_with(r#""tokens": {"prompt_tokens": 9007199254740993}"#).await;
    assert_eq!(task.tokens.and_then(|tokens| tokens.prompt_tokens), Some(9_007_199_254_740_993));
    let task = task_with(r#""tokens": {"prompt_tokens": 18446744073709551615}"#).await;
    assert_eq!(other(&task)["tokens"], json!({ "prompt_tokens": "18446744073709551615" }));
    let task = task_with(r#""mood": 1e400"#).await;
    assert!(other(&task)["mood"].is_string(), "no double says that: {}", other(&task)["mood"]);
}

/// As other languages and databases write a whole number that has been a fraction on the way.
#[tokio::test]
async fn a_whole_number_is_one_however_it_is_written() {
    for (number, expected) in
        [("12.0", 12), ("1.2e1", 12), ("120E-1", 12), ("-0.0", 0), ("9e15", 9_000_000_000_000_000)]
    {
        let task = task_with(&format!(r#""tokens": {{"prompt_tokens": {number}}}"#)).await;
        assert_eq!(other(&task), Map::new(), "{number}");
        assert_eq!(task.tokens.and_then(|tokens| tokens.prompt_tokens), Some(expected), "{number}");
    }
    let task = task_with(r#""tool_call_limit": 5.0, "execution_attempts": 2e0"#).await;
    assert_eq!((task.tool_call_limit, task.execution_attempts, other(&task)), (Some(5), Some(2), Map::new()));
    for number in ["1e16", "12.5", "1e400", "3e9"] {
        let task = task_with(&format!(r#""tool_call_limit": {number}"#)).await;
        assert!(task.tool_call_limit.is_none() && other(&task).contains_key("tool_call_limit"), "{number}");
    }
}

#[tokio::test]
async fn nesting_without_end_costs_its_attribute_its_shape_but_not_its_content() {
    for levels in [60, 200, 100_000] {
        let deep = format!("{}\"the bottom\"{}", r#"{"k":"#.repeat(levels), "}".repeat(levels));
        let lists = format!("{}\"the bottom\"{}", "[".repeat(levels), "]".repeat(levels));
        for (key, value) in [("mood", &deep), ("mood", &lists), ("payload_extension", &deep), ("title", &lists)] {
            let task = task_with(&format!(r#""{key}": {value}, "result": "fine""#)).await;
            assert_eq!(task.result.as_deref(), Some("fine"), "{key}, {levels} levels");
            let bytes = task.encode_to_vec();
            let kept = String::from_utf8_lossy(&bytes);
            assert!(kept.contains("the bottom"), "{key}, {levels} levels");
            if levels >= 200 {
                assert!(other(&task)[key] == **value, "{key}, {levels} levels: not its JSON text");
            }
        }
    }
}

#[tokio::test]
async fn an_escaped_letter_costs_deep_nesting_nothing() {
    // As Python writes every letter beyond ASCII.
    let deep = format!("{}\"caf\\u00e9\"{}", "[".repeat(200), "]".repeat(200));
    let task = task_with(&format!(r#""mood": {deep}"#)).await;
    assert_eq!(other(&task)["mood"], deep);
}
