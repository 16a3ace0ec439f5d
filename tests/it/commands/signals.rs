//! Signals: the first one drains and exits 0, the second one exits at once.
use tonic::{Code, transport::Endpoint};
use xpander_grpc_proxy::proto::{InvokeStreamRequest, agent_service_client::AgentServiceClient};

use crate::support::{
    binary::{Serving, binary},
    calls::invoke,
    live::within,
    status::failure,
};

const AT_ONCE: (&str, &str) = ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s");

#[tokio::test]
async fn the_first_signal_drains_and_exits_0() {
    for signal in ["TERM", "INT"] {
        let mut serving = Serving::sandbox(&[AT_ONCE]).await;
        serving.run(&["health"]).await.good();
        serving.signal(signal).await;
        serving.line("drained").await;
        assert_eq!(serving.ended().await, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_held_stream_ends_with_a_hint_before_the_process_does() {
    let serving = Serving::sandbox(&[AT_ONCE, ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "300ms")]).await;
    let endpoint = Endpoint::new(serving.grpc.clone()).expect("a URL");
    let mut client = AgentServiceClient::new(endpoint.connect().await.expect("connects"));
    let request = InvokeStreamRequest { invocation: Some(invoke("slow")), heartbeat: None };
    let mut stream = client.invoke_stream(request).await.expect("a stream").into_inner();
    within("the task", stream.message()).await.expect("OK").expect("a task");
    serving.signal("TERM").await;
    let end = loop {
        match within("the stream's end", stream.message()).await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    let failure = failure(end);
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"));
    assert!(failure.retry_seconds.is_some() && failure.facts.contains_key("last_event_id"), "{failure:?}");
    assert_eq!(serving.ended().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_exits_at_once() {
    let mut serving = Serving::sandbox(&[("XPANDER_PROXY_SERVER__DRAIN_DELAY", "1h")]).await;
    serving.signal("TERM").await;
    serving.line("draining; a second signal exits at once").await;
    serving.signal("TERM").await;
    assert_eq!(serving.ended().await, Some(1));
}

#[tokio::test]
async fn sandbox_runs_until_it_is_told_to_stop() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let mut child = binary(&["sandbox", "--listen", "127.0.0.1:0"], &[]).spawn().expect("it runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    let line = within("its address", out.next_line()).await.expect("UTF-8").expect("a line");
    let url = line.strip_prefix("embedded platform at ").expect("its address").to_owned();
    // The client insists on one, though it speaks no TLS here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::Client::builder().no_proxy().build().expect("a client").get(format!("{url}/agents/echo"));
    assert_eq!(within("an answer", answer.send()).await.expect("an answer").status(), 401, "a key is needed");
    let id = child.id().expect("it runs").to_string();
    let sent = tokio::process::Command::new("kill").args(["-s", "TERM", &id]).status().await.expect("kill runs");
    assert!(sent.success());
    assert_eq!(within("its end", child.wait()).await.expect("it ran").code(), Some(0));
}

#[tokio::test]
async fn a_hang_up_and_the_users_signals_end_nothing_and_a_hang_up_looks_at_the_files() {
    let mut serving = Serving::sandbox(&[AT_ONCE]).await;
    for signal in ["HUP", "USR1", "USR2"] {
        serving.signal(signal).await;
        assert_eq!(serving.run(&["health"]).await.good(), "serving\n", "{signal}");
    }
    serving.line("SIGHUP: looking at the files").await;
    serving.signal("TERM").await;
    // While it drains, too.
    serving.signal("HUP").await;
    serving.line("drained").await;
    assert_eq!(serving.ended().await, Some(0));
}
