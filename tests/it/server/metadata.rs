//! Metadata: the request id, the deadline, and how much of it there may be.

use std::time::Duration;

use serde_json::json;
use tonic::{Code, Request, Status, metadata::MetadataMap};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeStreamRequest};

use crate::support::{
    calls::{follow, invoke},
    direct::{Direct, frame},
    live::{finished, within},
    platform::{Platform, Reply, event, task},
    proxy::{Client, Proxy},
    status::failure,
    time::Moment,
};

/// A platform where tasks are there, but for `nothing`.
async fn platform() -> Platform {
    Platform::with_agents(|request| match &*request.path {
        path if path.contains("/nothing") => Reply::json(404, &json!({ "detail": "Task not found" })),
        path if path.ends_with("/events") => Reply::events(&event("task_finished", &finished("completed", "done"))),
        _ => Reply::json(200, &task("task-1", "executing")),
    })
    .await
}

fn with_id<M>(message: M, id: Option<&str>) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(id) = id {
        request.metadata_mut().insert("x-request-id", id.parse().expect("ASCII"));
    }
    request
}

fn echoed(metadata: &MetadataMap) -> String {
    let ids: Vec<_> = metadata.get_all("x-request-id").iter().collect();
    assert_eq!(ids.len(), 1, "{metadata:?}");
    ids[0].to_str().expect("ASCII").to_owned()
}

fn get(id: &str) -> GetTaskRequest {
    GetTaskRequest { task_id: id.to_owned() }
}

/// The metadata of a success, of a failure, and of the beginning and the failure of a stream.
async fn answers(client: &mut Client, id: Option<&str>) -> Vec<String> {
    let good = client.get_task(with_id(get("task-1"), id)).await.expect("OK");
    let bad = client.get_task(with_id(get("nothing"), id)).await.expect_err("no such task");
    let invalid = client.get_task(with_id(get("../etc"), id)).await.expect_err("no id");
    let stream = client.stream_events(with_id(follow("task-1"), id)).await.expect("a stream");
    let refused: Status = client.stream_events(with_id(follow("nothing"), id)).await.expect_err("no such task");
    let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let both = client.invoke_stream(with_id(request, id)).await.expect("a stream");
    let maps = [good.metadata(), bad.metadata(), invalid.metadata(), stream.metadata(), refused.metadata()];
    maps.into_iter().chain([both.metadata()]).map(echoed).collect()
}

#[tokio::test]
async fn the_request_id_comes_back_on_successes_failures_and_streams_and_is_sent_on() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let ids = answers(&mut proxy.client(), Some("my-id/7")).await;
    assert_eq!(ids, ["my-id/7"; 6]);
    let seen = platform.seen();
    assert!(seen.len() >= 6);
    assert!(seen.iter().all(|request| request.header("x-request-id") == Some("my-id/7")), "{seen:?}");
}

#[tokio::test]
async fn where_there_is_none_or_a_useless_one_a_new_one_is_made_up_for_each_call() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let long = "x".repeat(129);
    for useless in [None, Some(""), Some("two words"), Some(&*long)] {
        let mut ids = answers(&mut proxy.client(), useless).await;
        assert!(ids.iter().all(|id| (1..=128).contains(&id.len()) && Some(&**id) != useless), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 6, "{useless:?}");
    }
    let sent = platform.seen();
    assert!(sent.iter().all(|request| request.header("x-request-id").is_some_and(|id| !id.contains(' '))));
}

#[tokio::test]
async fn a_deadline_is_kept_within_a_hundred_milliseconds() {
    let platform = Platform::start(|_| Reply::Silence).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let body = frame(&[b"\x0a\x06task-1".as_slice()].concat());
    for method in ["GetTask", "StopTask", "StreamEvents"] {
        let mut late = Vec::new();
        // The best of a few: a machine may be late by itself.
        for _ in 0..3 {
            let mut direct = Direct::connect(&proxy).await;
            let begun = Moment::now();
            let headers = [("grpc-timeout", "300m")];
            let status = within("the deadline", direct.post(method, &headers, body.clone())).await;
            assert_eq!(status.code(), Code::DeadlineExceeded, "{method}: {status:?}");
            assert!(begun.elapsed() >= Duration::from_millis(300), "before its time");
            late.push(begun.alone().saturating_sub(Duration::from_millis(300)));
        }
        assert!(late.iter().min() < Some(&Duration::from_millis(100)), "{method}: {late:?}");
    }
    within("the closing of every request", platform.hung_up(9)).await;
}

#[tokio::test]
async fn every_unit_of_a_deadline_is_understood() {
    let platform = Platform::start(|_| Reply::Silence).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut direct = Direct::connect(&proxy).await;
    for timeout in ["100m", "50000u", "50000000n", "0S", "1n"] {
        let body = frame(b"\x0a\x06task-1");
        let status = within("the deadline", direct.post("GetTask", &[("grpc-timeout", timeout)], body)).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{timeout}: {status:?}");
    }
}

#[tokio::test]
async fn a_deadline_that_is_none_is_refused_and_the_platform_is_not_asked() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut direct = Direct::connect(&proxy).await;
    for timeout in ["soon", "1", "123456789m", "-1S", "1.5S", ""] {
        let body = frame(b"\x0a\x06task-1");
        let status = within("an answer", direct.post("GetTask", &[("grpc-timeout", timeout)], body)).await;
        let failure = failure(Err::<(), _>(status));
        assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["grpc-timeout".to_owned()][..]));
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn too_much_metadata_is_refused_and_the_connection_goes_on() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = proxy.client();
    let mut request = Request::new(get("task-1"));
    for name in ["x-one", "x-two", "x-three"] {
        request.metadata_mut().insert(name, "x".repeat(10 << 10).parse().expect("ASCII"));
    }
    let refused = within("an answer", client.get_task(request)).await.expect_err("30 KiB are too much");
    assert_ne!(refused.code(), Code::Ok);
    assert_eq!(platform.paths(), Vec::<String>::new());
    let mut request = Request::new(get("task-1"));
    request.metadata_mut().insert("x-one", "x".repeat(10 << 10).parse().expect("ASCII"));
    within("an answer", client.get_task(request)).await.expect("10 KiB are not");
}

#[tokio::test]
async fn the_callers_credentials_are_not_passed_through() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut request = Request::new(get("task-1"));
    for (name, value) in [("x-api-key", "mine"), ("x-organization-id", "mine"), ("authorization", "Bearer mine")] {
        request.metadata_mut().insert(name, value.parse().expect("ASCII"));
    }
    proxy.client().get_task(request).await.expect("OK");
    let seen = &platform.seen()[0];
    assert_eq!(seen.header("x-api-key"), Some("key-under-test"));
    assert!(seen.headers.iter().all(|(_, value)| !value.contains("mine")), "{:?}", seen.headers);
}
