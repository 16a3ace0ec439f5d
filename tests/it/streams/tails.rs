//! A task that is over, and a platform that keeps its stream open: what it still brings is told, and not waited for for ever.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{sync::mpsc, time::interval};
use tonic::Request;
use xpander_grpc_proxy::proto::StreamEventsRequest;

use crate::support::{
    calls::{follow, invoke},
    course::story,
    live::{Followed, finished, within},
    platform::{Platform, Reply, event},
    proxy::Proxy,
};

/// This, then a piece every 300 ms for as long as somebody takes it.
fn pinging(first: String, ping: &'static str) -> Reply {
    let (send, pieces) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let _ = send.send(first.into_bytes());
        let mut beat = interval(Duration::from_millis(300));
        while send.send(ping.as_bytes().to_vec()).is_ok() {
            beat.tick().await;
        }
    });
    Reply::Stream(pieces)
}

async fn over(ping: &'static str) -> (Platform, Proxy) {
    let platform = Platform::with_agents(move |request| match request.path.ends_with("/events") {
        true => pinging(event("chunk", &json!("rest")), ping),
        false => Reply::json(200, &finished("completed", "read")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    (platform, proxy)
}

#[tokio::test]
async fn comments_do_not_keep_the_stream_of_a_finished_task_open() {
    for ping in [": ping\n\n", ":\n", "retry: 100\n\n", "event: ping\n\n"] {
        let (_platform, proxy) = over(ping).await;
        let request = StreamEventsRequest { last_event_id: "7".to_owned(), ..follow("task-1") };
        let begun = Instant::now();
        let followed = Followed::with(&mut proxy.client(), Request::new(request)).await;
        let events = within("the end", followed.all()).await;
        assert_eq!(story(&events), "rest stream_gap read", "{ping:?}");
        assert!(begun.elapsed() >= Duration::from_secs(1), "the rest was not waited for");
    }
}

#[tokio::test]
async fn nor_do_keep_alives_with_data() {
    for ping in ["event: ping\ndata: 7\n\n", "id: 7\n\n", "data:"] {
        let (_platform, proxy) = over(ping).await;
        let request = StreamEventsRequest { last_event_id: "6".to_owned(), ..follow("task-1") };
        let followed = Followed::with(&mut proxy.client(), Request::new(request)).await;
        let events = within("the end", followed.all()).await;
        assert_eq!(story(&events), "rest stream_gap read", "{ping:?}");
    }
}

#[tokio::test]
async fn an_invocation_whose_task_was_over_at_once_ends_too() {
    let (_platform, proxy) = over(": ping\n\n").await;
    let request =
        xpander_grpc_proxy::proto::InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let mut stream = proxy.client().invoke_stream(request).await.expect("a stream").into_inner();
    let mut messages = 0;
    while within("the next message", stream.message()).await.expect("OK").is_some() {
        messages += 1;
    }
    // The task, the rest, a gap, the end.
    assert_eq!(messages, 4);
}
