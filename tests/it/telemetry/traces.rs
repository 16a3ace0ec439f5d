//! One connected trace from the caller to the platform, exported over OTLP; and what happens to traces without it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::proto::GetTaskRequest;

use super::{PARENT, TRACE_ID, client, with};
use crate::support::{
    binary::Serving,
    calls::{follow, invoke},
    collector::Collector,
    live::{Followed, Live, finished, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    time::SOME_TIME,
};

const INVOKE: &str = "xpander.agent.v1.AgentService/Invoke";
const GET: &str = "xpander.agent.v1.AgentService/GetTask";
const FOLLOW: &str = "xpander.agent.v1.AgentService/StreamEvents";
const LOAD: &str = "GET /agents/{agent_id}";
const CREATE: &str = "POST /agent-execution/{agent_id}";
const READ: &str = "GET /agent-execution/{task_id}/status";
const EVENTS: &str = "GET /agent-execution/{task_id}/events";

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const ERROR: i32 = 2;

/// Exports of traces to this receiver, at once.
fn otlp<'a>(collector: &'a Collector, protocol: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ]
}

async fn tasks() -> Platform {
    Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await
}

fn get(task_id: &str) -> GetTaskRequest {
    GetTaskRequest { task_id: task_id.to_owned() }
}

#[tokio::test]
async fn one_trace_leads_from_the_caller_to_the_platform_over_grpc() {
    one_trace_leads_from_the_caller_to_the_platform(Collector::grpc().await, "grpc").await;
}

#[tokio::test]
async fn one_trace_leads_from_the_caller_to_the_platform_over_http() {
    one_trace_leads_from_the_caller_to_the_platform(Collector::http().await, "http/protobuf").await;
}

async fn one_trace_leads_from_the_caller_to_the_platform(collector: Collector, protocol: &str) {
    let platform = tasks().await;
    let mut variables = otlp(&collector, protocol);
    variables.push(("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector"));
    let mut serving = Serving::before(&platform.base_url(), &variables).await;
    let metadata = [("traceparent", PARENT), ("tracestate", "vendor=1"), ("baggage", "k=v"), ("x-request-id", "r-1")];
    within("a task", client(&serving).invoke(with(invoke("agent-1"), &metadata))).await.expect("OK");

    let [server, load, create] = collector.spans([INVOKE, LOAD, CREATE]).await;
    assert_eq!((server.trace_id(), server.parent_id()), (TRACE_ID.to_owned(), "00f067aa0ba902b7".to_owned()));
    assert_eq!((server.span.kind, server.status()), (SERVER, (0, String::new())));
    for (name, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", INVOKE),
        ("rpc.response.status_code", "OK"),
        ("xpander.task.id", "task-1"),
        ("xpander.agent.id", "agent-1"),
        ("xpander.request.id", "r-1"),
        ("xpander.end", "finished"),
    ] {
        assert_eq!(server.attribute(name), value, "{name}");
    }
    assert_eq!(server.resource["service.name"], "xpander-grpc-proxy");
    let port = platform.address.port().to_string();
    for (span, method) in [(&load, "GET"), (&create, "POST")] {
        assert_eq!((span.trace_id(), span.parent_id(), span.span.kind), (TRACE_ID.to_owned(), server.id(), CLIENT));
        assert_eq!(span.attribute("http.request.method"), method);
        assert_eq!(span.attribute("url.template"), span.span.name.split_once(' ').expect("two words").1);
        assert_eq!(span.attribute("http.response.status_code"), "200");
        assert_eq!(
            (span.attribute("server.address"), span.attribute("server.port")),
            ("127.0.0.1".into(), port.clone())
        );
        assert!(!span.attributes().contains_key("http.request.resend_count"));
        assert!(!span.attributes().contains_key("error.type"));
    }
    let seen = platform.seen();
    for (request, span) in seen.iter().zip([&load, &create]) {
        assert_eq!(request.header("traceparent"), Some(&*format!("00-{TRACE_ID}-{}-01", span.id())));
        assert_eq!((request.header("tracestate"), request.header("baggage")), (Some("vendor=1"), Some("k=v")));
    }
    assert_eq!(serving.line("call").await["trace_id"], json!(TRACE_ID));
    assert!(collector.received().tokens.iter().all(|token| token == "Bearer collector"));
    assert!(!collector.received().tokens.is_empty());
}

#[tokio::test]
async fn a_failure_is_recorded_on_the_span_of_whose_it_is() {
    let platform = Platform::start(|request| match request.path.as_str() {
        "/agent-execution/broken/status" => Reply::json(500, &json!({ "detail": "a-secret-detail" })),
        _ => Reply::json(404, &json!({ "detail": "a-secret-detail" })),
    })
    .await;
    let collector = Collector::grpc().await;
    let serving = Serving::before(&platform.base_url(), &otlp(&collector, "grpc")).await;
    let failed = within("an end", client(&serving).get_task(get("broken"))).await.expect_err("fails");
    assert_eq!(failed.code(), Code::Internal);
    let [server, request] = collector.spans([GET, READ]).await;
    assert_eq!(server.status(), (ERROR, "PLATFORM_INTERNAL".to_owned()));
    assert_eq!(
        (server.attribute("error.type"), server.attribute("xpander.end")),
        ("INTERNAL".into(), "platform broke".into())
    );
    assert_eq!((request.status().0, request.attribute("error.type")), (ERROR, "500".to_owned()));

    within("an end", client(&serving).get_task(get("missing"))).await.expect_err("fails");
    let received = collector.once(|received| received.spans.len() == 4).await;
    let of = |name: &str| received.spans.iter().rfind(|span| span.span.name == name).expect("there");
    // What its caller did wrong is no failure of the server.
    assert_eq!((of(GET).status().0, of(GET).attribute("rpc.response.status_code")), (0, "NOT_FOUND".to_owned()));
    assert_eq!((of(READ).status().0, of(READ).attribute("error.type")), (ERROR, "404".to_owned()));
    assert!(!format!("{:?}", received.spans).contains("a-secret-detail"));
}

#[tokio::test]
async fn each_attempt_is_a_span_of_its_own() {
    let reads = AtomicUsize::new(0);
    let platform = Platform::start(move |_| match reads.fetch_add(1, Relaxed) {
        0 => Reply::json(503, &json!({})),
        _ => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let collector = Collector::grpc().await;
    let mut variables = otlp(&collector, "grpc");
    variables.push(("XPANDER_PROXY_PLATFORM__RETRIES", "1"));
    let serving = Serving::before(&platform.base_url(), &variables).await;
    within("a task", client(&serving).get_task(get("task-1"))).await.expect("OK");
    let received = collector.once(|received| received.spans.len() == 3).await;
    let attempts: Vec<_> = received.spans.iter().filter(|span| span.span.name == READ).collect();
    let told = |name: &str| attempts.iter().map(|span| span.attribute(name)).collect::<Vec<_>>();
    assert_eq!(told("http.response.status_code"), ["503", "200"]);
    assert_eq!(told("http.request.resend_count"), ["", "1"]);
    let sent: Vec<_> = platform.seen().iter().map(|request| request.header("traceparent").map(str::to_owned)).collect();
    let spans = attempts.iter().map(|span| Some(format!("00-{}-{}-01", span.trace_id(), span.id())));
    assert_eq!(sent, spans.collect::<Vec<_>>());
}

#[tokio::test]
async fn the_spans_of_a_stream_end_with_it() {
    let live = Live::executing().await;
    let collector = Collector::grpc().await;
    let serving = Serving::before(&live.platform.base_url(), &otlp(&collector, "grpc")).await;
    let mut followed = Followed::with(&mut client(&serving), with(follow("task-1"), &[("traceparent", PARENT)])).await;
    live.chunk("a");
    followed.text().await;
    collector.spans([READ]).await;
    assert_eq!(collector.received().spans.len(), 1, "the others go on");
    live.becomes(finished("completed", "r"));
    live.send(event("task_finished", &finished("completed", "r")));
    followed.next().await;
    followed.is_over().await;
    let [server, events, read] = collector.spans([FOLLOW, EVENTS, READ]).await;
    assert_eq!((events.parent_id(), read.parent_id()), (server.id(), server.id()));
    assert_eq!((server.attribute("xpander.events"), events.status().0), ("2".to_owned(), 0));
    assert!(events.span.end_time_unix_nano > read.span.end_time_unix_nano);
}

#[tokio::test]
async fn spans_that_are_left_are_exported_when_the_process_ends() {
    let (platform, collector) = (tasks().await, Collector::http().await);
    let mut variables = otlp(&collector, "http/protobuf");
    variables.extend([
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_SERVICE_NAME", "agents"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"),
    ]);
    let serving = Serving::before(&platform.base_url(), &variables).await;
    within("a task", client(&serving).get_task(get("task-1"))).await.expect("OK");
    assert_eq!(collector.received().spans.len(), 0);
    serving.signal("TERM").await;
    assert_eq!(serving.ended().await, Some(0));
    let [span] = collector.spans([GET]).await;
    assert_eq!((&*span.resource["service.name"], &*span.resource["deployment.environment.name"]), ("agents", "test"));
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_calls_nor_the_end() {
    // An export may take longer than the test waits.
    let patient = ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000");
    for protocol in ["grpc", "http/protobuf"] {
        let (platform, collector) = (tasks().await, Collector::silent().await);
        let variables =
            [otlp(&collector, protocol), vec![("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"), patient]].concat();
        let serving = Serving::before(&platform.base_url(), &variables).await;
        for _ in 0..3 {
            within("a task", client(&serving).get_task(get("task-1"))).await.expect("OK");
        }
        serving.signal("TERM").await;
        assert_eq!(serving.ended().await, Some(0), "{protocol}");
    }
}

#[tokio::test]
async fn what_is_not_sampled_is_passed_on_and_not_exported() {
    let unsampled = PARENT.replace("-01", "-00");
    for (sampler, parent) in [("always_off", PARENT), ("parentbased_always_on", &*unsampled)] {
        let (platform, collector) = (tasks().await, Collector::grpc().await);
        let mut variables = otlp(&collector, "grpc");
        variables.extend([("OTEL_TRACES_SAMPLER", sampler), ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s")]);
        let serving = Serving::before(&platform.base_url(), &variables).await;
        within("a task", client(&serving).get_task(with(get("task-1"), &[("traceparent", parent)]))).await.expect("OK");
        let sent = platform.seen()[0].header("traceparent").expect("a trace").to_owned();
        assert!(sent.starts_with(&format!("00-{TRACE_ID}-")) && sent.ends_with("-00"), "{sampler}: {sent}");
        serving.signal("TERM").await;
        assert_eq!(serving.ended().await, Some(0));
        assert_eq!(collector.received().spans.len(), 0, "{sampler}");
    }
}

#[tokio::test]
async fn probes_leave_no_spans() {
    let (platform, collector) = (tasks().await, Collector::grpc().await);
    let serving = Serving::before(&platform.base_url(), &otlp(&collector, "grpc")).await;
    serving.run(&["health"]).await.good();
    within("a task", client(&serving).get_task(get("task-1"))).await.expect("OK");
    collector.spans([GET, READ]).await;
    assert_eq!(collector.received().spans.len(), 2);
}

#[tokio::test]
async fn without_an_endpoint_the_callers_headers_are_passed_on_as_they_came() {
    let platform = tasks().await;
    let proxy = Proxy::with(&settings(&platform.base_url())).await;
    let metadata = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2"), ("baggage", "k=v;p")];
    within("a task", proxy.client().invoke(with(invoke("agent-1"), &metadata))).await.expect("OK");
    let seen = platform.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        let sent = ["traceparent", "tracestate", "baggage"].map(|name| request.header(name));
        assert_eq!(sent, [Some(PARENT), Some("a=1,b=2"), Some("k=v;p")]);
    }
    within("a task", proxy.client().get_task(with(get("task-1"), &[("traceparent", "nonsense")]))).await.expect("OK");
    assert_eq!(platform.seen()[2].header("traceparent"), None);
}

#[tokio::test]
async fn a_create_that_outlives_its_caller_stays_in_the_trace() {
    let told = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = std::sync::Arc::clone(&told);
    let platform = Platform::with_agents(move |_| {
        Reply::After(std::sync::Arc::clone(&held), Box::new(Reply::json(200, &task("task-1", "pending"))))
    })
    .await;
    let collector = Collector::grpc().await;
    let serving = Serving::before(&platform.base_url(), &otlp(&collector, "grpc")).await;
    let mut request = with(invoke("agent-1"), &[("traceparent", PARENT)]);
    request.set_timeout(SOME_TIME);
    within("the deadline", client(&serving).invoke(request)).await.expect_err("too late");
    let [server] = collector.spans([INVOKE]).await;
    told.notify_one();
    let [create] = collector.spans([CREATE]).await;
    assert_eq!((create.trace_id(), create.parent_id()), (TRACE_ID.to_owned(), server.id()));
    assert_eq!(create.attribute("http.response.status_code"), "200");
}
