//! Shedding: at once, told in the log and the metrics, without harm to what was admitted; health is never shed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::mpsc;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use xpander_grpc_proxy::proto::{InvokeStreamRequest, agent_service_client::AgentServiceClient};

use super::{Busy, STREAM, is_shed};
use crate::support::{
    binary::Serving,
    calls::{follow, invoke},
    live::{Followed, finished, result, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::failure,
    time::Moment,
};

const AT_ONCE: Duration = Duration::from_millis(10);

type Streams = Arc<Mutex<Vec<mpsc::UnboundedSender<Vec<u8>>>>>;

/// A platform whose streams the test writes, all alike.
async fn writable() -> (Platform, Streams) {
    let streams = Streams::default();
    let opened = Arc::clone(&streams);
    let platform = Platform::with_agents(move |request| match request.path.ends_with("/events") {
        true => {
            let (write, pieces) = mpsc::unbounded_channel();
            opened.lock().expect("no panic").push(write);
            Reply::Stream(pieces)
        }
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    (platform, streams)
}

fn write(streams: &Streams, piece: &str) {
    for stream in &*streams.lock().expect("no panic") {
        stream.send(piece.as_bytes().to_vec()).expect("it is read");
    }
}

/// 200 streams are under way; the 1,000 calls too many are answered within 10 ms, and the 200 go on to their ends.
#[tokio::test]
async fn what_is_too_much_is_refused_within_ten_milliseconds_and_harms_nothing() {
    const ADMITTED: usize = 200;
    let (platform, streams) = writable().await;
    let mut settings = settings(&platform.base_url());
    settings.server.max_streams = 200;
    let proxy = Proxy::with(&settings).await;
    let clients = [proxy.client(), proxy.client()];
    let followed = (0..ADMITTED).map(|nth| {
        let mut client = clients[nth % 2].clone();
        async move { Followed::begin(&mut client).await }
    });
    let mut followed = join_all(followed).await;
    let before = platform.paths().len();
    let client = proxy.client();
    let mut times = Vec::new();
    for nth in 0..250 {
        if nth % 50 == 0 {
            write(&streams, &event("chunk", &json!("x")));
        }
        // Four at a time.
        let calls = (0..4).map(|_| {
            let mut client = client.clone();
            async move {
                let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
                let begun = Moment::now();
                let refused = client.invoke_stream(request).await;
                (begun.alone(), failure(refused))
            }
        });
        for (time, refused) in join_all(calls).await {
            is_shed(&refused, "server.max_streams");
            times.push(time);
        }
    }
    times.sort();
    assert!(times[times.len() / 2] < AT_ONCE, "median {:?}, slowest {:?}", times[500], times[999]);
    assert_eq!(platform.paths().len(), before, "nothing reaches the platform");
    write(&streams, &event("task_finished", &finished("completed", "done")));
    for followed in &mut followed {
        for _ in 0..5 {
            assert_eq!(followed.text().await, "x");
        }
        assert_eq!(result(&followed.next().await), "done");
        followed.is_over().await;
    }
}

#[tokio::test]
async fn health_and_reflection_are_never_shed() {
    let busy = Busy::with(|settings| (settings.server.max_calls, settings.server.max_streams) = (1, 1)).await;
    let mut client = busy.proxy.client();
    let mut getting = client.clone();
    let _held = tokio::spawn(async move { getting.get_task(super::get("held")).await.map(drop) });
    let _stream = client.stream_events(follow("task-1")).await.expect("the one share");
    busy.has_seen("held", 1).await;
    is_shed(&failure(client.get_task(super::get("task-1")).await), "server.max_calls");
    is_shed(&failure(client.stream_events(follow("task-1")).await), "server.max_streams");
    let mut health = HealthClient::new(busy.proxy.channel());
    for _ in 0..10 {
        health.check(HealthCheckRequest::default()).await.expect("OK");
        let watched = health.watch(HealthCheckRequest::default()).await.expect("OK");
        within("a status", watched.into_inner().message()).await.expect("OK").expect("a status");
    }
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(busy.proxy.channel());
    let answers = reflection.server_reflection_info(futures_util::stream::iter([question])).await.expect("OK");
    within("an answer", answers.into_inner().message()).await.expect("OK").expect("an answer");
}

#[tokio::test]
async fn the_log_and_the_metrics_tell_of_what_was_shed() {
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true => Reply::Silent(STREAM.into()),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let mut serving = Serving::before(&platform.base_url(), &[("XPANDER_PROXY_SERVER__MAX_STREAMS", "1")]).await;
    let endpoint = tonic::transport::Endpoint::new(serving.grpc.clone()).expect("a URL");
    let mut client = AgentServiceClient::new(endpoint.connect().await.expect("connects"));
    let _held = client.stream_events(follow("task-1")).await.expect("the one share");
    is_shed(&failure(client.stream_events(follow("task-2")).await), "server.max_streams");
    let line = serving.line("call").await;
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    assert_eq!((word("end"), word("code")), ("shed".to_owned(), "RESOURCE_EXHAUSTED".to_owned()), "{line:?}");
    assert_eq!(word("method"), "xpander.agent.v1.AgentService/StreamEvents");
    assert_eq!(word("limit"), "server.max_streams");
    let labels = "StreamEvents\",xpander_reason=\"server.max_streams\"";
    assert_eq!(super::metric(&serving.admin, "xpander_calls_shed", labels).await, "1");
}
