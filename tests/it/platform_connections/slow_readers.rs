//! Callers that open streams and read nothing, over one connection to the platform: each slows its own stream alone.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tonic::{Streaming, transport::Endpoint};
use xpander_grpc_proxy::{
    config::Http2,
    proto::{StreamEventsResponse, agent_service_client::AgentServiceClient},
};

use super::get;
use crate::support::{
    calls::{follow, invoke},
    frames::{Act, Frames, json},
    live::within,
    platform::{event, task},
    proxy::{Proxy, settings},
};

/// A platform whose streams never end, in these frames.
async fn platform(frames: Vec<Bytes>) -> Frames {
    Frames::start(move |asked| match asked.path.as_str() {
        path if path.ends_with("/events") => Act::Endless(frames.clone()),
        path if path.starts_with("/agents/") => json(&json!({ "id": "agent-1" })),
        _ => json(&task("task-1", "executing")),
    })
    .await
}

async fn proxy(platform: &Frames) -> Proxy {
    let mut settings = settings(&platform.base_url());
    settings.platform.http2 = Http2::PriorKnowledge;
    settings.platform.request_timeout = Duration::from_mins(1);
    Proxy::with(&settings).await
}

/// A caller that opens a stream on a connection of its own, and never reads.
async fn slow(proxy: &Proxy) -> Streaming<StreamEventsResponse> {
    let channel = Endpoint::new(proxy.grpc.clone()).expect("a URL").connect_lazy();
    let mut client = AgentServiceClient::new(channel);
    within("a stream", client.stream_events(follow("task-1"))).await.expect("a stream").into_inner()
}

/// All that another caller wants is done at once.
async fn check_the_others(proxy: &Proxy) {
    let mut client = proxy.client();
    for _ in 0..3 {
        within("an answer", client.get_task(get())).await.expect("a read");
        within("an answer", client.invoke(invoke("agent-1"))).await.expect("a create");
    }
    let mut followed = slow(proxy).await;
    within("an event", followed.message()).await.expect("OK").expect("an event");
}

#[tokio::test]
async fn callers_that_read_nothing_hold_up_nobody_else_and_cost_little_memory() {
    for count in [3, 40] {
        let chunk = Bytes::from(event("chunk", &json!("x".repeat(16 << 10))));
        let platform = platform(vec![chunk]).await;
        let proxy = proxy(&platform).await;
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(slow(&proxy).await);
        }
        platform.stands_still().await;
        check_the_others(&proxy).await;
        // Their own windows are of 2 MiB, as hyper makes them; what waits in the proxy is less than one more.
        let each = platform.written() / count;
        assert!(each < 4 << 20, "{each} bytes of each of {count} streams");
    }
}

#[tokio::test]
async fn small_frames_that_nobody_reads_do_not_end_the_connection() {
    let data = event("chunk", &json!("x"));
    let data = data.trim_end().to_owned();
    for frames in [
        vec!["id: 7\n".to_owned(), "event: chunk\n".to_owned(), format!("{data}\n"), "\n".to_owned()],
        // Each field and each line end by itself.
        vec!["id:".to_owned(), " 7".to_owned(), "\n".to_owned(), format!("{data}\n"), "\n".to_owned()],
        vec![": hb\n".to_owned(), format!("{data}\n\n")],
    ] {
        let platform = platform(frames.into_iter().map(Bytes::from).collect()).await;
        let proxy = proxy(&platform).await;
        let _held = [slow(&proxy).await, slow(&proxy).await];
        platform.stands_still().await;
        check_the_others(&proxy).await;
        assert_eq!(platform.ended(), 0, "it was ended");
    }
}
