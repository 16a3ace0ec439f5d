//! `/metrics` as Prometheus' own linter judges it.
//!
//! Passed over by a plain `cargo test`: `make envoy` installs what it needs and runs it.

use std::process::Stdio;

use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::{binary::Serving, envoy::tool, live::within};

#[tokio::test]
#[ignore = "needs promtool: make envoy"]
async fn promtool_has_nothing_to_say_about_the_metrics() {
    let serving = Serving::sandbox(&[]).await;
    // Calls of each kind, some of which fail.
    let made = serving.run(&["invoke", "hi", "--agent", "echo", "--events-streaming", "--json"]).await.json();
    let id = made[0]["task"]["id"].as_str().expect("an id");
    for call in ["get", "wait", "events", "stop"] {
        serving.run(&[call, id]).await.good();
    }
    serving.run(&["invoke", "hi", "--agent", "tools", "--stream"]).await.good();
    for failing in [&["get", "nothing"][..], &["events", "nothing"], &["invoke", "hi", "--agent", "http-503"]] {
        assert!(matches!(serving.run(failing).await.code, Some(5 | 6)), "{failing:?}");
    }
    let metrics = scrape(&serving).await;
    assert!(metrics.contains("rpc_server_call_duration"), "{metrics}");
    assert!(metrics.contains("http_client_request_duration"), "{metrics}");

    let mut promtool = Command::new(tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(metrics.as_bytes()).await.expect("it reads");
    drop(input);
    let said = within("promtool's end", promtool.wait_with_output()).await.expect("it ran");
    let text = [&said.stdout[..], &said.stderr].map(String::from_utf8_lossy).concat();
    assert_eq!((said.status.code(), text.trim()), (Some(0), ""), "{metrics}");
}

async fn scrape(serving: &Serving) -> String {
    // The client insists on one, though it speaks no TLS here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = within("the metrics", client.get(format!("{}/metrics", serving.admin)).send()).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.text().await.expect("a text")
}
