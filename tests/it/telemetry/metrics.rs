//! Metrics: as they are scraped from `/metrics`, and as they are exported over OTLP.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::{
    config::Settings,
    proto::{GetTaskRequest, InvokeStreamRequest, StopTaskRequest},
};

use super::{Headers, client};
use crate::support::{
    binary::Serving,
    calls::{follow, invoke},
    collector::{Collector, attributes},
    direct::{Direct, frame},
    live::{Followed, Live, finished, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    sandbox::{World, asking},
    status::failure,
};

/// Every label there is.
const LABELS: [&str; 17] = [
    "error_type",
    "http_request_method",
    "http_response_status_code",
    "le",
    "rpc_method",
    "rpc_response_status_code",
    "rpc_system_name",
    "server_address",
    "server_port",
    "url_template",
    "xpander_agent_id",
    "xpander_event_type",
    "xpander_outcome",
    "xpander_reason",
    "xpander_result",
    "xpander_task_status",
    "xpander_token_type",
];

/// A scrape.
pub(super) struct Scrape(String);

impl Scrape {
    pub(super) async fn of(admin: &str) -> Self {
        // reqwest looks for one, also where it speaks cleartext; another test may have been here first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = within("a scrape", client.get(format!("{admin}/metrics")).send()).await.expect("an answer");
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
        Self(answer.text().await.expect("a text"))
    }

    /// The sum over all series of this name whose labels hold all of these.
    pub(super) fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let series = self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        let matching = series.filter(|(series, _)| {
            series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
        });
        let values: Vec<f64> = matching.map(|(_, value)| value.parse().expect("a number")).collect();
        assert!(!values.is_empty(), "no {name} {labels:?} in {}", self.0);
        values.iter().sum()
    }

    fn labels(&self) -> BTreeSet<&str> {
        let series = self.0.lines().filter(|line| !line.starts_with('#'));
        let labels = series.filter_map(|line| line.split_once('{')?.1.rsplit_once('}')).map(|(labels, _)| labels);
        labels.flat_map(|labels| labels.split("\",")).filter_map(|label| Some(label.split_once('=')?.0)).collect()
    }
}

fn get(task_id: &str) -> GetTaskRequest {
    GetTaskRequest { task_id: task_id.to_owned() }
}

/// Scrapes until this holds: a call is counted a moment after its caller has its answer.
async fn until(proxy: &Proxy, name: &str, labels: &[&str], value: f64) -> Scrape {
    within(&format!("{name} {labels:?} is {value}"), async {
        loop {
            let scrape = Scrape::of(&proxy.admin).await;
            if (scrape.value(name, labels) - value).abs() < 1e-9 {
                return scrape;
            }
        }
    })
    .await
}

#[tokio::test]
async fn calls_and_requests_are_timed_by_closed_sets_of_labels() {
    let world = World::start().await;
    let mut caller = world.client();
    for _ in 0..2 {
        caller.ask("echo", "a-secret-prompt").await;
    }
    let request = InvokeStreamRequest { invocation: Some(asking("tools", "x")), heartbeat: None };
    let mut stream = caller.0.invoke_stream(request).await.expect("a stream").into_inner();
    while within("a message", stream.message()).await.expect("OK").is_some() {}
    let mut id = String::new();
    for _ in 0..2 {
        id = caller.ask("echo", "y").await.id;
        caller.wait(&id).await;
        caller.0.stop_task(StopTaskRequest { task_id: id.clone() }).await.ok();
        caller.0.get_task(get("a-secret-id")).await.expect_err("there is none");
    }

    let calls = "rpc_server_call_duration_seconds_count";
    let scrape = until(&world.proxy, calls, &["GetTask\"", "NOT_FOUND"], 2.0).await;
    assert_eq!(scrape.value(calls, &["AgentService/Invoke\"", "rpc_system_name=\"grpc\"", "\"OK\""]), 4.0);
    assert_eq!(scrape.value(calls, &["AgentService/InvokeStream\"", "\"OK\""]), 1.0);
    assert_eq!(scrape.value(calls, &["WaitTask\"", "\"OK\""]), 2.0);
    let requests = "http_client_request_duration_seconds_count";
    assert_eq!(scrape.value(requests, &["POST", "url_template=\"/agent-execution/{agent_id}\"", "\"200\""]), 5.0);
    assert_eq!(scrape.value(requests, &["GET", "url_template=\"/agents/{agent_id}\""]), 2.0);
    assert_eq!(scrape.value(requests, &["/status\"", "error_type=\"404\"", "status_code=\"404\""]), 2.0);
    assert_eq!(scrape.value("xpander_agent_lookups_total", &["hit"]), 3.0);
    assert_eq!(scrape.value("xpander_agent_lookups_total", &["miss"]), 2.0);
    assert_eq!(scrape.value("xpander_events_total", &["\"task_finished\""]), 1.0);
    // The sandbox sends one type of tomorrow.
    assert_eq!(scrape.value("xpander_events_total", &["\"other\""]), 1.0);
    assert_eq!(scrape.value("xpander_first_event_duration_seconds_count", &["InvokeStream\""]), 1.0);
    assert!(scrape.0.contains("le=\"0.005\"") && scrape.0.contains("le=\"1800\""));
    assert!(scrape.labels().iter().all(|label| LABELS.contains(label)), "{:?}", scrape.labels());
    for secret in ["a-secret", &id, "key-under-test", "org-1"] {
        assert!(!scrape.0.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_counted_under_one_name() {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut grpc = tonic::client::Grpc::new(proxy.channel());
    for path in ["/xpander.agent.v1.AgentService/Tomorrow", "/a-secret.Service/Do"] {
        grpc.ready().await.expect("connects");
        let codec = tonic_prost::ProstCodec::<GetTaskRequest, GetTaskRequest>::default();
        let answer = grpc.unary(tonic::Request::new(get("x")), path.parse().expect("a path"), codec).await;
        assert_eq!(answer.expect_err("there is none").code(), Code::Unimplemented);
    }
    let calls = "rpc_server_call_duration_seconds_count";
    let scrape = until(&proxy, calls, &["rpc_method=\"_OTHER\"", "status_code=\"UNIMPLEMENTED\""], 2.0).await;
    assert!(!scrape.0.contains("a-secret") && !scrape.0.contains("Tomorrow"));
}

/// By whose failure it is, and not by its code.
#[tokio::test]
async fn failures_have_an_error_type_where_they_are_the_proxys_or_the_platforms() {
    let platform = Platform::start(|request| match request.task_id() {
        "silent" => Reply::Silence,
        status => Reply::json(status.parse().expect("a status"), &json!({})),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.auth.pass_through = true;
    settings.platform.retries = 0;
    let proxy = Proxy::with(&settings).await;
    let mut direct = Direct::connect(&proxy).await;
    let own: Headers<'_> = &[("x-api-key", "its-own"), ("x-organization-id", "org-2")];
    let rows: [(&str, Headers<'_>, &str, bool); 13] = [
        ("401", &[], "PLATFORM_UNAUTHENTICATED", true),
        ("401", own, "PLATFORM_UNAUTHENTICATED", false),
        ("402", &[], "PLATFORM_PAYMENT_REQUIRED", true),
        ("403", &[], "PLATFORM_FORBIDDEN", true),
        ("404", &[], "PLATFORM_NOT_FOUND", false),
        ("409", &[], "PLATFORM_CONFLICT", false),
        ("422", &[], "PLATFORM_UNPROCESSABLE", false),
        ("500", &[], "PLATFORM_INTERNAL", true),
        ("501", &[], "PLATFORM_NOT_IMPLEMENTED", true),
        ("503", &[], "PLATFORM_UNAVAILABLE", true),
        ("504", &[], "PLATFORM_TIMEOUT", true),
        ("silent", &[("grpc-timeout", "300m")], "DEADLINE_EXCEEDED", false),
        ("404", &[("grpc-encoding", "br")], "ENCODING_UNKNOWN", false),
    ];
    let (mut failures, mut others) = (0.0, 0.0);
    for (status, headers, reason, is_failure) in rows {
        let refused = direct.post("GetTask", headers, frame(&get(status).encode_to_vec())).await;
        assert_eq!(failure::<()>(Err(refused)).reason, reason);
        *(if is_failure { &mut failures } else { &mut others }) += 1.0;
        let all = ["GetTask\""];
        let scrape = until(&proxy, "rpc_server_call_duration_seconds_count", &all, failures + others).await;
        let with = scrape.value("rpc_server_call_duration_seconds_count", &["GetTask\"", "error_type="]);
        assert!((with - failures).abs() < 1e-9, "{status} {reason}: {with} of {failures}");
    }
}

#[tokio::test]
async fn streams_and_calls_under_way_are_counted_until_they_end() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let before = Scrape::of(&proxy.admin).await;
    assert_eq!((before.value("xpander_streams_active", &[]), before.value("xpander_calls_active", &[])), (0.0, 0.0));
    let mut followed = Followed::begin(&mut proxy.client()).await;
    live.chunk("a");
    followed.text().await;
    let during = Scrape::of(&proxy.admin).await;
    assert_eq!((during.value("xpander_streams_active", &[]), during.value("xpander_calls_active", &[])), (1.0, 0.0));
    assert_eq!(during.value("xpander_events_total", &["\"chunk\""]), 1.0);
    drop(followed);
    let after = until(&proxy, "xpander_streams_active", &[], 0.0).await;
    let left = ["StreamEvents\"", "CANCELLED"];
    assert_eq!(after.value("rpc_server_call_duration_seconds_count", &left), 1.0);
    // Closing the platform's stream for a caller that left is no failure of the platform's.
    let stream = until(&proxy, "http_client_request_duration_seconds_count", &["/events\""], 1.0).await;
    assert!(!stream.0.lines().any(|line| line.contains("/events\"") && line.contains("error_type")));
}

#[tokio::test]
async fn broken_streams_are_counted_by_what_became_of_them() {
    let opened = AtomicUsize::new(0);
    let platform = Platform::start(move |request| {
        if !request.path.ends_with("/events") {
            return Reply::json(200, &task("task-1", "executing"));
        }
        match opened.fetch_add(1, Relaxed) {
            0 => Reply::Torn(format!("{}data: no JSON\n\n", event("chunk", &json!("a"))).into_bytes()),
            _ => Reply::events(&(event("chunk", &json!("b")) + &event("task_finished", &finished("completed", "r")))),
        }
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    assert_eq!(events.len(), 4, "{events:?}");
    let scrape = until(&proxy, "xpander_streams_active", &[], 0.0).await;
    for name in ["xpander_events_skipped_total", "xpander_stream_gaps_total", "xpander_stream_reconnects_total"] {
        assert_eq!(scrape.value(name, &[]), 1.0, "{name}");
    }
    assert_eq!(scrape.value("xpander_events_total", &["\"stream_gap\""]), 1.0);
    let broken = ["/events\"", "error_type=\"connection_lost\"", "status_code=\"200\""];
    assert_eq!(scrape.value("http_client_request_duration_seconds_count", &broken), 1.0);
}

#[tokio::test]
async fn retries_and_creates_of_unknown_outcome_are_counted() {
    let platform = Platform::with_agents(|request| match request.method.as_str() {
        "POST" => Reply::Raw(Vec::new()),
        _ => Reply::json(503, &json!({})),
    })
    .await;
    let proxy = Proxy::with(&Settings { platform: retrying(&platform), ..settings(&platform.base_url()) }).await;
    proxy.client().get_task(get("task-1")).await.expect_err("fails");
    let unknown = proxy.client().invoke(invoke("agent-1")).await.expect_err("fails");
    assert_eq!(unknown.code(), Code::Unknown);
    let scrape = until(&proxy, "xpander_calls_active", &[], 0.0).await;
    assert_eq!(scrape.value("xpander_platform_retries_total", &["/agent-execution/{task_id}/status\""]), 1.0);
    assert_eq!(scrape.value("xpander_platform_retries_total", &["POST"]), 0.0);
    assert_eq!(scrape.value("xpander_creates_unknown_total", &[]), 1.0);
    let lost = ["POST", "error_type=\"connection_lost\""];
    assert_eq!(scrape.value("http_client_request_duration_seconds_count", &lost), 1.0);
}

fn retrying(platform: &Platform) -> xpander_grpc_proxy::config::Platform {
    xpander_grpc_proxy::config::Platform { retries: 1, ..settings(&platform.base_url()).platform }
}

#[tokio::test]
async fn shed_calls_are_counted_by_method() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_streams = 1;
    let proxy = Proxy::with(&settings).await;
    let _followed = Followed::begin(&mut proxy.client()).await;
    let shed = proxy.client().stream_events(follow("task-1")).await.expect_err("shed");
    assert_eq!(shed.code(), Code::ResourceExhausted);
    let scrape = until(&proxy, "xpander_calls_shed_total", &["StreamEvents\""], 1.0).await;
    assert_eq!(scrape.value("xpander_calls_shed_total", &[]), 1.0);
}

#[tokio::test]
async fn two_proxies_in_a_process_count_apart() {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let (one, other) = (Proxy::start(&platform.base_url()).await, Proxy::start(&platform.base_url()).await);
    one.client().get_task(get("task-1")).await.expect("OK");
    until(&one, "rpc_server_call_duration_seconds_count", &["GetTask\""], 1.0).await;
    assert!(!Scrape::of(&other.admin).await.0.contains("GetTask\",rpc_response"));
}

#[tokio::test]
async fn metrics_go_out_over_otlp_too_and_a_last_time_when_the_process_ends() {
    for (collector, protocol) in [(Collector::grpc().await, "grpc"), (Collector::http().await, "http/protobuf")] {
        let platform = Platform::start(|_| Reply::json(200, &task("task-1", "pending"))).await;
        let variables = [
            (
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                match protocol {
                    "grpc" => collector.url.clone(),
                    _ => format!("{}/v1/metrics", collector.url),
                },
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "3600000".to_owned()),
            ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s".to_owned()),
        ];
        let variables = variables.each_ref().map(|(name, value)| (*name, &**value));
        let serving = Serving::before(&platform.base_url(), &variables).await;
        within("a task", client(&serving).get_task(get("task-1"))).await.expect("OK");
        serving.signal("TERM").await;
        assert_eq!(serving.ended().await, Some(0));
        let received = collector.received();
        assert_eq!((received.metrics.len(), received.spans.len()), (1, 0), "{protocol}");
        let of_resource = &received.metrics[0].resource_metrics[0];
        let resource = attributes(&of_resource.resource.as_ref().expect("a resource").attributes);
        assert_eq!(resource["service.name"], "xpander-grpc-proxy");
        let metrics = &of_resource.scope_metrics[0].metrics;
        let calls = metrics.iter().find(|metric| metric.name == "rpc.server.call.duration").expect("there");
        assert_eq!(calls.unit, "s");
        let Some(Data::Histogram(calls)) = &calls.data else { panic!("no histogram: {calls:?}") };
        assert_eq!(calls.data_points[0].count, 1);
        assert_eq!(attributes(&calls.data_points[0].attributes)["rpc.response.status_code"], "OK");
    }
}

#[tokio::test]
async fn a_collector_that_is_down_is_told_of_once_and_never_by_the_token_for_it() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=a-secret-token"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "20"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "trace"),
        ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"),
    ];
    let mut serving = Serving::sandbox(&variables).await;
    assert_eq!(Scrape::of(&serving.admin).await.value("xpander_calls_active", &[]), 0.0);
    let line = serving.line_with("name", "PeriodicReader.ExportError").await;
    assert_eq!(line["level"], Value::from("ERROR"));
    serving.run(&["get", "nope"]).await;
    let line = serving.line_with("name", "BatchSpanProcessor.ExportError").await;
    assert_eq!(line["level"], Value::from("ERROR"));
    // The last exports fail, too.
    let log = serving.whole_log().await;
    assert_eq!(
        (log.matches("PeriodicReader.ExportError").count(), log.matches("BatchSpanProcessor.ExportError").count()),
        (1, 1)
    );
    assert!(log.contains("\"h2::") && log.contains("drained"), "everything is logged");
    assert!(!log.contains("a-secret-token"));
}

/// Whoever answers chooses from nine hundred statuses, for each route: what is told of them is a closed set.
#[tokio::test]
async fn statuses_that_nobody_knows_are_told_by_their_class() {
    let platform = Platform::start(|request| {
        let status = request.task_id().strip_prefix("status-").and_then(|status| status.parse().ok());
        Reply::json(status.unwrap_or(500), &json!({}))
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    // On one connection: the process has files for few.
    let client = proxy.client();
    let calls = (200..1_000).map(|status| {
        let mut client = client.clone();
        async move { client.get_task(GetTaskRequest { task_id: format!("status-{status}") }).await.map(drop) }
    });
    for failed in within("the answers", futures_util::future::join_all(calls)).await {
        failed.expect_err("no task");
    }
    let Scrape(text) = Scrape::of(&proxy.admin).await;
    let of = |label: &str| -> BTreeSet<String> {
        let values = text.split(label).skip(1).filter_map(|rest| rest.split('"').nth(1));
        values.map(str::to_owned).collect()
    };
    let (statuses, errors) = (of("http_response_status_code="), of("error_type="));
    assert!(statuses.contains("404") && !statuses.contains("418") && statuses.len() <= 30, "{statuses:?}");
    assert!(errors.contains("4xx") && errors.contains("5xx") && errors.contains("_OTHER"), "{errors:?}");
    assert!(errors.len() < 40 && text.len() < 300_000, "{} bytes, {errors:?}", text.len());
}
