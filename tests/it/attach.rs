//! What the proxy attaches by itself: version pins, users whom a gateway names, and the caller as the principal. Each
//! only where the request says nothing itself, and for callers with the right alone.

mod pins;
mod principal;
mod trust;
mod users;

use serde_json::Value;
use xpander_grpc_proxy::{
    config::Settings,
    proto::{InvokeRequest, InvokeStreamRequest},
};

use crate::support::{
    callers::with,
    live::{finished, within},
    platform::{Platform, Reply, Seen, event, task},
    proxy::{Client, Proxy, settings},
};

/// A platform where the agent `by-name` has the id `by-id`, and a proxy before it with these settings.
async fn world(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    let platform = platform().await;
    let mut settings = settings(&platform.base_url());
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

async fn platform() -> Platform {
    Platform::start(|request| match &*request.path {
        "/agents/by-name" => Reply::json(200, &serde_json::json!({ "id": "by-id", "organization_id": "org-1" })),
        path if path.ends_with("/events") => Reply::events(&event("task_finished", &finished("completed", "done"))),
        path => match path.strip_prefix("/agents/") {
            Some(id) => Reply::json(200, &serde_json::json!({ "id": id, "organization_id": "org-1" })),
            None => Reply::json(200, &task("task-1", "executing")),
        },
    })
    .await
}

/// Invokes by both calls; the creates that the platform saw.
async fn creates(
    platform: &Platform,
    client: &mut Client,
    request: &InvokeRequest,
    metadata: &[(&'static str, &str)],
) -> [Seen; 2] {
    let before = platform.seen().len();
    within("an answer", client.invoke(with(request.clone(), metadata))).await.expect("OK");
    let both = InvokeStreamRequest { invocation: Some(request.clone()), heartbeat: None };
    within("a stream", client.invoke_stream(with(both, metadata))).await.expect("OK");
    let mut seen = platform.seen().split_off(before);
    seen.retain(|request| request.method == "POST");
    seen.try_into().expect("two creates")
}

/// The same: a part of the input of both, which is the same.
async fn input(
    platform: &Platform,
    client: &mut Client,
    request: &InvokeRequest,
    metadata: &[(&'static str, &str)],
    part: &str,
) -> Value {
    let [unary, stream] = creates(platform, client, request, metadata).await;
    assert_eq!(unary.body["input"], stream.body["input"]);
    unary.body["input"][part].clone()
}
