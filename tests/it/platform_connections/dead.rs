//! Connections that are dead behind a live socket: the peer's system acknowledges what is sent, and nobody answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Notify;
use tonic::Code;
use xpander_grpc_proxy::config::{Http2, Settings};

use super::get;
use crate::support::{
    frames::{Act, Asked, Frames, failures, json},
    live::{Followed, result, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::failure,
    time::SOME_TIME,
};

/// How many calls are made.
const CALLS: usize = 12;
/// How many of them may fail before one succeeds.
const FEW: usize = 3;

async fn before(platform: &Frames, change: impl FnOnce(&mut Settings)) -> Proxy {
    let mut settings = settings(&platform.base_url());
    settings.platform.http2 = Http2::PriorKnowledge;
    change(&mut settings);
    Proxy::with(&settings).await
}

/// The first connection answers once, then as `act` says; others always answer.
fn after_one_answer(act: fn() -> Act) -> impl Fn(&Asked) -> Act + Send + Sync {
    let has_answered = AtomicBool::new(false);
    move |asked| match asked.connection {
        0 if has_answered.swap(true, Relaxed) => act(),
        _ => json(&task("task-1", "executing")),
    }
}

#[tokio::test]
async fn a_connection_that_answers_pings_and_nothing_else_is_given_up_after_a_few_timeouts() {
    for act in [|| Act::Silence, || Act::Death] {
        let platform = Frames::start(after_one_answer(act)).await;
        let proxy = before(&platform, |settings| settings.platform.request_timeout = SOME_TIME).await;
        let mut client = proxy.client();
        within("an answer", client.get_task(get())).await.expect("OK");
        let refused = failure(within("an end", client.get_task(get())).await);
        assert_eq!((refused.code, &*refused.reason), (Code::DeadlineExceeded, "PLATFORM_TIMEOUT"));
        let failed = failures(CALLS, async || client.get_task(get()).await).await;
        assert!(failed < FEW, "{failed} of {CALLS} failed");
        assert_eq!(platform.connections(), 2);
        // What is alive stays.
        assert_eq!(failures(CALLS, async || client.get_task(get()).await).await, 0);
        assert_eq!(platform.connections(), 2);
    }
}

/// What is behind a gateway is gone: it answers with heads, or a stream from before goes on.
#[tokio::test]
async fn neither_heads_nor_another_stream_prove_that_a_connection_is_alive() {
    let chunk = event("chunk", &json!("one"));
    for act in [|| Act::Held(Vec::new()), || Act::Silence] {
        let (chunk, has_answered) = (chunk.clone(), AtomicBool::new(false));
        let platform = Frames::start(move |asked| match asked.connection {
            0 if asked.path.ends_with("/events") => Act::Ticking(chunk.clone().into(), Duration::from_millis(20)),
            0 if has_answered.swap(true, Relaxed) => act(),
            _ => json(&task("task-1", "executing")),
        })
        .await;
        let proxy = before(&platform, |settings| settings.platform.request_timeout = Duration::from_millis(600)).await;
        let mut client = proxy.client();
        let mut followed = Followed::begin(&mut client).await;
        assert_eq!(followed.text().await, "one");
        let failed = failures(CALLS, async || client.get_task(get()).await).await;
        assert!(failed <= FEW, "{failed} of {CALLS} failed");
        assert_eq!(followed.text().await, "one", "it goes on where it is");
    }
}

#[tokio::test]
async fn callers_deadlines_prove_it_too() {
    let platform = Frames::start(after_one_answer(|| Act::Silence)).await;
    let proxy = before(&platform, |_| {}).await;
    let mut client = proxy.client();
    within("an answer", client.get_task(get())).await.expect("OK");
    let call = async || {
        let mut request = tonic::Request::new(get());
        request.set_timeout(SOME_TIME);
        client.get_task(request).await
    };
    let failed = failures(CALLS, call).await;
    assert!(failed <= FEW, "{failed} of {CALLS} failed");
}

#[tokio::test]
async fn a_connection_that_answers_no_ping_is_closed_and_reads_go_on_over_another() {
    let platform = Frames::start(after_one_answer(|| Act::Death)).await;
    let proxy = before(&platform, |settings| {
        settings.platform.keepalive_interval = Duration::from_millis(500);
        settings.platform.keepalive_timeout = SOME_TIME;
        settings.platform.retries = 1;
    })
    .await;
    let mut client = proxy.client();
    within("an answer", client.get_task(get())).await.expect("OK");
    within("an answer over another connection", client.get_task(get())).await.expect("OK");
}

#[tokio::test]
async fn a_stream_on_a_dead_connection_goes_on_over_another() {
    let one = format!("id: 1\n{}", event("chunk", &json!("one")));
    let end = format!("id: 2\n{}", event("task_finished", &crate::support::live::finished("completed", "done")));
    // Its task is read over the same connection, which takes no more requests then.
    let is_dead = Arc::new(AtomicBool::new(false));
    let platform = Frames::start(move |asked| match (asked.connection, asked.path.ends_with("/events")) {
        (0, true) => Act::Held(vec![one.clone().into()]),
        (0, false) if is_dead.swap(true, Relaxed) => Act::Death,
        (_, true) => Act::Held(vec![end.clone().into()]),
        (_, false) => json(&task("task-1", "executing")),
    })
    .await;
    let proxy = before(&platform, |settings| {
        settings.platform.keepalive_interval = Duration::from_millis(500);
        settings.platform.keepalive_timeout = SOME_TIME;
        settings.platform.retries = 1;
        settings.events.reconnect_budget = Duration::from_secs(30);
    })
    .await;
    let mut client = proxy.client();
    let mut followed = Followed::begin(&mut client).await;
    assert_eq!(followed.text().await, "one");
    within("an answer over another connection", client.get_task(get())).await.expect("OK");
    assert_eq!(result(&followed.next().await), "done");
}

#[tokio::test]
async fn a_stream_that_is_silent_for_too_long_does_not_spend_its_budget_on_a_dead_connection() {
    let one = format!("id: 1\n{}", event("chunk", &json!("one")));
    let end = format!("id: 2\n{}", event("task_finished", &crate::support::live::finished("completed", "done")));
    // The stream is opened and its task read; then nothing is answered.
    let count = AtomicUsize::new(0);
    let platform = Frames::start(move |asked| match (asked.connection, asked.path.ends_with("/events")) {
        (0, _) if count.fetch_add(1, Relaxed) >= 2 => Act::Silence,
        (0, true) => Act::Held(vec![one.clone().into()]),
        (_, true) => Act::Held(vec![end.clone().into()]),
        (_, false) => json(&task("task-1", "executing")),
    })
    .await;
    let proxy = before(&platform, |settings| {
        settings.platform.request_timeout = SOME_TIME;
        settings.events.idle_timeout = SOME_TIME;
        settings.events.reconnect_budget = Duration::from_secs(30);
    })
    .await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    assert_eq!(followed.text().await, "one");
    assert_eq!(result(&followed.next().await), "done");
}

#[tokio::test]
async fn pooled_connections_of_http1_that_are_all_dead_are_given_up_together() {
    const POOLED: usize = 8;
    let are_dead = Arc::new(AtomicBool::new(false));
    let dead = Arc::clone(&are_dead);
    // Answered when all are there, so that each has a connection of its own.
    let told: Vec<_> = (0..POOLED).map(|_| Arc::new(Notify::new())).collect();
    let count = AtomicUsize::new(0);
    let platform = Platform::start(move |request| {
        let answer = Reply::json(200, &task("task-1", "executing"));
        match dead.load(Relaxed) {
            true if request.connection < POOLED => Reply::Silence,
            true => answer,
            false => {
                let at = count.fetch_add(1, Relaxed);
                if at + 1 == POOLED {
                    told.iter().for_each(|told| told.notify_one());
                }
                Reply::After(Arc::clone(&told[at]), Box::new(answer))
            }
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.platform.request_timeout = SOME_TIME;
    let proxy = Proxy::with(&settings).await;
    let warm = (0..POOLED).map(async |_| proxy.client().get_task(get()).await.expect("OK"));
    within("the answers", join_all(warm)).await;
    are_dead.store(true, Relaxed);
    let mut client = proxy.client();
    let failed = failures(CALLS, async || client.get_task(get()).await).await;
    assert!(failed <= FEW, "{failed} of {CALLS} failed");
}
