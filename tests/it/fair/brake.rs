//! What the platform asks with `retry-after` holds for all who use its key, for one kind of request, at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::{StreamExt, stream};
use serde_json::json;
use tonic::{Code, Request, metadata::MetadataValue};
use xpander_grpc_proxy::proto::{InvokeStreamRequest, WaitTaskRequest};

use super::{World, get, stop};
use crate::{
    load::{metric, until},
    support::{
        callers::with,
        calls::{follow, invoke},
        live::within,
        platform::{Platform, Reply, event, task},
        proxy::Proxy,
        status::{Failure, failure},
    },
};

/// A call that was not sent on, for at most so many seconds.
fn is_braked(failure: &Failure, reason: &str, most: u64) {
    let code = if reason == "PLATFORM_RATE_LIMITED" { Code::ResourceExhausted } else { Code::Unavailable };
    assert_eq!((failure.code, &*failure.reason), (code, reason), "{failure:?}");
    assert!(failure.retry_seconds.is_some_and(|left| left <= most), "{failure:?}");
    assert!(failure.message.contains("nothing was sent"), "{failure:?}");
}

#[tokio::test]
async fn of_a_thousand_creates_that_the_platform_has_no_room_for_it_sees_ten() {
    for (status, reason) in [(429, "PLATFORM_RATE_LIMITED"), (503, "PLATFORM_UNAVAILABLE")] {
        let world = World::with(|_| {}).await;
        let mut client = world.proxy.client();
        world.creates.becomes(status, 600);
        let first = failure(client.invoke(invoke("agent-0")).await);
        assert_eq!((&*first.reason, first.retry_seconds), (reason, Some(600)));
        let before = world.platform.seen().len();
        let calls = stream::iter(0..1_000).map(|nth| {
            let mut client = client.clone();
            async move { failure(within("an answer", client.invoke(invoke(&format!("agent-{nth}")))).await) }
        });
        let failures: Vec<_> = calls.buffer_unordered(50).collect().await;
        let braked = failures.iter().filter(|failure| failure.message.contains("nothing was sent"));
        assert_eq!(braked.inspect(|failure| is_braked(failure, reason, 600)).count(), 990);
        assert!(failures.iter().all(|failure| failure.facts["outcome"] == "not_created"));
        assert_eq!(world.seen("POST", ""), 11, "the first, and a hundredth of the others");
        assert_eq!(world.platform.seen().len(), before + 20, "nor are agents looked up for what is held");
        let streamed = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
        is_braked(&failure(client.invoke_stream(streamed).await), reason, 600);
        // Everything else goes on.
        client.get_task(get("task-1")).await.expect("OK");
        client.stream_events(follow("task-1")).await.expect("OK");
        client.stop_task(stop("task-1")).await.expect("OK");
    }
}

#[tokio::test]
async fn reads_and_streams_have_brakes_of_their_own_and_stops_have_none() {
    let world = World::with(|settings| settings.auth.tasks = xpander_grpc_proxy::config::Tasks::Agent).await;
    let mut client = world.proxy.client();
    world.reads.becomes(429, 600);
    assert_eq!(failure(client.get_task(get("task-1")).await).retry_seconds, Some(600));
    let before = world.platform.seen().len();
    is_braked(&failure(client.get_task(get("task-2")).await), "PLATFORM_RATE_LIMITED", 600);
    // What waits does not ask again and again meanwhile.
    let request =
        WaitTaskRequest { task_id: "task-3".to_owned(), timeout: Some(prost_types::Duration { seconds: 1, nanos: 0 }) };
    is_braked(&failure(within("its time", client.wait_task(request)).await), "PLATFORM_RATE_LIMITED", 600);
    assert_eq!(world.platform.seen().len(), before, "{:?}", world.platform.paths());
    client.stop_task(stop("task-1")).await.expect("a stop is never held");
    world.reads.becomes(200, 0);
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    world.streams.becomes(503, 600);
    assert_eq!(failure(client.stream_events(follow("task-1")).await).retry_seconds, Some(600));
    is_braked(&failure(client.stream_events(follow("task-1")).await), "PLATFORM_UNAVAILABLE", 600);
    assert_eq!(world.seen("GET", "/events"), 1);
    client.get_task(get("task-1")).await.expect("OK");
    client.invoke(invoke("agent-1")).await.expect("OK");
}

#[tokio::test]
async fn when_the_time_is_over_all_of_it_is_in_use_again() {
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    world.creates.becomes(429, 2);
    assert_eq!(failure(client.invoke(invoke("agent-1")).await).retry_seconds, Some(2));
    world.creates.becomes(200, 0);
    // A hundredth goes through before, and then all.
    let mut in_a_row = 0;
    until("the time to pass", async || {
        in_a_row = if client.invoke(invoke("agent-1")).await.is_ok() { in_a_row + 1 } else { 0 };
        in_a_row == 50
    })
    .await;
}

/// The stream breaks off, and what it is reopened with says for how long not to.
#[tokio::test]
async fn a_stream_is_reopened_no_sooner_than_the_platform_wishes() {
    let opened = AtomicUsize::new(0);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true if opened.fetch_add(1, Relaxed) == 0 => Reply::events(&event("chunk", &json!("one"))),
        true => Reply::Http(429, vec![("retry-after", "600".to_owned())], b"{}".to_vec()),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut stream = proxy.client().stream_events(follow("task-1")).await.expect("a stream").into_inner();
    stream.message().await.expect("OK").expect("an event");
    let end = within("its end", async {
        loop {
            if let Err(status) = stream.message().await {
                return failure(Err::<(), _>(status));
            }
        }
    })
    .await;
    assert_eq!((end.code, &*end.reason), (Code::Unavailable, "EVENT_STREAM_INTERRUPTED"));
    assert_eq!(metric(&proxy.admin, "xpander_stream_reconnects", "").await, "1");
}

#[tokio::test]
async fn a_callers_own_key_brakes_by_itself_alone() {
    let world = World::with(|settings| settings.auth.pass_through = true).await;
    let mut client = world.proxy.client();
    let of = |key: &'static str| with(invoke("agent-1"), &[("x-api-key", key), ("x-organization-id", "org-1")]);
    world.creates.becomes(429, 600);
    assert_eq!(failure(client.invoke(of("key-of-one")).await).retry_seconds, Some(600));
    world.creates.becomes(200, 0);
    is_braked(&failure(client.invoke(of("key-of-one")).await), "PLATFORM_RATE_LIMITED", 600);
    client.invoke(of("key-of-another")).await.expect("another key");
    client.invoke(invoke("agent-1")).await.expect("the proxy's own key");
    let mut read = Request::new(get("task-1"));
    read.metadata_mut().insert("x-api-key", MetadataValue::from_static("key-of-one"));
    client.get_task(read).await.expect("another kind");
}

/// A year is an hour: what is longer nobody can mean.
#[tokio::test]
async fn a_wait_of_a_year_is_cut() {
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    world.creates.becomes(429, u16::MAX);
    assert_eq!(failure(client.invoke(invoke("agent-1")).await).retry_seconds, Some(3_600));
    is_braked(&failure(client.invoke(invoke("agent-1")).await), "PLATFORM_RATE_LIMITED", 3_600);
}

/// A retry with its name creates as soon as the platform lets it.
#[tokio::test]
async fn a_create_with_a_name_that_was_held_is_free_again() {
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    world.creates.becomes(429, 4);
    let named = || xpander_grpc_proxy::proto::InvokeRequest { request_id: "5f0c1c3e".to_owned(), ..invoke("agent-1") };
    assert_eq!(failure(client.invoke(invoke("agent-1")).await).retry_seconds, Some(4));
    world.creates.becomes(200, 0);
    until("the time to pass", async || client.invoke(named()).await.is_ok()).await;
    let before = world.seen("POST", "");
    client.invoke(named()).await.expect("the same task");
    assert_eq!(world.seen("POST", ""), before);
}
