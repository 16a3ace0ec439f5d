//! Compression between caller and proxy: gzip and zstd, both ways, unary and streams.

use serde_json::json;
use tonic::{Code, codec::CompressionEncoding};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest};

use crate::support::{
    calls::{follow, invoke},
    direct::{Direct, frame},
    live::{Followed, finished, result, within},
    platform::{Platform, Reply, event},
    proxy::Proxy,
};

/// A platform whose task has a long result.
async fn platform() -> Platform {
    Platform::with_agents(|request| match request.path.ends_with("/events") {
        true => Reply::events(&(event("chunk", &json!("one")) + &event("task_finished", &long("completed")))),
        false => Reply::json(200, &long("executing")),
    })
    .await
}

fn long(status: &str) -> serde_json::Value {
    finished(status, &"again and ".repeat(10_000))
}

#[tokio::test]
async fn requests_and_answers_are_compressed_as_the_caller_wishes() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for (encoding, name) in [(CompressionEncoding::Gzip, "gzip"), (CompressionEncoding::Zstd, "zstd")] {
        let mut client = proxy.client().send_compressed(encoding).accept_compressed(encoding);
        let prompt = "over and ".repeat(10_000);
        let request = InvokeRequest { prompt: prompt.clone(), ..invoke("agent-1") };
        let answer = within("an answer", client.invoke(request)).await.expect("OK");
        assert_eq!(answer.metadata().get("grpc-encoding").map(|name| name.as_bytes()), Some(name.as_bytes()));
        assert_eq!(answer.into_inner().task.expect("a task").result().len(), 100_000);
        let seen = platform.seen();
        assert_eq!(seen.last().map(|request| &request.body["input"]["text"]), Some(&json!(prompt)), "{name}");

        let stream = within("a stream", client.stream_events(follow("task-1"))).await.expect("OK");
        assert_eq!(stream.metadata().get("grpc-encoding").map(|name| name.as_bytes()), Some(name.as_bytes()));
        let events = Followed(stream.into_inner()).all().await;
        assert_eq!((events.len(), result(&events[1]).len()), (2, 100_000));
    }
}

#[tokio::test]
async fn nothing_is_compressed_for_a_caller_who_does_not_ask() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let request = GetTaskRequest { task_id: "task-1".to_owned() };
    let answer = proxy.client().get_task(request).await.expect("OK");
    assert!(answer.metadata().get("grpc-encoding").is_none_or(|name| name == "identity"));
}

#[tokio::test]
async fn what_is_small_and_what_is_a_stream_is_not_compressed_for_those_who_merely_accept_it() {
    let platform = Platform::with_agents(|request| match request.path.ends_with("/events") {
        true => Reply::events(&event("task_finished", &long("completed"))),
        false => Reply::json(200, &finished("executing", "short")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = proxy.client().accept_compressed(CompressionEncoding::Gzip);
    let answer = client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await.expect("OK");
    // As gRPC has it, the head names the encoding of the messages that are compressed; this one is not, by its flag.
    assert_eq!(answer.into_inner().task.expect("a task").result(), "short");
    let mut direct = Direct::connect(&proxy).await;
    let accepts = [("grpc-accept-encoding", "gzip")];
    let body = direct.first_bytes("GetTask", &accepts, frame(b"\x0a\x06task-1")).await;
    assert_eq!(body.first(), Some(&0), "the flag of a compressed message");
    let stream = within("a stream", client.stream_events(follow("task-1"))).await.expect("OK");
    assert!(stream.metadata().get("grpc-encoding").is_none());
}

#[tokio::test]
async fn an_encoding_it_does_not_know_is_unimplemented() {
    let platform = platform().await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut direct = Direct::connect(&proxy).await;
    let mut compressed = frame(b"\x0a\x06task-1");
    compressed[0] = 1;
    let status = within("an answer", direct.post("GetTask", &[("grpc-encoding", "snappy")], compressed)).await;
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    assert_eq!(platform.paths(), Vec::<String>::new());
}
