//! What was given in the environment is not repeated: by `--help`, by what is wrong with it, or by libraries that log.

use crate::support::{
    binary::{Serving, run},
    collector::Collector,
    live::within,
    platform::{Platform, Reply, event, task},
};
use xpander_grpc_proxy::proto::GetTaskRequest;

const SECRET: &str = "hunter2-secret";
/// The password as it is in a header, beside the user `me`.
const ENCODED: &str = "bWU6aHVudGVyMi1zZWNyZXQ=";

#[tokio::test]
async fn help_shows_no_value_of_the_environment() {
    let names = ["SERVER", "TOKEN_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE", "TOKEN"]
        .map(|name| format!("XPANDER_GRPC_{name}"));
    let environment: Vec<_> = names.iter().map(|name| (&**name, SECRET)).collect();
    for command in ["invoke", "events", "get", "wait", "stop", "health", "serve", "check", "sandbox", "demo"] {
        for flag in ["--help", "-h"] {
            let run = run(&[command, flag], &environment).await;
            assert!(!run.out.contains(SECRET) && !run.err.contains(SECRET), "{command}: {run:?}");
            run.good();
        }
    }
    let help = run(&["get", "--help"], &environment).await.good();
    assert!(help.contains("XPANDER_GRPC_SERVER") && help.contains("XPANDER_GRPC_TOKEN_FILE"), "{help}");
}

#[tokio::test]
async fn a_server_with_a_password_is_refused_without_it() {
    for server in
        [format!("http://me:{SECRET}@localhost:1"), format!("https://{SECRET}@localhost"), format!("me:{SECRET}@:x")]
    {
        for command in [&["get", "t"][..], &["health"], &["stop", "t", "--ca-file", "/nonexistent"]] {
            let run = run(command, &[("XPANDER_GRPC_SERVER", &server), ("XPANDER_GRPC_TOKEN", "t")]).await;
            assert_eq!(run.code, Some(2), "{run:?}");
            assert!(run.err.contains("--server") && !run.err.contains(SECRET) && run.out.is_empty(), "{run:?}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_told_without_it() {
    let names =
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];
    for endpoint in [
        "http://me:@@hunter2-secret@:x",
        "http://me:hunter2-secret @127.0.0.1:4317",
        "http://me:hunter2-secret@",
        "hunter2-secret",
        "http://me:hunter2-secret@127.0.0.1:99999",
        "http://me:hunter2-secret%@[::1",
        "http://me:hunter2-secret@ho st/",
        "http://me:hunter2-secret<@127.0.0.1",
    ] {
        for name in names {
            for protocol in ["grpc", "http/protobuf"] {
                let environment = [(name, endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
                let serve = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
                let run = run(&serve, &environment).await;
                assert!(!run.err.contains("hunter2") && !run.out.contains("hunter2"), "{endpoint} {protocol}: {run:?}");
                assert_eq!(run.code, Some(2), "{endpoint} {protocol}: {run:?}");
                assert!(run.err.contains(name), "{endpoint}: {run:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_password_in_an_endpoint_or_a_proxy_is_used_and_never_logged() {
    for (is_grpc, protocol) in [(true, "grpc"), (false, "http/protobuf")] {
        let collector = if is_grpc { Collector::grpc().await } else { Collector::http().await };
        let endpoint = collector.url.replace("http://", &format!("http://me:{SECRET}@"));
        let platform = Platform::start(|_| Reply::json(200, &task("task-1", "pending"))).await;
        // A forward proxy is asked like the platform itself where there is no TLS.
        let proxy = format!("http://me:{SECRET}@{}", platform.address);
        let serving = Serving::before(
            "http://platform.test",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_BSP_SCHEDULE_DELAY", "20"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
                ("HTTP_PROXY", &proxy),
                ("NO_PROXY", "127.0.0.1"),
                ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "trace"),
            ],
        )
        .await;
        let get = GetTaskRequest { task_id: "task-1".to_owned() };
        within("a task", serving.client().get_task(get)).await.expect("OK");
        collector.once(|received| !received.metrics.is_empty() && !received.spans.is_empty()).await;
        let received = collector.received();
        let basic = format!("Basic {ENCODED}");
        assert!(received.tokens.iter().all(|token| *token == basic), "{protocol}: {:?}", received.tokens);
        assert_eq!(platform.seen()[0].header("proxy-authorization"), Some(&*basic), "{protocol}");
        let log = serving.whole_log().await;
        assert!(log.contains("TRACE"), "it is the most there is");
        let leak = log.lines().find(|line| line.contains(SECRET) || line.contains(ENCODED));
        assert_eq!(leak, None, "{protocol}");
    }
}

#[tokio::test]
async fn what_nobody_sees_is_printed_escaped() {
    let hidden = "\u{200b}\u{200d}\u{202e}\u{2066}\u{2060}\u{feff}\u{ad}\u{61c}\u{e0001}\u{e0041}\u{e007f}\u{fe01}\u{e0100}\u{3164}\u{1b}\u{9b}";
    let mut answer = task("task-1", "completed");
    answer["result"] = format!("paid{hidden}.").into();
    answer["title"] = hidden.into();
    let stream = event("chunk", &hidden.into()) + &event("task_finished", &answer);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::events(&stream),
        false => Reply::json(200, &answer),
    })
    .await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    for command in [&["get", "task-1"][..], &["wait", "task-1"], &["events", "task-1", "--after", "1"]] {
        let text = serving.run(command).await.good();
        assert!(text.contains("paid\\u{200b}\\u{200d}\\u{202e}"), "{text}");
        assert!(!text.contains(|letter: char| hidden.contains(letter)), "{text:?}");
        let json = serving.run(&[command, &["--json"]].concat()).await;
        assert!(!json.out.contains(|letter: char| hidden.contains(letter)), "{:?}", json.out);
        let whole = hidden.trim_end_matches(char::is_control);
        let told = json.json().iter().any(|line| line.to_string().contains(whole));
        assert!(told, "what it says is the same");
    }
}
