//! Calls of which the head has come and the message has not: their time counts from the head.

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tonic::Code;

use crate::support::{
    binary::Serving,
    direct::{Direct, frame},
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    status::failure,
};

const METHODS: [&str; 9] = [
    "Invoke",
    "InvokeStream",
    "StreamEvents",
    "GetTask",
    "WaitTask",
    "StopTask",
    "ListAgents",
    "ListTasks",
    "GetTaskActivity",
];

/// What has come of the message by then: nothing, the frame's head, or a part of what is in it.
const PARTS: [&[u8]; 3] = [b"", b"\0\0\0\0\x20", b"\0\0\0\0\x20\x0a\x07agent-1"];

async fn platform() -> Platform {
    Platform::with_agents(|request| Reply::json(200, &task(request.task_id(), "executing"))).await
}

/// These bytes, and no end.
fn unfinished(bytes: &'static [u8]) -> Body {
    let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(bytes))]);
    Body::from_stream(bytes.chain(stream::pending()))
}

#[tokio::test]
async fn a_deadline_passes_though_the_message_has_not_come() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut direct = Direct::connect(&proxy).await;
    for method in METHODS {
        for part in PARTS {
            let answer = direct.post_body(method, &[("grpc-timeout", "100m")], unfinished(part));
            let failure = failure::<()>(Err(within("an answer", answer).await));
            assert_eq!((failure.code, &*failure.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{method}");
            let outcome = method.starts_with("Invoke").then_some("not_created");
            assert_eq!(failure.facts.get("outcome").map(String::as_str), outcome, "{method}");
        }
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

/// Else it would create a task for a caller who has stopped waiting.
#[tokio::test]
async fn a_message_that_comes_behind_its_deadline_does_nothing() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut direct = Direct::connect(&proxy).await;
    for method in METHODS {
        let (send, late) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
        let late = stream::unfold(late, |mut late| async { late.recv().await.map(|bytes| (bytes, late)) });
        let answer = direct.post_body(method, &[("grpc-timeout", "100m")], Body::from_stream(late));
        let status = within("an answer", answer).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{method}");
        // The connection may have told the caller by now that nobody reads it.
        let _ = send.send(Ok(frame(b"\x0a\x07agent-1").into()));
        drop(send);
        // What comes next on the same connection is behind it.
        let next = direct.post("GetTask", &[], frame(b"\x0a\x04next")).await;
        assert_eq!(next.code(), Code::Ok, "{next:?}");
        let paths = platform.paths();
        assert!(paths.iter().all(|path| path.contains("/next/")), "{method}: {paths:?}");
    }
}

#[tokio::test]
async fn a_share_comes_back_at_the_deadline_though_the_message_has_not_come() {
    let platform = platform().await;
    let mut settings = settings(&platform.base_url());
    (settings.server.max_calls, settings.server.max_streams) = (1, 1);
    let proxy = Proxy::with(&settings).await;
    for method in METHODS {
        let mut direct = Direct::connect(&proxy).await;
        let held = direct.post_body(method, &[("grpc-timeout", "200m")], unfinished(b"")).await;
        assert_eq!(held.code(), Code::DeadlineExceeded, "{method}: {held:?}");
    }
}

#[tokio::test]
async fn a_drain_tells_a_call_whose_message_has_not_come() {
    let platform = platform().await;
    let environment = [("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"), ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "200ms")];
    let mut serving = Serving::before(&platform.base_url(), &environment).await;
    let direct = Direct::to(&serving.grpc).await;
    let calls = METHODS.map(|method| {
        let mut direct = direct.clone();
        tokio::spawn(async move { direct.post_body(method, &[], unfinished(b"")).await })
    });
    // Behind the heads on the same connection.
    let mut client = direct.client();
    client.get_task(xpander_grpc_proxy::proto::GetTaskRequest { task_id: "next".to_owned() }).await.expect("OK");
    serving.signal("TERM").await;
    for (method, call) in METHODS.iter().zip(calls) {
        let failure = failure::<()>(Err(within("an answer", call).await.expect("no panic")));
        assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"), "{method}");
    }
    let mut told: Vec<_> = Vec::new();
    for _ in METHODS {
        let line = serving.line_with("code", "UNAVAILABLE").await;
        assert_eq!((&line["reason"], &line["end"]), (&json!("PROXY_DRAINING"), &json!("drained")));
        told.push(line["method"].as_str().expect("a name").rsplit('/').next().expect("a name").to_owned());
    }
    told.sort();
    let mut all = METHODS.map(str::to_owned);
    all.sort();
    assert_eq!(told, all);
    assert_eq!(serving.ended().await, Some(0));
}
