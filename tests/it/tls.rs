//! The platform over TLS, with a certificate made here, over HTTP/2 and HTTP/1.1; and over HTTP/2 without TLS.

use std::{path::PathBuf, sync::atomic::Ordering::Relaxed};

use futures_util::future::join_all;
use http::Version;
use tonic::{Code, Request};
use xpander_grpc_proxy::{
    config::{Http2, Settings},
    proto::GetTaskRequest,
};

use crate::support::{
    calls::{follow, invoke},
    live::{Followed, result, text, within},
    proxy::{Proxy, settings},
    secure::{SecurePlatform, Speaks},
    status::failure,
    time::SOME_TIME,
};

const BOTH: Speaks = Speaks::Tls(&[b"h2", b"http/1.1"]);
const HTTP1: Speaks = Speaks::Tls(&[b"http/1.1"]);
const NO_ALPN: Speaks = Speaks::Tls(&[]);

fn trusting(platform: &SecurePlatform, http2: Http2) -> Settings {
    let mut settings = settings(&platform.base_url);
    settings.platform.ca_file = Some(platform.ca_file.clone());
    settings.platform.http2 = http2;
    settings
}

/// Invoke and StreamEvents work, over this version of HTTP alone.
async fn check(platform: &SecurePlatform, settings: &Settings, version: Version) {
    let proxy = Proxy::with(settings).await;
    let mut client = proxy.client();
    let task = within("an answer", client.invoke(invoke("agent-1"))).await.expect("OK").into_inner().task;
    assert_eq!(task.expect("a task").id, "task-1");
    let events = Followed::begin(&mut client).await.all().await;
    assert_eq!((text(events[0].clone()), result(&events[1])), ("one".to_owned(), "done"));
    assert_eq!(platform.versions(), [version]);
    let paths: Vec<_> = platform.seen.lock().expect("no panic").iter().map(|(_, path)| path.clone()).collect();
    let expected = [
        "GET /agents/agent-1",
        "POST /agent-execution/agent-1",
        "GET /org-1/agent-execution/task-1/events",
        "GET /agent-execution/task-1/status",
    ];
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn alpn_chooses_http2_where_the_platform_offers_it() {
    let platform = SecurePlatform::start(BOTH, "localhost").await;
    check(&platform, &trusting(&platform, Http2::Auto), Version::HTTP_2).await;
    assert_eq!(platform.connections.load(Relaxed), 1, "one connection carries all");
}

#[tokio::test]
async fn it_is_http1_where_the_platform_offers_no_other() {
    for speaks in [HTTP1, NO_ALPN] {
        let platform = SecurePlatform::start(speaks, "localhost").await;
        check(&platform, &trusting(&platform, Http2::Auto), Version::HTTP_11).await;
    }
}

#[tokio::test]
async fn it_is_http1_where_the_settings_want_it() {
    let platform = SecurePlatform::start(BOTH, "localhost").await;
    check(&platform, &trusting(&platform, Http2::Off), Version::HTTP_11).await;
}

#[tokio::test]
async fn prior_knowledge_speaks_http2_without_tls() {
    let platform = SecurePlatform::start(Speaks::ClearHttp2, "localhost").await;
    let mut settings = settings(&platform.base_url);
    settings.platform.http2 = Http2::PriorKnowledge;
    check(&platform, &settings, Version::HTTP_2).await;
}

#[tokio::test]
async fn an_untrusted_certificate_is_unavailable_and_nothing_is_sent() {
    let (platform, other) =
        tokio::join!(SecurePlatform::start(BOTH, "localhost"), SecurePlatform::start(BOTH, "localhost"));
    // By another authority, and by the system's.
    for ca_file in [Some(other.ca_file.clone()), None::<PathBuf>] {
        let mut settings = settings(&platform.base_url);
        settings.platform.ca_file = ca_file;
        check_refused(&platform, &settings).await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_unavailable_too() {
    let platform = SecurePlatform::start(BOTH, "elsewhere.example.com").await;
    check_refused(&platform, &trusting(&platform, Http2::Auto)).await;
}

async fn check_refused(platform: &SecurePlatform, settings: &Settings) {
    let proxy = Proxy::with(settings).await;
    let mut client = proxy.client();
    let invoked = failure(within("an answer", client.invoke(invoke("agent-1"))).await);
    assert_eq!((invoked.code, &*invoked.facts["outcome"]), (Code::Unavailable, "not_created"), "{invoked:?}");
    let streamed = failure(within("an answer", client.stream_events(follow("task-1"))).await);
    assert_eq!(streamed.code, Code::Unavailable);
    let read = failure(within("an answer", client.get_task(GetTaskRequest { task_id: "task-1".to_owned() })).await);
    assert_eq!((read.code, &*read.reason), (Code::Unavailable, "PLATFORM_UNREACHABLE"));
    assert_eq!(platform.versions(), []);
}

#[tokio::test]
async fn a_caller_that_leaves_closes_the_stream_and_leaves_the_shared_connection_open() {
    let platform = SecurePlatform::start(BOTH, "localhost").await;
    let proxy = Proxy::with(&trusting(&platform, Http2::Auto)).await;
    let mut client = proxy.client();
    let mut followed = Followed::with(&mut client, Request::new(follow("endless"))).await;
    assert_eq!(followed.text().await, "one");
    assert_eq!(*platform.streams.borrow(), 1);
    drop(followed);
    let mut streams = platform.streams.clone();
    within("the closing of the platform's stream", streams.wait_for(|open| *open == 0)).await.expect("runs");
    within("an answer", client.invoke(invoke("agent-1"))).await.expect("OK");
    assert_eq!(platform.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn many_streams_share_one_connection_without_waiting_for_each_other() {
    let platform = SecurePlatform::start(BOTH, "localhost").await;
    let proxy = Proxy::with(&trusting(&platform, Http2::Auto)).await;
    let mut client = proxy.client();
    // The connection is there before the crowd, which would race for one otherwise.
    within("an answer", client.invoke(invoke("agent-1"))).await.expect("OK");
    let endless = (0..50).map(|_| {
        let mut client = client.clone();
        async move {
            let mut followed = Followed::with(&mut client, Request::new(follow("endless"))).await;
            assert_eq!(followed.text().await, "one");
            followed
        }
    });
    let held = join_all(endless).await;
    assert_eq!((held.len(), *platform.streams.borrow()), (50, 50));
    assert_eq!(Followed::begin(&mut client).await.all().await.len(), 2);
    assert_eq!(platform.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn a_deadline_closes_the_stream_over_http2_too() {
    let platform = SecurePlatform::start(BOTH, "localhost").await;
    let proxy = Proxy::with(&trusting(&platform, Http2::Auto)).await;
    let mut request = Request::new(follow("endless"));
    request.set_timeout(SOME_TIME);
    let mut followed = Followed::with(&mut proxy.client(), request).await;
    assert_eq!(followed.text().await, "one");
    assert_eq!(failure(followed.try_next().await).code, Code::DeadlineExceeded);
    let mut streams = platform.streams.clone();
    within("the closing of the platform's stream", streams.wait_for(|open| *open == 0)).await.expect("runs");
}
