//! Streams that are ended in the middle of what their callers have not taken: the data ends with a whole message, and the
//! status says with which event.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message;
use serde_json::json;
use tonic::{Code, Status};
use xpander_grpc_proxy::proto::StreamEventsResponse;

use crate::support::{
    direct::frame,
    live::within,
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    raw::socket,
    status::{Failure, failure},
};

/// A caller that takes this many bytes and then nothing, until its window is opened.
struct Stalled {
    body: h2::RecvStream,
}

impl Stalled {
    async fn begin(proxy: &Proxy, window: u32) -> Self {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(64 << 20);
        let (requests, connection) = builder.handshake(socket(proxy).await).await.expect("speaks HTTP/2");
        tokio::spawn(connection);
        let request = http::Request::post("http://proxy/xpander.agent.v1.AgentService/StreamEvents")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let mut requests = within("a connection", requests.ready()).await.expect("open");
        let (answer, mut body) = requests.send_request(request.body(()).expect("a request"), false).expect("sent");
        body.send_data(Bytes::from(frame(b"\x0a\x06task-1")), true).expect("sent");
        Self { body: within("a head", answer).await.expect("a head").into_body() }
    }

    /// Takes bytes up to this many, and does not say so.
    async fn take(&mut self, data: &mut Vec<u8>, most: usize) {
        while data.len() < most {
            let piece = within("data", self.body.data()).await.expect("not over").expect("not reset");
            data.extend_from_slice(&piece);
        }
    }

    /// Takes all the rest, and the trailers; None where it came too late for them.
    async fn rest(mut self, data: &mut Vec<u8>) -> Option<Failure> {
        self.body.flow_control().release_capacity(data.len()).expect("taken");
        while let Some(piece) = within("data", self.body.data()).await {
            let piece = piece.ok()?;
            data.extend_from_slice(&piece);
            self.body.flow_control().release_capacity(piece.len()).expect("taken");
        }
        let trailers = within("trailers", self.body.trailers()).await.ok()?.expect("a status");
        Some(failure(Err::<(), _>(Status::from_header_map(&trailers).expect("a status"))))
    }
}

/// The ids of whole messages, which are all there is.
fn ids(mut data: &[u8]) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<5>() {
        let size = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        assert!(rest.len() >= size, "half a message behind {ids:?}");
        let (message, behind) = rest.split_at(size);
        let event = StreamEventsResponse::decode(message).expect("a message").event.expect("an event");
        ids.push(event.event_id.expect("an id"));
        data = behind;
    }
    assert!(data.is_empty(), "half a head behind {ids:?}");
    ids
}

/// What callers with such windows got of a stream of events of this size that a drain has ended.
async fn drained(windows: &[u32], size: usize) -> Vec<(Vec<u8>, Option<Failure>)> {
    let events =
        (1..=400).map(|id| format!("id: {id}\n{}", event("chunk", &json!(format!("{id}{}", "x".repeat(size))))));
    let events = events.collect::<String>();
    let length = 10 * events.len();
    let stream =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{events}");
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::Silent(stream.clone().into()),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.server.drain_timeout = Duration::from_secs(1);
    let mut proxy = Proxy::with(&settings).await;
    let mut callers = Vec::new();
    for window in windows {
        let (mut caller, mut data) = (Stalled::begin(&proxy, *window).await, Vec::new());
        caller.take(&mut data, *window as usize).await;
        callers.push((caller, data));
    }
    proxy.shut_down();
    // They are given up: the platform's streams are dropped.
    within("the drain's end", platform.hung_up(windows.len())).await;
    let rests = callers.into_iter().map(async |(caller, mut data)| {
        let failure = caller.rest(&mut data).await;
        (data, failure)
    });
    join_all(rests).await
}

#[tokio::test]
async fn the_data_ends_with_the_message_that_the_status_names() {
    // In the middle of a message; behind a whole batch and nothing more; in a message that is larger than a frame.
    for (windows, size) in [(&[10_000, 20_000, 32_769, 50_000][..], 700), (&[10_000, 50_000], 40_000)] {
        let ends = loop {
            let ends = drained(windows, size).await;
            // A caller that is late has no trailers: a machine that is too busy for this once.
            if let Some(ends) =
                ends.into_iter().map(|(data, failure)| Some((data, failure?))).collect::<Option<Vec<_>>>()
            {
                break ends;
            }
        };
        for ((data, failure), window) in ends.into_iter().zip(windows) {
            assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"), "{window} {size}");
            let ids = ids(&data);
            let all: Vec<_> = (1..=ids.len()).map(|id| id.to_string()).collect();
            assert_eq!(ids, all, "{window} {size}");
            assert_eq!(Some(&failure.facts["last_event_id"]), ids.last(), "{window} {size}");
        }
    }
}
