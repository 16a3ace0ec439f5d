//! Requests that are on their way in, over all calls together: their bytes are bounded, whoever is refused is told at once,
//! and few large ones keep no small one out.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use h2::{SendStream, client::ResponseFuture};
use http::Request;
use prost::Message as _;
use tokio::{net::TcpStream, sync::Notify, task::JoinSet};
use tonic::{Code, Status};
use xpander_grpc_proxy::proto::{InvokeRequest, InvokeStreamRequest};

use super::{MB, Process, platform, zipped};
use crate::{
    load::{metric, until},
    support::{
        calls::invoke,
        direct::{Direct, frame},
        live::within,
        platform::{Platform, Reply, task},
        proxy::{Proxy, settings},
        status::failure,
    },
};

/// How many bytes requests may have.
const ROOM: (&str, &str) = ("XPANDER_PROXY_SERVER__MAX_RECEIVING_BYTES", "8388608");

/// A call whose message says that it has so many bytes, with its answer to come, and the way to send them.
async fn begin(grpc: &str, headers: &[(&str, String)], size: usize) -> (ResponseFuture, SendStream<Bytes>) {
    let socket = TcpStream::connect(grpc.trim_start_matches("http://")).await.expect("connects");
    let (requests, connection) = h2::client::handshake(socket).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    let mut request = Request::post("http://proxy/xpander.agent.v1.AgentService/GetTask")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let mut requests = requests.ready().await.expect("a stream");
    let (answer, mut body) = requests.send_request(request.body(()).expect("a request"), false).expect("sent");
    let size = u32::try_from(size).expect("a size").to_be_bytes();
    body.send_data(Bytes::from([&[0], &size[..]].concat()), false).expect("sent");
    (answer, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_end_hold_no_more_than_there_is_room_and_keep_no_small_one_out() {
    const CALLERS: usize = 40;
    const SIZE: usize = 4 * MB;
    let process = Process::with(platform(|| Reply::Silence, || Reply::Silence).await, &[ROOM]).await;
    let callers = join_all((0..CALLERS).map(|_| begin(process.grpc(), &[], SIZE + 1))).await;
    let (answers, mut bodies): (FuturesUnordered<_>, Vec<_>) = callers.into_iter().unzip();
    for body in &mut bodies {
        body.send_data(Bytes::from(vec![b'x'; SIZE]), false).expect("sent");
    }
    // There is room for one.
    let refused: Vec<_> = within("refusals", answers.take(CALLERS - 1).collect::<Vec<_>>()).await;
    for head in refused {
        is_full(&head.expect("a refusal"));
    }
    assert_eq!(process.get("well").await.expect("it is small").id, "well");
    assert!(process.peak() < 40 * MB, "{} MB", process.peak() / MB);
    // It is given back.
    drop(bodies);
    let admin = process.admin();
    until("room", async || metric(admin, "xpander_requests_size_bytes", "").await == "0").await;
}

/// What is announced costs nothing before it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_announced_takes_no_room_before_it_comes() {
    const CALLERS: usize = 100;
    let process = Process::before(platform(|| Reply::Silence, || Reply::Silence).await).await;
    let before = process.memory("VmSize");
    let gzip = [("grpc-encoding", "gzip".to_owned())];
    let mut open = Vec::new();
    for _ in 0..CALLERS {
        open.push(begin(process.grpc(), &gzip, 16 * MB - 1).await);
    }
    let admin = process.admin();
    until("heads", async || {
        metric(admin, "xpander_calls_active", "").await.parse::<usize>().is_ok_and(|calls| calls >= CALLERS)
    })
    .await;
    let more = process.memory("VmSize").saturating_sub(before);
    assert!(more < CALLERS * 4 * MB, "{} MB", more / MB);
}

/// Heads count too: calls whose message never comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_hold_no_more_than_there_is_room() {
    let room = ("XPANDER_PROXY_SERVER__MAX_RECEIVING_BYTES", "1048576");
    let process = Process::with(platform(|| Reply::Silence, || Reply::Silence).await, &[room]).await;
    let headers: Vec<_> = (0..60).map(|at| (format!("x-{at}"), "x".repeat(200))).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let callers = join_all((0..100).map(|_| begin(process.grpc(), &headers, 100))).await;
    let (mut answers, _bodies): (FuturesUnordered<_>, Vec<_>) = callers.into_iter().unzip();
    let head = within("a refusal", answers.next()).await.expect("an answer");
    is_full(&head.expect("a refusal"));
}

/// What a request held is given back when nothing of it is needed any more, however long its call goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_goes_on_holds_nothing_of_its_request() {
    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let platform = Platform::with_agents(|request| match request.path.ends_with("/events") {
        true => Reply::Silent(STREAM.to_vec()),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.server.max_receiving_bytes = 8 * MB;
    let proxy = Proxy::with(&settings).await;
    let of_task = b"\x0a\x06task-1".to_vec();
    let stream = |prompt: &str, request_id: &str| {
        let (prompt, request_id) = (prompt.to_owned(), request_id.to_owned());
        let invocation = Some(InvokeRequest { prompt, request_id, ..invoke("agent-1") });
        InvokeStreamRequest { invocation, heartbeat: None }.encode_to_vec()
    };
    let calls = [
        ("StreamEvents", of_task.clone()),
        ("WaitTask", of_task),
        ("InvokeStream", stream(r#"{"xpander_task_id": "task-1"}"#, "")),
        ("InvokeStream", stream("hi", "r-1")),
        // Joins the one before, or reads what it has made.
        ("InvokeStream", stream("hi", "r-1")),
    ];
    // A mebibyte in a field that no message has.
    let padding = [b"\xfa\x3f\x80\x80\x40", &*vec![b'x'; MB]].concat();
    let mut direct = Direct::connect(&proxy).await;
    let mut open = JoinSet::new();
    let active = async || {
        let of = async |gauge| metric(&proxy.admin, gauge, "").await.parse::<usize>().expect("a number");
        of("xpander_waits_active").await + of("xpander_streams_active").await
    };
    for (at, (method, message)) in calls.into_iter().enumerate() {
        let (mut direct, body) = (direct.clone(), frame(&[message, padding.clone()].concat()));
        open.spawn(async move {
            let _answer = direct.send(method, &[], axum::body::Body::from(body)).await;
            std::future::pending::<()>().await;
        });
        until(method, async || active().await == at + 1).await;
    }
    until("room", async || metric(&proxy.admin, "xpander_requests_size_bytes", "").await == "0").await;
    let large = InvokeRequest { prompt: "x".repeat(5 * MB), ..invoke("agent-1") };
    let status = within("an answer", direct.post("Invoke", &[], frame(&large.encode_to_vec()))).await;
    assert_eq!(status.code(), Code::Ok, "{status:?}");
}

fn is_full(head: &http::Response<h2::RecvStream>) {
    let status = Status::from_header_map(head.headers()).expect("a refusal without a message");
    let failure = failure(Err::<(), _>(status));
    assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"));
    assert!(failure.message.contains("server.max_receiving_bytes"), "{}", failure.message);
}

/// A create's request is held until the platform has answered, packed or not, and its caller's leaving changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_holds_its_bytes_until_the_platform_has_answered() {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let platform = Platform::with_agents(move |_| {
        Reply::After(Arc::clone(&told), Box::new(Reply::json(200, &task("task-1", "executing"))))
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.server.max_receiving_bytes = 8 * MB;
    let proxy = Proxy::with(&settings).await;
    let message = InvokeRequest { prompt: "x".repeat(4 * MB), ..invoke("agent-1") }.encode_to_vec();
    for (headers, body) in [(&[][..], frame(&message)), (&[("grpc-encoding", "gzip")], zipped(&message))] {
        let posts = || platform.paths().iter().filter(|path| path.starts_with("POST")).count();
        let before = posts();
        let mut direct = Direct::connect(&proxy).await;
        let (first, its_headers) = (body.clone(), headers.to_vec());
        let first = tokio::spawn(async move { direct.post("Invoke", &its_headers, first).await });
        until("a create", async || posts() > before).await;
        let mut direct = Direct::connect(&proxy).await;
        let failure = failure(Err::<(), _>(within("a refusal", direct.post("Invoke", headers, body.clone())).await));
        assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"));
        assert_eq!(failure.facts["outcome"], "not_created");
        // Its caller leaves; the create goes on, and so do its bytes.
        first.abort();
        let status = within("a refusal", direct.post("Invoke", headers, body.clone())).await;
        assert_eq!(status.code(), Code::ResourceExhausted);
        go_on.notify_waiters();
        until("room", async || metric(&proxy.admin, "xpander_requests_size_bytes", "").await == "0").await;
    }
}
