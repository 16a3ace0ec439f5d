//! Callers that do not read: what they hold is given back in time, however politely they answer pings.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::AsyncWriteExt;

use super::{Busy, until_a_call_is_admitted};
use crate::support::{
    calls::follow,
    direct::frame,
    live::{Live, within},
    proxy::{Proxy, settings},
    raw::{DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, bytes, head, socket},
    status::failure,
};

const SOON: Duration = Duration::from_millis(300);

/// A caller that answers pings and takes heads, and no byte of a message.
async fn windowless(proxy: &Proxy) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    let connecting = builder.initial_window_size(0).handshake(socket(proxy).await);
    let (requests, connection) = connecting.await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    requests
}

/// Begins a call; its answer is held, and its message never taken.
async fn begin(requests: &SendRequest<Bytes>, method: &str, timeout: &str) -> http::Response<h2::RecvStream> {
    let request = http::Request::post(format!("http://proxy/xpander.agent.v1.AgentService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout);
    let mut requests = within("a connection", requests.clone().ready()).await.expect("open");
    let (answer, mut body) = requests.send_request(request.body(()).expect("a request"), false).expect("sent");
    body.send_data(Bytes::from(frame(b"\x0a\x06task-1")), true).expect("sent");
    let answer: ResponseFuture = answer;
    within("the head of an answer", answer).await.expect("a head")
}

#[tokio::test]
async fn a_stream_that_nobody_reads_gives_its_share_back_at_its_deadline() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_streams = 1;
    let proxy = Proxy::with(&settings).await;
    let requests = windowless(&proxy).await;
    let _unread = begin(&requests, "StreamEvents", "5S").await;
    live.chunk("unread");
    assert!(failure(proxy.client().stream_events(follow("task-1")).await).reason == "PROXY_OVERLOADED");
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
    super::until("a share", async || {
        // Admitted, and told by the platform that it has no second stream.
        failure(proxy.client().stream_events(follow("task-1")).await).reason != "PROXY_OVERLOADED"
    })
    .await;
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_no_shares() {
    let busy = Busy::with(|settings| settings.server.max_calls = 2).await;
    let requests = windowless(&busy.proxy).await;
    let mut unread = Vec::new();
    for _ in 0..10 {
        unread.push(begin(&requests, "GetTask", "1H").await);
    }
    until_a_call_is_admitted(&busy.proxy.client()).await;
}

/// Told to leave when it is idle, it does not; then it is cut off.
#[tokio::test]
async fn a_connection_with_answers_that_nobody_reads_does_not_live_for_ever() {
    let busy = Busy::with(|settings| settings.server.max_connection_idle = SOON).await;
    let mut builder = h2::client::Builder::new();
    let connecting = builder.initial_window_size(0).handshake::<_, Bytes>(socket(&busy.proxy).await);
    let (requests, connection) = connecting.await.expect("speaks HTTP/2");
    let connection = tokio::spawn(connection);
    // The first of the two times begins with the call's end, which its caller may hear of late.
    let begun = std::time::Instant::now();
    let _unread = begin(&requests, "GetTask", "1H").await;
    let _ = within("the connection's end", connection).await;
    assert!(begun.elapsed() >= 2 * SOON, "{:?}", begun.elapsed());
}

/// Its socket is full: not even a ping gets through, whose answer could be missed.
#[tokio::test]
async fn a_connection_that_reads_nothing_at_all_is_closed_in_time() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_streams = 1;
    (settings.server.keepalive_interval, settings.server.keepalive_timeout) = (SOON, SOON);
    let proxy = Proxy::with(&settings).await;
    let (read, mut write) = socket(&proxy).await.into_split();
    // Windows as wide as they can be.
    let settings = bytes(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let window = bytes(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    let call =
        [bytes(HEADERS, END_HEADERS, 1, &head("StreamEvents")), bytes(DATA, END_STREAM, 1, &frame(b"\x0a\x06task-1"))];
    let words = [PREFACE, &settings, &window, &call.concat()].concat();
    write.write_all(&words).await.expect("connected");
    (0..1_000).for_each(|_| live.chunk(&"x".repeat(64 << 10)));
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
    // It is seen in what is written: to read would let the proxy write again.
    let ping = bytes(PING, 0, 0, &[7; 8]);
    within("the connection's end", async {
        while write.write_all(&ping).await.is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
    })
    .await;
    drop(read);
}
