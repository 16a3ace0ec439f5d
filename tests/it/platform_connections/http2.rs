//! A platform over HTTP/2 that lets in few requests at once on each connection, as balancers do: more go over more of
//! them, and none waits for a stream to end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{Request, Response, body::Frame, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use xpander_grpc_proxy::{config::Http2, proto::GetTaskRequest};

use crate::support::{
    live::{Followed, within},
    platform::{event, task},
    proxy::{Proxy, settings},
};

/// How many requests it lets in at once on a connection.
const AT_ONCE: u32 = 4;
const STREAMS: usize = 10;

/// The platform: event streams with one event and no end, and a task.
struct Narrow {
    base_url: String,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Narrow {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("bound"));
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Relaxed);
                let mut http2 = http2::Builder::new(TokioExecutor::new());
                http2.max_concurrent_streams(AT_ONCE);
                tokio::spawn(http2.serve_connection(TokioIo::new(socket), service_fn(answer)));
            }
        });
        Self { base_url, connections, accepting }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (kind, body) = if request.uri().path().ends_with("/events") {
        let first = Frame::data(Bytes::from(event("chunk", &json!("hi"))));
        let events = stream::iter([Ok(first)]).chain(stream::pending());
        ("text/event-stream", BodyExt::boxed(StreamBody::new(events)))
    } else {
        ("application/json", Full::new(Bytes::from(task("task-1", "executing").to_string())).boxed())
    };
    Ok(Response::builder().header("content-type", kind).body(body).expect("a response"))
}

#[tokio::test]
async fn streams_beyond_what_a_connection_carries_go_over_further_ones_and_no_call_waits_for_them() {
    let platform = Narrow::start().await;
    let mut settings = settings(&platform.base_url);
    (settings.platform.http2, settings.platform.http2_streams) = (Http2::PriorKnowledge, AT_ONCE);
    let proxy = Proxy::with(&settings).await;
    let mut followed = join_all((0..STREAMS).map(async |_| {
        let mut followed = Followed::begin(&mut proxy.client()).await;
        assert_eq!(followed.text().await, "hi");
        followed
    }))
    .await;
    let get = || GetTaskRequest { task_id: "task-1".to_owned() };
    within("an answer beside the streams", proxy.client().get_task(get())).await.expect("OK");

    // A stream that ends makes room: no further connection is made for the next one.
    let made = platform.connections.load(Relaxed);
    assert!(made >= STREAMS.div_ceil(4), "{made} connections");
    drop(followed.pop());
    followed.push(Followed::begin(&mut proxy.client()).await);
    within("an answer beside the streams", proxy.client().get_task(get())).await.expect("OK");
    assert!(platform.connections.load(Relaxed) <= made + 1, "{} connections", platform.connections.load(Relaxed));
}
