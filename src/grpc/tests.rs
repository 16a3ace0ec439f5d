//! What becomes of a call whose own code panics. No request makes it panic, so the work is the test's; all else of the
//! edge is real.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;

use super::{
    Auth, Parts, Server,
    connection::Connection,
    frames::{Encoding, Messages},
    guard::Guard,
    layers::Edge,
    sent::Sent,
    tls::Peer,
};
use crate::{
    calls::Calls,
    config::Settings,
    memory::Budget,
    platform::{Client, Keys},
    telemetry::{Call, Metrics},
};

async fn edge() -> Arc<Edge> {
    let settings = Settings::default();
    let budget = Budget::new(settings.server.max_buffered_bytes);
    let client = Client::new(&settings.platform, &settings.events, Arc::clone(&budget));
    let parts = Parts {
        calls: Calls::new(client, None, &settings),
        keys: Arc::new(Keys::new(&settings.platform).expect("connections")),
        auth: Arc::new(Auth::new(&settings.auth, false)),
        tls: None,
        metrics: Metrics::new(None).expect("metrics"),
        budget,
    };
    Server::new(&settings, parts).await.expect("descriptors").edge
}

/// A call of this method that has begun.
fn begin(edge: &Edge, method: &str) -> (Arc<Guard>, Call) {
    let path = format!("/xpander.agent.v1.AgentService/{method}");
    let call = Call::begin(&edge.metrics, &path, &HeaderMap::new());
    let connection = Arc::new(Connection::new(Peer::default(), edge));
    (Guard::new(Arc::clone(call.record()), connection, None, edge.budget.open()), call)
}

fn reason(status: &Status) -> (Code, String, Option<String>) {
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    (status.code(), info.reason.clone(), info.metadata.get("outcome").cloned())
}

#[tokio::test]
async fn a_call_that_panics_is_told_what_is_known_of_it() {
    let edge = edge().await;
    let internal = |outcome: Option<&str>| (Code::Internal, "INTERNAL".to_owned(), outcome.map(str::to_owned));
    for (method, outcome) in [("GetTask", None), ("Invoke", Some("not_created"))] {
        let (guard, _call) = begin(&edge, method);
        let work = async {
            tokio::task::yield_now().await;
            assert!(method.is_empty(), "a prompt");
        };
        assert_eq!(reason(&guard.race(work).await.expect_err("a panic")), internal(outcome), "{method}");
    }
}

/// One message, then a panic.
struct Panics(bool);

impl Messages for Panics {
    fn poll(&mut self, _: &mut Context<'_>, _: Option<Encoding>) -> Poll<Result<Bytes, Status>> {
        assert!(!std::mem::replace(&mut self.0, true), "an event");
        Poll::Ready(Ok(Bytes::from_static(b"a message")))
    }
}

#[tokio::test]
async fn a_stream_that_panics_ends_with_a_status_and_gives_its_share_back() {
    let edge = edge().await;
    let (guard, call) = begin(&edge, "StreamEvents");
    guard.admit(edge.limits.take(call.record().method()).expect("a share"));
    guard.answer().stream(Panics(false));
    // The head of a stream that has not ended; its own body sends nothing.
    let body = Body::new(http_body_util::Full::new(Bytes::from_static(b"tonic says nothing")));
    let mut sent = Sent::new(Arc::clone(&guard), call, &HeaderMap::new(), body);
    let mut next = async || poll_fn(|cx| Pin::new(&mut sent).poll_frame(cx)).await;
    let first = next().await.and_then(Result::ok).map(Frame::into_data);
    assert_eq!(first.and_then(Result::ok).as_deref(), Some(&b"a message"[..]));
    let last = next().await.and_then(Result::ok).map(Frame::into_trailers).and_then(Result::ok).expect("trailers");
    let status = Status::from_header_map(&last).expect("a status");
    assert_eq!(reason(&status), (Code::Internal, "INTERNAL".to_owned(), None));
    assert!(next().await.is_none());
    assert!(guard.share().is_none());
}
