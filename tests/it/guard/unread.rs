//! Answers that nobody reads: they are bounded in bytes over all calls, and end with their time.

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::{RecvStream, client::SendRequest};
use http::{Request, Response};
use serde_json::json;
use tokio::sync::mpsc;
use tonic::{Code, Status, transport::Endpoint};
use xpander_grpc_proxy::proto::GetTaskRequest;

use crate::{
    hostile::{MB, Process},
    support::{
        direct::frame,
        live::{Followed, finished, within},
        platform::{Platform, Reply, event, task},
        proxy::{Client, Proxy, settings},
    },
};

const SIZE: usize = 8 * MB;

/// A platform whose task `well` is small, and whose other tasks are large.
async fn platform() -> Platform {
    // Written once: that takes a test its time.
    let large = finished("completed", &"x".repeat(SIZE)).to_string();
    Platform::start(move |request| match request.path.contains("/well/") {
        true => Reply::json(200, &task("well", "executing")),
        false => Reply::text(200, "application/json", &large),
    })
    .await
}

/// A caller that takes heads, and of each message as many bytes as this before it says that it wants more.
async fn caller(grpc: &str, window: u32) -> SendRequest<Bytes> {
    let socket = tokio::net::TcpStream::connect(grpc.trim_start_matches("http://")).await.expect("connects");
    let mut builder = h2::client::Builder::new();
    let connecting = builder.initial_window_size(window).initial_connection_window_size(64 << 20).handshake(socket);
    let (requests, connection) = connecting.await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    requests
}

/// Calls `GetTask`; the head of the answer.
async fn begin(requests: &SendRequest<Bytes>, timeout: Option<&str>) -> Result<Response<RecvStream>, h2::Error> {
    let mut request = Request::post("http://proxy/xpander.agent.v1.AgentService/GetTask")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let mut requests = requests.clone().ready().await?;
    let (answer, mut body) = requests.send_request(request.body(()).expect("a request"), false)?;
    body.send_data(Bytes::from(frame(b"\x0a\x06task-1")), true)?;
    answer.await
}

/// The code of an answer that is nothing but a status.
fn code(answer: &Response<RecvStream>) -> Option<Code> {
    Status::from_header_map(answer.headers()).map(|status| status.code())
}

async fn get_well(grpc: &str) -> Result<(), Status> {
    let mut client = Client::new(Endpoint::new(grpc.to_owned()).expect("a URL").connect_lazy());
    client.get_task(GetTaskRequest { task_id: "well".to_owned() }).await.map(drop)
}

#[tokio::test]
async fn what_nobody_reads_holds_its_share_and_its_memory_no_longer_than_its_deadline() {
    let process = Process::with(platform().await, &[("XPANDER_PROXY_SERVER__MAX_CALLS", "5")]).await;
    let requests = caller(process.grpc(), 0).await;
    let answers = within("answers", join_all((0..60).map(|_| begin(&requests, Some("8S"))))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("a head")).collect();
    let refused = answers.iter().filter(|answer| code(answer) == Some(Code::ResourceExhausted)).count();
    assert!(refused >= 50, "{refused}");
    assert!(process.peak() < 100 * MB, "{} MB", process.peak() / MB);
    // Their time is up though nobody looks: others are let in.
    within("a share", async {
        while get_well(process.grpc()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_nobody_reads_is_bounded_in_bytes_and_gives_way_to_others() {
    let process = Process::before(platform().await).await;
    // In vain: nobody reads these, and they have all the time there is.
    let unread = caller(process.grpc(), 0).await;
    let mut callers = Vec::new();
    // Three of them have room at a time, for a second each.
    for _ in 0..20 {
        let unread = unread.clone();
        callers.push(tokio::spawn(async move { begin(&unread, None).await }));
    }
    // Others get theirs, small and large, one after another.
    for _ in 0..3 {
        within("a small answer", get_well(process.grpc())).await.expect("OK");
        within("a large answer", process.get("task-1")).await.expect("OK");
    }
    // 32 MiB of answers, three times that while they are made, and what the allocator has not given back of those that gave
    // way; all 20 would be 480 MB.
    assert!(process.peak() < 200 * MB, "{} MB", process.peak() / MB);
    callers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// At the pace of a slow line, and longer than a connection may be idle.
#[tokio::test]
async fn a_download_that_goes_on_is_not_idle() {
    let platform = platform().await;
    let mut settings = settings(&platform.base_url());
    settings.server.max_connection_idle = Duration::from_millis(400);
    let proxy = Proxy::with(&settings).await;
    let requests = caller(&proxy.grpc, 64 << 10).await;
    let mut body = begin(&requests, None).await.expect("a head").into_body();
    let (mut taken, mut pauses) = (0, 0);
    while let Some(data) = within("the next piece", body.data()).await {
        let data = data.expect("it goes on");
        taken += data.len();
        if taken / MB > pauses {
            pauses += 1;
            // Seven of them: more than a second.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        body.flow_control().release_capacity(data.len()).expect("taken");
    }
    assert!(taken > SIZE, "{taken}");
    let trailers = within("trailers", body.trailers()).await.expect("whole").expect("a status");
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn memory_follows_the_load() {
    let process = Process::before(platform().await).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(process.get("task-1"));
    }
    let answers = join_all(answers).await;
    // Who cannot read fast enough on a busy machine gives way to the others.
    assert!(
        answers.iter().flat_map(|answer| answer.as_ref().err()).all(|status| status.code() == Code::ResourceExhausted)
    );
    assert!(answers.iter().any(Result::is_ok));
    drop(answers);
    // The threads that large work took for itself end after ten seconds without any, and their memory with them.
    tokio::time::timeout(Duration::from_mins(2), async {
        while process.memory("VmRSS") > process.idle() + 48 * MB {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{} MB of {} MB are kept", process.memory("VmRSS") / MB, process.peak() / MB));
}

/// Each of them has had one large event, and goes on.
#[tokio::test]
async fn streams_keep_nothing_of_their_largest_event() {
    const STREAMS: usize = 6;
    let large = event("chunk", &json!("x".repeat(SIZE)));
    let open = Mutex::new(Vec::new());
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => {
            let (send, pieces) = mpsc::unbounded_channel();
            send.send(large.clone().into_bytes()).expect("open");
            // Silent from now on, and open.
            open.lock().expect("no panic").push(send);
            Reply::Stream(pieces)
        }
        false => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await;
    let process = Process::before(platform).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = Followed::begin(&mut process.client()).await;
        assert_eq!(stream.text().await.len(), SIZE);
        streams.push(stream);
    }
    within("memory that is given back", async {
        while process.memory("VmRSS") > process.idle() + 24 * MB {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
