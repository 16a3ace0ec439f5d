//! A platform that answers with interim responses (1xx): before an answer they cost nothing, and where none ever comes,
//! nothing beyond the call.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tonic::Code;
use xpander_grpc_proxy::config::Http2;

use super::get;
use crate::support::{
    calls::invoke,
    direct::{Direct, frame},
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    raw::{END_HEADERS, HEADERS, SETTINGS, bytes},
};

const PREFACE: usize = 24;
/// `:status: 103`.
const EARLY_HINTS: &[u8] = b"\x08\x03103";

/// Reads what comes until there are the head of a request, and its stream; 1 over HTTP/1.1, which has none.
async fn asked(socket: &mut TcpStream, speaks: Http2) -> u32 {
    if speaks == Http2::Off {
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n\r\n") {
            all.push(socket.read_u8().await.expect("a request"));
        }
        return 1;
    }
    socket.read_exact(&mut [0; PREFACE]).await.expect("a preface");
    socket.write_all(&bytes(SETTINGS, 0, 0, &[])).await.expect("connected");
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.expect("a frame");
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        socket.read_exact(&mut payload).await.expect("a frame");
        if kind == HEADERS {
            return u32::from_be_bytes(stream);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_interim_responses_ends_with_the_call() {
    for speaks in [Http2::PriorKnowledge, Http2::Off] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("bound"));
        let closed = Arc::new(Notify::new());
        let tell = Arc::clone(&closed);
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let stream = asked(&mut socket, speaks).await;
            let one = match speaks {
                Http2::Off => b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec(),
                _ => bytes(HEADERS, END_HEADERS, stream, EARLY_HINTS),
            };
            let many = one.repeat(500);
            while socket.write_all(&many).await.is_ok() {}
            tell.notify_one();
        });
        let mut settings = settings(&base_url);
        settings.platform.http2 = speaks;
        // Nothing else ends it.
        settings.platform.pool_idle_timeout = std::time::Duration::from_hours(1);
        let proxy = Proxy::with(&settings).await;
        let mut direct = Direct::connect(&proxy).await;
        let deadline = [("grpc-timeout", "500m")];
        let status = within("an answer", direct.post("GetTask", &deadline, frame(b"\x0a\x06task-1"))).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        within("the connection's end", closed.notified()).await;
    }
}

/// Hints of what a page needs, and what servers say while they work.
#[tokio::test]
async fn interim_responses_before_an_answer_cost_nothing() {
    let many = (0..150).fold(String::new(), |head, n| format!("{head}link: </{n}>; rel=preload\r\n"));
    for interim in [
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(5),
        format!("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n{many}\r\nHTTP/1.1 199 X\r\n\r\n"),
    ] {
        let platform = Platform::with_agents(move |_| {
            let task = task("task-1", "executing").to_string();
            let answer = format!(
                "{interim}HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{task}",
                task.len()
            );
            Reply::Raw(answer.into_bytes())
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        within("an answer", proxy.client().get_task(get())).await.expect("a task");
        within("an answer", proxy.client().invoke(invoke("agent-1"))).await.expect("a task");
    }
}
