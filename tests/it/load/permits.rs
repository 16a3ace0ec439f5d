//! Shares: so many calls and so many streams at once, over all connections, each held as long as it goes on.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tonic::{Code, Request, Streaming};
use xpander_grpc_proxy::proto::{InvokeRequest, InvokeStreamRequest, StreamEventsResponse, WaitTaskRequest};

use super::{Busy, get, is_shed, until, until_a_call_is_admitted};
use crate::support::{
    calls::{follow, invoke},
    direct::Direct,
    live::within,
    proxy::{Client, Proxy},
    status::failure,
    time::SOME_TIME,
};

fn invoke_stream(agent_id: &str) -> InvokeStreamRequest {
    InvokeStreamRequest { invocation: Some(invoke(agent_id)), heartbeat: None }
}

fn wait(task_id: &str) -> WaitTaskRequest {
    WaitTaskRequest { task_id: task_id.to_owned(), timeout: None }
}

/// Follows until a stream is admitted; the others are shed.
async fn until_a_stream_is_admitted(proxy: &Proxy) -> Streaming<StreamEventsResponse> {
    within("a share of the streams", async {
        loop {
            match proxy.client().stream_events(follow("task-1")).await {
                Ok(stream) => return stream.into_inner(),
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

fn spawn_invoke(client: &Client, request: impl tonic::IntoRequest<InvokeRequest>) -> JoinHandle<Result<(), Code>> {
    let (mut client, request) = (client.clone(), request.into_request());
    tokio::spawn(async move { client.invoke(request).await.map(drop).map_err(|status| status.code()) })
}

#[tokio::test]
async fn the_stream_too_many_is_refused_on_whatever_connection_and_reaches_nobody() {
    let busy = Busy::with(|settings| settings.server.max_streams = 2).await;
    let (mut one, mut other) = (busy.proxy.client(), busy.proxy.client());
    let _held = one.stream_events(follow("task-1")).await.expect("the first share");
    let _held_too = other.invoke_stream(invoke_stream("agent-1")).await.expect("the second share");
    busy.has_seen("/events", 2).await;
    busy.has_seen("/status", 2).await;
    let before = busy.platform.paths().len();
    for mut client in [one.clone(), other, busy.proxy.client()] {
        let refused = failure(within("an answer", client.stream_events(follow("task-2"))).await);
        is_shed(&refused, "server.max_streams");
        assert_eq!(refused.facts.get("outcome"), None, "it creates nothing");
        let refused = failure(within("an answer", client.invoke_stream(invoke_stream("agent-2"))).await);
        is_shed(&refused, "server.max_streams");
        assert_eq!((&*refused.facts["outcome"], refused.pushback.as_deref()), ("not_created", Some("1000")));
    }
    assert_eq!(busy.platform.paths().len(), before, "{:?}", busy.platform.paths());
    // Calls have shares of their own.
    one.get_task(get("task-1")).await.expect("OK");
    one.invoke(invoke("agent-1")).await.expect("OK");
}

#[tokio::test]
async fn the_call_too_many_is_refused_on_whatever_connection_and_reaches_nobody() {
    let busy = Busy::with(|settings| settings.server.max_calls = 2).await;
    let (mut one, mut other) = (busy.proxy.client(), busy.proxy.client());
    let (mut getting, mut getting_too) = (one.clone(), other.clone());
    let _held = tokio::spawn(async move { getting.get_task(get("held")).await.map(drop) });
    let _held_too = tokio::spawn(async move { getting_too.get_task(get("held-too")).await.map(drop) });
    busy.has_seen("held", 2).await;
    let before = busy.platform.paths().len();
    for client in [&mut one, &mut other, &mut busy.proxy.client()] {
        let refused = failure(within("an answer", client.invoke(invoke("agent-1"))).await);
        is_shed(&refused, "server.max_calls");
        assert_eq!((&*refused.facts["outcome"], refused.pushback.as_deref()), ("not_created", Some("1000")));
        let refused = failure(within("an answer", client.get_task(get("task-1"))).await);
        is_shed(&refused, "server.max_calls");
        assert_eq!(refused.facts.get("outcome"), None);
    }
    assert_eq!(busy.platform.paths().len(), before, "{:?}", busy.platform.paths());
    // Streams have shares of their own, and so have those who wait.
    within("a stream", one.stream_events(follow("task-1"))).await.expect("a stream");
    let done = WaitTaskRequest { timeout: Some(prost_types::Duration::default()), ..wait("task-1") };
    within("an answer", one.wait_task(done)).await.expect("OK");
}

#[tokio::test]
async fn a_calls_share_comes_back_with_its_answer() {
    let busy = Busy::with(|settings| settings.server.max_calls = 1).await;
    let mut client = busy.proxy.client();
    let call = spawn_invoke(&client, invoke("held"));
    busy.has_seen("POST", 1).await;
    is_shed(&failure(client.get_task(get("task-1")).await), "server.max_calls");
    busy.go_on.notify_one();
    assert_eq!(within("the answer", call).await.expect("no panic"), Ok(()));
    until_a_call_is_admitted(&client).await;
}

#[tokio::test]
async fn a_reads_share_comes_back_when_its_caller_leaves() {
    let busy = Busy::with(|settings| settings.server.max_calls = 1).await;
    let client = busy.proxy.client();
    for request in [get("held-get"), get("held-again")] {
        let (mut getting, id) = (client.clone(), request.task_id.clone());
        let call = tokio::spawn(async move { getting.get_task(request).await.map(drop) });
        busy.has_seen(&id, 1).await;
        call.abort();
        until_a_call_is_admitted(&client).await;
    }
}

/// Else callers that create and leave would have any number of creates under way.
#[tokio::test]
async fn a_creates_share_is_held_until_the_platform_answers_though_its_caller_left() {
    let busy = Busy::with(|settings| settings.server.max_calls = 1).await;
    let mut client = busy.proxy.client();
    let named = InvokeRequest { request_id: "5f0c1c3e-6d1a-4b64-9d5e-0c6f8b1f2a33".to_owned(), ..invoke("held") };
    for (count, request) in [invoke("held"), named].into_iter().enumerate() {
        let call = spawn_invoke(&client, request);
        busy.has_seen("POST", count + 1).await;
        call.abort();
        assert!(call.await.expect_err("under way").is_cancelled());
        // Long enough for the reset to arrive.
        for _ in 0..20 {
            is_shed(&failure(client.get_task(get("task-1")).await), "server.max_calls");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        busy.go_on.notify_one();
        until_a_call_is_admitted(&client).await;
    }
}

#[tokio::test]
async fn a_creates_share_is_held_until_the_platform_answers_though_its_deadline_passed() {
    let busy = Busy::with(|settings| (settings.server.max_calls, settings.server.max_streams) = (1, 1)).await;
    let mut client = Direct::connect(&busy.proxy).await.client();
    let mut request = Request::new(invoke("held"));
    request.set_timeout(SOME_TIME);
    assert_eq!(failure(client.invoke(request).await).code, Code::DeadlineExceeded);
    let mut request = Request::new(invoke_stream("held"));
    request.set_timeout(SOME_TIME);
    assert_eq!(failure(client.invoke_stream(request).await).code, Code::DeadlineExceeded);
    is_shed(&failure(client.get_task(get("task-1")).await), "server.max_calls");
    is_shed(&failure(client.stream_events(follow("task-1")).await), "server.max_streams");
    busy.has_seen("POST", 2).await;
    busy.go_on.notify_one();
    busy.go_on.notify_one();
    until_a_call_is_admitted(&busy.proxy.client()).await;
    until_a_stream_is_admitted(&busy.proxy).await;
}

/// The follower that serves all who wait holds nobody's share.
#[tokio::test]
async fn a_waiter_that_leaves_gives_its_share_back_though_others_still_wait() {
    let busy = Busy::with(|settings| settings.server.max_waits = 2).await;
    let waits: Vec<_> = (0..2)
        .map(|_| {
            let mut client = busy.proxy.client();
            tokio::spawn(async move { client.wait_task(wait("task-1")).await.map(drop) })
        })
        .collect();
    let mut client = busy.proxy.client();
    until("both to wait", async || busy.metric("xpander_waits_active", "").await == "2").await;
    is_shed(&failure(client.wait_task(wait("task-1")).await), "server.max_waits");
    // They take no room of short calls.
    client.get_task(get("task-1")).await.expect("OK");
    waits[0].abort();
    until("a place", async || {
        let done = WaitTaskRequest { timeout: Some(prost_types::Duration::default()), ..wait("task-1") };
        client.clone().wait_task(done).await.is_ok()
    })
    .await;
    assert!(!waits[1].is_finished());
}

#[tokio::test]
async fn a_streams_share_is_held_for_its_life_and_comes_back_however_it_ends() {
    let busy = Busy::with(|settings| settings.server.max_streams = 1).await;
    let mut stream = until_a_stream_is_admitted(&busy.proxy).await;
    let mut client = busy.proxy.client();
    // Silent for long, and still held.
    assert!(tokio::time::timeout(Duration::from_millis(300), stream.message()).await.is_err());
    is_shed(&failure(client.stream_events(follow("task-1")).await), "server.max_streams");
    // Its caller leaves.
    drop(stream);
    drop(until_a_stream_is_admitted(&busy.proxy).await);
    // Its caller's deadline passes.
    let direct = Direct::connect(&busy.proxy).await;
    until("a deadline that passes in the stream", async || {
        let mut request = Request::new(follow("task-1"));
        request.set_timeout(SOME_TIME);
        match direct.client().stream_events(request).await {
            Ok(stream) => failure(stream.into_inner().message().await).code == Code::DeadlineExceeded,
            Err(_) => false,
        }
    })
    .await;
    drop(until_a_stream_is_admitted(&busy.proxy).await);
    // It cannot be opened.
    until("a refusal", async || {
        failure(client.clone().stream_events(follow("..")).await).code == Code::InvalidArgument
    })
    .await;
    drop(until_a_stream_is_admitted(&busy.proxy).await);
}

#[tokio::test]
async fn a_streams_share_comes_back_with_its_end() {
    let live = crate::support::live::Live::executing().await;
    let mut settings = crate::support::proxy::settings(&live.platform.base_url());
    settings.server.max_streams = 1;
    let proxy = Arc::new(Proxy::with(&settings).await);
    let mut followed = crate::support::live::Followed::begin(&mut proxy.client()).await;
    is_shed(&failure(proxy.client().stream_events(follow("task-1")).await), "server.max_streams");
    let end = crate::support::live::finished("completed", "done");
    live.becomes(end.clone());
    live.send(crate::support::platform::event("task_finished", &end));
    followed.next().await;
    followed.is_over().await;
    until_a_stream_is_admitted(&proxy).await;
}
