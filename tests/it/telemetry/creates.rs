//! What is told of creates whose outcome nobody knows: one line and one count for each, whoever waits for it.

use std::time::Duration;

use futures_util::future::join_all;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use tokio::{sync::Notify, task::JoinHandle};
use tonic::{Code, Status};
use xpander_grpc_proxy::proto::InvokeRequest;

use super::{client, metrics::Scrape};
use crate::support::{
    binary::Serving,
    calls::invoke,
    collector::Collector,
    live::within,
    platform::{Platform, Reply},
    status::failure,
};

const UNKNOWN: &str = "a create may have made a task: its outcome is unknown";
const COUNT: &str = "xpander_creates_unknown_total";

/// The name of the create, or none.
const NAMES: [&str; 2] = ["", "once"];

fn named(request_id: &str) -> InvokeRequest {
    InvokeRequest { request_id: request_id.into(), ..invoke("agent-1") }
}

/// A platform that takes creates and, once it is told, closes their connections without an answer.
async fn losing() -> (Platform, std::sync::Arc<Notify>) {
    let told = std::sync::Arc::new(Notify::new());
    let its_told = told.clone();
    let reply = move |_: &_| Reply::After(its_told.clone(), Box::new(Reply::Raw(Vec::new())));
    (Platform::with_agents(reply).await, told)
}

async fn has_a_create(platform: &Platform) {
    within("the create", async {
        while !platform.paths().iter().any(|path| path.starts_with("POST")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn calls(serving: &Serving, request_id: &'static str, count: usize) -> Vec<JoinHandle<Result<(), Status>>> {
    let client = client(serving);
    let calls = (0..count).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.invoke(named(request_id)).await.map(drop) })
    });
    calls.collect()
}

#[tokio::test]
async fn six_callers_of_one_lost_create_are_one_line_and_one_count() {
    let (platform, told) = losing().await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    let calls = calls(&serving, "once", 6);
    has_a_create(&platform).await;
    within("six callers", async { while Scrape::of(&serving.admin).await.value("xpander_calls_active", &[]) < 6.0 {} })
        .await;
    told.notify_one();
    for call in join_all(calls).await {
        let failure = failure(call.expect("no panic"));
        assert_eq!((failure.code, &*failure.reason), (Code::Unknown, "CREATE_OUTCOME_UNKNOWN"));
    }
    // One who comes later hears the same, and adds nothing.
    failure(within("an answer", client(&serving).invoke(named("once"))).await);
    assert_eq!(Scrape::of(&serving.admin).await.value(COUNT, &[]), 1.0);
    let log = serving.whole_log().await;
    assert_eq!((log.matches(UNKNOWN).count(), log.matches("a create failed").count()), (1, 0), "{log}");
}

#[tokio::test]
async fn a_create_that_is_lost_when_its_callers_have_left_is_one_line_and_one_count() {
    for (name, callers) in [(NAMES[0], 1), (NAMES[1], 3)] {
        let (platform, told) = losing().await;
        let mut serving = Serving::before(&platform.base_url(), &[]).await;
        let calls = calls(&serving, name, callers);
        has_a_create(&platform).await;
        calls.iter().for_each(JoinHandle::abort);
        for _ in 0..callers {
            let line = serving.line("call").await;
            assert_eq!((&line["end"], &line["outcome"]), (&"caller left".into(), &"unknown".into()), "{name}");
        }
        told.notify_one();
        let line = serving.line(UNKNOWN).await;
        assert_eq!((&line["level"], &line["callers"]), (&"WARN".into(), &0.into()), "{name}: {line:?}");
        let key = line.get("idempotency_key").and_then(|key| key.as_str());
        assert_eq!(key.unwrap_or_default(), name, "{line:?}");
        assert_eq!(Scrape::of(&serving.admin).await.value(COUNT, &[]), 1.0, "{name}");
        assert_eq!(serving.whole_log().await.matches(UNKNOWN).count(), 1, "{name}");
    }
}

/// Its caller hears that its outcome is unknown, and that is what the process's last lines and its last export say too.
#[tokio::test]
async fn a_create_that_the_drains_end_leaves_behind_is_one_line_and_one_count() {
    for name in NAMES {
        let collector = Collector::http().await;
        let metrics = format!("{}/v1/metrics", collector.url);
        let variables = [
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*metrics),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
            ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"),
            ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "300ms"),
        ];
        let platform = Platform::with_agents(|_| Reply::Silence).await;
        let serving = Serving::before(&platform.base_url(), &variables).await;
        let calls = calls(&serving, name, 1);
        has_a_create(&platform).await;
        let log = serving.whole_log().await;
        for call in calls {
            let failure = failure(call.await.expect("no panic"));
            assert_eq!((&*failure.reason, &*failure.facts["cause"]), ("CREATE_OUTCOME_UNKNOWN", "PROXY_DRAINING"));
        }
        assert_eq!(log.matches(UNKNOWN).count(), 1, "{name}: {log}");
        assert_eq!(exported(&collector), 1, "{name}");
    }
}

/// The count in the last export.
fn exported(collector: &Collector) -> i64 {
    let received = collector.received();
    let metrics = &received.metrics.last().expect("an export").resource_metrics[0].scope_metrics[0].metrics;
    let unknown = metrics.iter().find(|metric| metric.name == "xpander.creates.unknown").expect("there");
    let Some(Data::Sum(sum)) = &unknown.data else { panic!("no counter: {unknown:?}") };
    match sum.data_points[0].value {
        Some(Value::AsInt(count)) => count,
        ref other => panic!("no whole number: {other:?}"),
    }
}
