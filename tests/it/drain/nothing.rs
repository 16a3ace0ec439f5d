//! What has no call under way when the drain begins, and so holds nothing up: the drain here would last for ever.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::{Code, Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use crate::support::{
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    raw::{GOAWAY, HEADERS, Manners, PREFACE, Raw, SETTINGS, bytes, closed, socket},
    secure_caller::{Files, Secure},
    status::failure,
};

const FOR_EVER: Duration = Duration::from_hours(1);
/// A TLS record that holds a `ClientHello` of 512 bytes, and its beginning.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3, 0, 0, 0, 0, 0];

/// A proxy that waits for ever for whatever it waits for.
async fn proxy(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let mut settings = settings(&platform.base_url());
    settings.server.drain_timeout = FOR_EVER;
    settings.server.handshake_timeout = FOR_EVER;
    settings.server.keepalive_timeout = FOR_EVER;
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

fn is_told(status: Status) {
    let failure = failure(Err::<(), _>(status));
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"));
    assert_eq!(failure.retry_seconds, Some(1));
}

#[tokio::test]
async fn who_watches_health_hears_that_it_turns_and_then_a_status() {
    let (_platform, proxy) = proxy(|_| {}).await;
    let mut client = HealthClient::new(proxy.channel());
    let watched = client.watch(HealthCheckRequest { service: String::new() }).await.expect("OK");
    let mut watched = watched.into_inner();
    let first = within("a status", watched.message()).await.expect("OK").expect("a status");
    assert_eq!(first.status().as_str_name(), "SERVING");
    within("the proxy's end", proxy.over()).await;
    let turned = within("a change", watched.message()).await.expect("OK").expect("a status");
    assert_eq!(turned.status().as_str_name(), "NOT_SERVING");
    is_told(within("the end", watched.message()).await.expect_err("a status"));
}

#[tokio::test]
async fn a_reflection_stream_ends_with_a_status() {
    let (_platform, proxy) = proxy(|_| {}).await;
    let mut client = ServerReflectionClient::new(proxy.channel());
    let question = MessageRequest::ListServices(String::new());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    // The caller thinks of the next one.
    let questions = stream::iter([question]).chain(stream::pending());
    let answers = client.server_reflection_info(Request::new(questions)).await;
    let mut answers = answers.expect("OK").into_inner();
    within("an answer", answers.message()).await.expect("OK").expect("an answer");
    within("the proxy's end", proxy.over()).await;
    is_told(within("the end", answers.message()).await.expect_err("a status"));
}

/// A connection on which this was said, and nothing more.
async fn saying(proxy: &Proxy, words: &[u8]) -> TcpStream {
    let mut socket = socket(proxy).await;
    socket.write_all(words).await.expect("connected");
    socket
}

#[tokio::test]
async fn a_connection_that_has_not_said_its_first_words_is_closed() {
    let (_platform, proxy) = proxy(|_| {}).await;
    let mut sockets = [
        saying(&proxy, b"").await,
        saying(&proxy, &PREFACE[..10]).await,
        saying(&proxy, PREFACE).await,
        saying(&proxy, &[PREFACE, &bytes(SETTINGS, 0, 0, &[])[..5]].concat()).await,
    ];
    // Whoever is answered has come after them.
    proxy.client().get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await.expect("OK");
    within("the proxy's end", proxy.over()).await;
    for socket in &mut sockets {
        closed(socket).await;
    }
}

#[tokio::test]
async fn an_unfinished_tls_handshake_is_closed() {
    let mut files = None;
    let (_platform, proxy) = proxy(|settings| files = Some(Files::new(settings))).await;
    let caller: Secure = files.expect("made").nobody();
    let mut sockets = [saying(&proxy, b"").await, saying(&proxy, HALF_A_HELLO).await];
    // One that has shaken hands and says nothing.
    let mut silent = caller.connect(&proxy.grpc).await.expect("a handshake");
    within("the proxy's end", proxy.over()).await;
    for socket in &mut sockets {
        closed(socket).await;
    }
    closed(&mut silent).await;
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_where_no_call_of_its_goes_on() {
    let (_platform, proxy) = proxy(|_| {}).await;
    let mut silent = Raw::connect(&proxy, Manners::Mute).await;
    let mut answered = Raw::connect(&proxy, Manners::Mute).await;
    let (stream, call) = answered.call("GetTask", b"\x0a\x06task-1");
    answered.send(&call).await;
    answered.until("head and trailers", |heard| heard.of(HEADERS, stream) == 2).await;
    within("the proxy's end", proxy.over()).await;
    silent.is_closed().await;
    answered.is_closed().await;
}

/// It was told to leave before, for its age, and does not.
#[tokio::test]
async fn nor_does_one_that_was_told_to_leave_before() {
    let (_platform, proxy) = proxy(|settings| settings.server.max_connection_age = Duration::from_millis(50)).await;
    let mut silent = Raw::connect(&proxy, Manners::Mute).await;
    silent.heard(GOAWAY).await;
    within("the proxy's end", proxy.over()).await;
    silent.is_closed().await;
}
