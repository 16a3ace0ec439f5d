//! One line of the log for each call.

use std::collections::HashMap;

use prost::Message as _;
use serde_json::{Value, json};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest};

use super::{Headers, PARENT, TRACE_ID, client, metrics::Scrape, with};
use crate::support::{
    binary::Serving,
    calls::{follow, invoke},
    direct::{Direct, frame},
    live::{Followed, Live, within},
    platform::{Platform, Reply, task},
    status::failure,
};

/// A caller and the SHA-256 of its token, which is `token`.
const TOKEN: &str = "billing=3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";

fn get(task_id: &str) -> GetTaskRequest {
    GetTaskRequest { task_id: task_id.to_owned() }
}

fn told<const N: usize>(line: &HashMap<String, Value>, names: [&str; N]) -> [Value; N] {
    names.map(|name| line.get(name).cloned().unwrap_or_default())
}

#[tokio::test]
async fn a_finished_call_is_told_with_everything_that_is_known_of_it() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let variables = [
        ("XPANDER_PROXY_AUTH__TOKENS", TOKEN),
        ("XPANDER_PROXY_AGENTS__PINS", "agent-1=7"),
        ("XPANDER_PROXY_USERS__PRINCIPAL", "true"),
        ("XPANDER_PROXY_USERS__METADATA", "email=x-user-email"),
        ("XPANDER_PROXY_USERS__CALLERS", "billing"),
    ];
    let mut serving = Serving::before(&platform.base_url(), &variables).await;
    let metadata = [
        ("authorization", "Bearer token"),
        ("traceparent", PARENT),
        ("x-request-id", "r-1"),
        ("x-user-email", "a-secret@example.com"),
    ];
    within("a task", client(&serving).invoke(with(invoke("agent-1"), &metadata))).await.expect("OK");
    let line = serving.line("call").await;
    let method = json!("xpander.agent.v1.AgentService/Invoke");
    assert_eq!(
        told(&line, ["method", "code", "end", "level"]),
        [method, json!("OK"), json!("finished"), json!("INFO")]
    );
    assert_eq!(told(&line, ["caller", "agent_id", "task_id"]), [json!("billing"), json!("agent-1"), json!("task-1")]);
    assert_eq!(told(&line, ["request_id", "trace_id"]), [json!("r-1"), json!(TRACE_ID)]);
    assert_eq!(told(&line, ["platform_status", "platform_attempts", "events"]), [json!(200), json!(2), json!(0)]);
    assert_eq!(line["attached"], json!("version_pin,user,principal"));
    assert!(line["bytes_in"].as_u64() > Some(10) && line["bytes_out"].as_u64() > Some(50), "{line:?}");
    assert!(line["duration_ms"].as_f64() > Some(0.0));
    assert!(!format!("{line:?}").contains("a-secret") && !format!("{line:?}").contains("Bearer"), "{line:?}");

    let wrong = with(get("task-1"), &[("authorization", "Bearer wrong")]);
    within("an end", client(&serving).get_task(wrong)).await.expect_err("refused");
    let line = serving.line("call").await;
    assert_eq!(told(&line, ["code", "end", "caller"]), [json!("UNAUTHENTICATED"), json!("refused"), Value::Null]);
    assert_eq!(told(&line, ["reason", "platform_attempts"])[1], json!(0));
}

#[tokio::test]
async fn a_caller_that_leaves_and_a_deadline_that_passes_are_told_apart() {
    let live = Live::executing().await;
    let mut serving = Serving::before(&live.platform.base_url(), &[]).await;
    let mut followed = Followed::begin(&mut client(&serving)).await;
    live.chunk("a");
    followed.text().await;
    drop(followed);
    let line = serving.line("call").await;
    assert_eq!(told(&line, ["code", "end", "events"]), [json!("CANCELLED"), json!("caller left"), json!(1)]);
    assert!(line["first_event_ms"].is_number());

    let platform = Platform::start(|_| Reply::Silence).await;
    let mut serving = Serving::before(&platform.base_url(), &[]).await;
    // A library has a timer of its own for the deadline, and may leave before the proxy's.
    let mut direct = Direct::to(&serving.grpc).await;
    let timeout = [("grpc-timeout", "3S")];
    within("the deadline", direct.post("GetTask", &timeout, frame(&get("task-1").encode_to_vec()))).await;
    let line = serving.line("call").await;
    assert_eq!(told(&line, ["code", "end"]), [json!("DEADLINE_EXCEEDED"), json!("deadline")]);
    assert_eq!(told(&line, ["platform_status", "platform_attempts"]), [Value::Null, json!(1)]);
}

#[tokio::test]
async fn a_platform_that_breaks_is_told() {
    let platform = Platform::start(|request| match request.path.contains("gone") {
        true => Reply::Raw(Vec::new()),
        false => Reply::json(502, &json!({ "detail": "a-secret-detail" })),
    })
    .await;
    let mut serving = Serving::before(&platform.base_url(), &[("XPANDER_PROXY_PLATFORM__RETRIES", "1")]).await;
    for (id, reason, status) in
        [("gone", "PLATFORM_CONNECTION_LOST", Value::Null), ("bad", "PLATFORM_UNAVAILABLE", json!(502))]
    {
        within("an end", client(&serving).get_task(get(id))).await.expect_err("fails");
        let line = serving.line("call").await;
        assert_eq!(told(&line, ["end", "reason"]), [json!("platform broke"), json!(reason)]);
        assert_eq!(told(&line, ["platform_status", "platform_attempts", "retries"]), [status, json!(2), json!(1)]);
        assert!(!format!("{line:?}").contains("a-secret-detail"));
    }
}

/// Whoever has an error in hand finds its line by what stands in both.
#[tokio::test]
async fn the_line_of_a_failed_call_says_what_its_caller_was_told() {
    let platform = Platform::with_agents(|request| match request.method.as_str() {
        "POST" => Reply::Raw(Vec::new()),
        _ => Reply::json(404, &json!({})),
    })
    .await;
    let mut serving =
        Serving::before(&platform.base_url(), &[("XPANDER_PROXY_SERVER__MAX_REQUEST_BYTES", "65536")]).await;
    let mut direct = Direct::to(&serving.grpc).await;
    let named = InvokeRequest { request_id: "once".into(), ..invoke("agent-1") };
    let large = "x".repeat(100_000);
    let message = |message: &InvokeRequest| frame(&message.encode_to_vec());
    let rows: [(&str, &str, Headers<'_>, Vec<u8>); 10] = [
        ("CREATE_OUTCOME_UNKNOWN", "Invoke", &[], message(&invoke("agent-1"))),
        ("CREATE_OUTCOME_UNKNOWN", "InvokeStream", &[], frame(&[&[0x0a, 9, 0x0a, 7], &b"agent-1"[..]].concat())),
        ("CREATE_OUTCOME_UNKNOWN", "Invoke", &[], message(&named)),
        ("INVALID_REQUEST", "Invoke", &[], message(&invoke("agent/1"))),
        ("REQUEST_TOO_LARGE", "Invoke", &[], message(&InvokeRequest { prompt: large.clone(), ..invoke("agent-1") })),
        ("REQUEST_UNREADABLE", "Invoke", &[], frame(b"\xff")),
        ("METADATA_TOO_LARGE", "Invoke", &[("x-large", &large)], message(&invoke("agent-1"))),
        ("ENCODING_UNKNOWN", "GetTask", &[("grpc-encoding", "br")], frame(b"")),
        ("METHOD_UNKNOWN", "Tomorrow", &[], frame(b"")),
        ("PLATFORM_NOT_FOUND", "GetTask", &[], frame(&get("nope").encode_to_vec())),
    ];
    for (reason, method, headers, body) in rows {
        let refused = within(reason, direct.post(method, headers, body)).await;
        let failure = failure::<()>(Err(refused));
        assert_eq!(failure.reason, reason);
        let line = serving.line("call").await;
        let outcome = failure.facts.get("outcome").map_or(Value::Null, |outcome| json!(outcome));
        assert_eq!(told(&line, ["reason", "outcome"]), [json!(reason), outcome], "{line:?}");
        let code = line["code"].as_str().expect("a code").replace('_', "");
        assert_eq!(code.to_lowercase(), format!("{:?}", failure.code).to_lowercase(), "{reason}");
        assert_eq!(failure.facts.contains_key("outcome"), method.starts_with("Invoke"), "{reason}");
    }
    // The API's request_id has a name of its own.
    let again = within("an answer", direct.post("Invoke", &[("x-request-id", "r-1")], message(&named))).await;
    assert_eq!(failure::<()>(Err(again)).reason, "CREATE_OUTCOME_UNKNOWN");
    let line = serving.line("call").await;
    assert_eq!(told(&line, ["request_id", "idempotency_key"]), [json!("r-1"), json!("once")]);
}

#[tokio::test]
async fn a_shed_call_and_a_drained_stream_are_told() {
    let live = Live::executing().await;
    let variables = [
        ("XPANDER_PROXY_SERVER__MAX_STREAMS", "1"),
        ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"),
        ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "100ms"),
    ];
    let mut serving = Serving::before(&live.platform.base_url(), &variables).await;
    let mut followed = Followed::begin(&mut client(&serving)).await;
    within("an end", client(&serving).stream_events(follow("task-1"))).await.expect_err("shed");
    let line = serving.line("call").await;
    assert_eq!(told(&line, ["code", "end"]), [json!("RESOURCE_EXHAUSTED"), json!("shed")]);
    serving.signal("TERM").await;
    followed.try_next().await.expect_err("drained");
    let line = serving.line("call").await;
    assert_eq!(
        told(&line, ["code", "end", "reason"]),
        [json!("UNAVAILABLE"), json!("drained"), json!("PROXY_DRAINING")]
    );
    assert_eq!(serving.ended().await, Some(0));
}

#[tokio::test]
async fn probes_are_told_at_debug_level_only() {
    let filter = ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "xpander_grpc_proxy=debug");
    let mut serving = Serving::sandbox(&[filter]).await;
    serving.run(&["health"]).await.good();
    let line = serving.line("call").await;
    assert_eq!(told(&line, ["level", "method"]), [json!("DEBUG"), json!("grpc.health.v1.Health/Check")]);
    let mut serving = Serving::sandbox(&[]).await;
    serving.run(&["health"]).await.good();
    serving.run(&["get", "nope"]).await;
    assert_eq!(serving.line("call").await["method"], json!("xpander.agent.v1.AgentService/GetTask"));
}

/// Whoever collects the log may stall; a pipe holds 64 KiB.
#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end() {
    let serving = Serving::sandbox(&[("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s")]).await;
    let mut client = serving.client();
    for _ in 0..500 {
        let request = GetTaskRequest { task_id: "a-task-that-is-not-there-but-has-a-long-name".to_owned() };
        let refused = within("an answer", client.get_task(request)).await.expect_err("there is no such task");
        assert_eq!(refused.code(), tonic::Code::NotFound);
    }
    serving.signal("TERM").await;
    assert_eq!(serving.ended().await, Some(0));
}

/// Whoever takes the log and stops taking it stops no call; what is lost by that is counted.
#[tokio::test]
async fn log_lines_that_nobody_takes_are_counted() {
    let variables = [("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "trace")];
    let serving = Serving::sandbox(&variables).await;
    assert_eq!(Scrape::of(&serving.admin).await.value("xpander_log_lines_dropped_total", &[]), 0.0);
    let mut client = client(&serving);
    within("lines left out", async {
        while Scrape::of(&serving.admin).await.value("xpander_log_lines_dropped_total", &[]) == 0.0 {
            for _ in 0..50 {
                client.get_task(get("nope")).await.expect_err("there is none");
            }
        }
    })
    .await;
}
