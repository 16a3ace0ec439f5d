//! Creates that fail: sent once for every fault after the sending, and again only where no connection could be made.

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};
use tonic::Code;
use xpander_grpc_proxy::proto::{InvokeRequest, InvokeStreamRequest};

use crate::support::{
    calls::invoke,
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    status::{Failure, failure},
    time::SOME_TIME,
};

const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{\"id\":";

/// What a create meets once it was received to its end.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Closed(&'static str),
    Reset(&'static str),
    Status(u16),
    Answer(&'static str),
    Silence,
}

const FAULTS: [(Fault, Code, &str); 15] = [
    (Fault::Closed(""), Code::Unknown, "unknown"),
    (Fault::Closed("HTTP/1.1 200 OK\r\ncontent-le"), Code::Unknown, "unknown"),
    (Fault::Closed(CUT), Code::Unknown, "unknown"),
    (Fault::Reset(""), Code::Unknown, "unknown"),
    (Fault::Reset("HTTP/1.1 200 OK\r\ncontent-le"), Code::Unknown, "unknown"),
    (Fault::Reset(CUT), Code::Unknown, "unknown"),
    (Fault::Status(500), Code::Internal, "unknown"),
    (Fault::Status(502), Code::Unknown, "unknown"),
    (Fault::Status(504), Code::DeadlineExceeded, "unknown"),
    (Fault::Answer("no JSON"), Code::Internal, "unknown"),
    (Fault::Silence, Code::DeadlineExceeded, "unknown"),
    (Fault::Status(429), Code::ResourceExhausted, "not_created"),
    (Fault::Status(501), Code::Unimplemented, "not_created"),
    (Fault::Status(503), Code::Unavailable, "not_created"),
    (Fault::Status(422), Code::InvalidArgument, "not_created"),
];

fn reply(fault: Fault) -> Reply {
    match fault {
        Fault::Closed(bytes) => Reply::Raw(bytes.into()),
        Fault::Reset(bytes) => Reply::Reset(bytes.into()),
        Fault::Status(status) => Reply::json(status, &json!({ "detail": "no" })),
        Fault::Answer(body) => Reply::text(200, "application/json", body),
        Fault::Silence => Reply::Silence,
    }
}

/// The ways to create.
#[derive(Clone, Copy, Debug)]
enum Way {
    Invoke,
    Stream,
    RequestId,
}

impl Way {
    async fn fail(self, client: &mut Client) -> Failure {
        let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
        match self {
            Self::Invoke => failure(within("an answer", client.invoke(invoke("agent-1"))).await),
            Self::Stream => failure(within("an answer", client.invoke_stream(request)).await),
            Self::RequestId => failure(within("an answer", client.invoke(named("once"))).await),
        }
    }
}

fn named(request_id: &str) -> InvokeRequest {
    InvokeRequest { request_id: request_id.to_owned(), ..invoke("agent-1") }
}

async fn proxy(base_url: &str, retries: u32) -> Proxy {
    let mut settings = settings(base_url);
    settings.platform.retries = retries;
    settings.platform.request_timeout = SOME_TIME;
    settings.platform.agent_cache_ttl = Duration::from_mins(1);
    Proxy::with(&settings).await
}

fn posts(platform: &Platform) -> usize {
    platform.paths().iter().filter(|path| path.starts_with("POST")).count()
}

#[tokio::test]
async fn a_create_is_seen_once_whatever_goes_wrong_behind_it() {
    for way in [Way::Invoke, Way::Stream, Way::RequestId] {
        let rows = FAULTS.iter().map(|(fault, code, outcome)| Box::pin(is_seen_once(way, *fault, *code, outcome)));
        join_all(rows).await;
    }
}

async fn is_seen_once(way: Way, fault: Fault, code: Code, outcome: &str) {
    let met = AtomicUsize::new(0);
    // A second create would succeed.
    let platform = Platform::with_agents(move |_| match met.fetch_add(1, Relaxed) {
        0 => reply(fault),
        _ => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let failure = way.fail(&mut proxy(&platform.base_url(), 3).await.client()).await;
    assert_eq!((failure.code, &*failure.facts["outcome"]), (code, outcome), "{way:?} {fault:?}");
    let is_unknown = outcome == "unknown";
    assert_eq!(failure.reason == "CREATE_OUTCOME_UNKNOWN", is_unknown, "{way:?} {fault:?}");
    assert_eq!(failure.pushback.as_deref() == Some("-1"), is_unknown, "{way:?} {fault:?}");
    assert_eq!(posts(&platform), 1, "{way:?} {fault:?}");
}

/// The connection breaks while the request is still being sent: part of it was.
#[tokio::test]
async fn a_create_that_breaks_off_while_it_is_sent_is_unknown_and_not_repeated() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let posts = Arc::new(AtomicUsize::new(0));
    let its_posts = Arc::clone(&posts);
    let platform = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let read = socket.read(&mut head).await.expect("a request");
            if head[..read].starts_with(b"POST") {
                its_posts.fetch_add(1, Relaxed);
                socket.set_zero_linger().expect("an option");
            } else {
                let agent =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"id\": \"a\"}";
                socket.write_all(agent.as_bytes()).await.expect("sent");
            }
        }
    });
    let request = InvokeRequest { prompt: "x".repeat(3 << 20), ..invoke("agent-1") };
    let failure = failure(within("an answer", proxy(&url, 3).await.client().invoke(request)).await);
    assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::Unknown, "unknown"));
    assert_eq!(posts.load(Relaxed), 1);
    platform.abort();
}

/// The agent is known from before, so that it is the create that finds nobody listening.
#[tokio::test]
async fn a_create_that_finds_no_platform_is_sent_when_it_is_back() {
    let away = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let proxy = proxy(&away.base_url(), 10).await;
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    let address = away.vanish().await;
    let mut client = proxy.client();
    let call = tokio::spawn(async move { client.invoke(invoke("agent-1")).await });
    sleep(Duration::from_millis(200)).await;
    let back = Platform::at(address, |_| Reply::json(200, &task("task-2", "pending"))).await;
    let task = within("an answer", call).await.expect("no panic").expect("created").into_inner().task;
    assert_eq!(task.expect("a task").id, "task-2");
    assert_eq!(back.paths(), ["POST /agent-execution/agent-1"]);
}

#[tokio::test]
async fn a_create_that_finds_no_platform_at_all_created_nothing() {
    let away = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let proxy = proxy(&away.base_url(), 2).await;
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    away.vanish().await;
    for way in [Way::Invoke, Way::Stream, Way::RequestId] {
        let failure = way.fail(&mut proxy.client()).await;
        assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PLATFORM_UNREACHABLE"), "{way:?}");
        assert_eq!((&*failure.facts["outcome"], failure.pushback), ("not_created", None), "{way:?}");
    }
}

/// It vanishes with the create in its hands and is back at once: the create may have been carried out.
#[tokio::test]
async fn a_create_under_way_is_not_sent_to_the_platform_that_comes_back() {
    let (arrive, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let away = Platform::with_agents(move |_| {
        arrive.send(()).expect("the test runs");
        Reply::Silence
    })
    .await;
    let proxy = proxy(&away.base_url(), 10).await;
    let mut client = proxy.client();
    let call = tokio::spawn(async move { client.invoke(invoke("agent-1")).await });
    within("the create", arrived.recv()).await;
    let address = away.vanish().await;
    let back = Platform::at(address, |_| Reply::json(200, &task("task-2", "pending"))).await;
    let failure = failure(within("an answer", call).await.expect("no panic"));
    assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::Unknown, "unknown"));
    assert_eq!(posts(&back), 0);
}

#[tokio::test]
async fn an_unknown_outcome_is_remembered_by_its_request_id_and_a_refusal_is_not() {
    for (fault, creates) in [(Fault::Closed(""), 1), (Fault::Status(502), 1), (Fault::Status(503), 2)] {
        let platform = Platform::with_agents(move |_| reply(fault)).await;
        let proxy = proxy(&platform.base_url(), 3).await;
        let first = Way::RequestId.fail(&mut proxy.client()).await;
        let second = Way::RequestId.fail(&mut proxy.client()).await;
        assert_eq!((first.code, &first.facts), (second.code, &second.facts), "{fault:?}");
        assert_eq!(posts(&platform), creates, "{fault:?}");
    }
}

#[tokio::test]
async fn fifty_callers_with_one_request_id_share_one_lost_create() {
    let platform = Platform::with_agents(|_| Reply::Raw(Vec::new())).await;
    let proxy = proxy(&platform.base_url(), 3).await;
    let client = proxy.client();
    let calls = (0..50).map(|_| {
        let mut client = client.clone();
        async move { Way::RequestId.fail(&mut client).await }
    });
    let failures = join_all(calls).await;
    assert!(failures.iter().all(|failure| failure.reason == "CREATE_OUTCOME_UNKNOWN"), "{failures:?}");
    assert_eq!(posts(&platform), 1);
}
