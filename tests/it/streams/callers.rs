//! Callers that leave, that run out of time, and that are slow; each with the platform's stream in view.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;
use tonic::{Code, Request};

use crate::support::{
    calls::follow,
    direct::Direct,
    live::{Followed, Live, finished, result, text, within},
    platform::{Platform, Reply, event, task},
    proxy::Proxy,
    status::failure,
    time::SOME_TIME,
};

#[tokio::test]
async fn a_caller_that_leaves_closes_the_platforms_stream() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut client = proxy.client();
    let mut followed = Followed::begin(&mut client).await;
    live.chunk("one");
    assert_eq!(followed.text().await, "one");
    drop(followed);
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
    // The caller's connection is as good as before.
    live.becomes(finished("completed", "done"));
    assert_eq!(Followed::begin(&mut client).await.all().await.len(), 1);
}

#[tokio::test]
async fn a_caller_whose_connection_breaks_closes_the_platforms_stream() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    // A runtime of the caller's own, which takes the sockets with it.
    let caller = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut client = {
        let _inside = caller.enter();
        proxy.client()
    };
    let stream = caller.spawn(async move { client.stream_events(follow("task-1")).await });
    let stream = within("a stream", stream).await.expect("no panic").expect("a stream");
    assert_eq!(live.platform.hang_ups(), 0);
    caller.shutdown_background();
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
    drop(stream);
}

#[tokio::test]
async fn a_deadline_that_passes_ends_the_stream_and_closes_the_platforms() {
    const DEADLINE: Duration = SOME_TIME;
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    // Without a timer of the client's own: it is the proxy that keeps the deadline.
    let mut client = Direct::connect(&proxy).await.client();
    let mut request = Request::new(follow("task-1"));
    request.set_timeout(DEADLINE);
    let begun = Instant::now();
    let mut stream = within("a stream", client.stream_events(request)).await.expect("a stream").into_inner();
    live.send(format!("id: 7\n{}", event("chunk", &json!("one"))));
    let first = within("an event", stream.message()).await.expect("OK").expect("a message");
    assert_eq!(text(first.event.expect("an event")), "one");
    let failure = failure(within("the deadline", stream.message()).await);
    assert!(begun.elapsed() >= DEADLINE, "{:?}", begun.elapsed());
    assert_eq!((failure.code, &*failure.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!((&*failure.facts["task_id"], &*failure.facts["last_event_id"]), ("task-1", "7"));
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
}

/// 64 MB, of which the proxy may hold little; the machine's own buffers take up to 6 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_caller_slows_the_platform_and_misses_nothing() {
    const EVENTS: usize = 1_000;
    const EVENT: usize = 64 << 10;
    const HELD: usize = 16 << 20;
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    let filler = "x".repeat(EVENT);
    for count in 0..EVENTS {
        live.chunk(&format!("{count} {filler}"));
    }
    live.send(event("task_finished", &finished("completed", "done")));
    let written = settled(&live).await;
    assert!(written < HELD, "{written} bytes while the caller read nothing");
    for count in 0..EVENTS {
        let chunk = followed.text().await;
        assert_eq!((chunk.split(' ').next(), chunk.len() > EVENT), (Some(&*count.to_string()), true));
    }
    assert_eq!(result(&followed.next().await), "done");
    followed.is_over().await;
    assert!(live.written() > EVENTS * EVENT);
}

/// How much the platform could write, once that grows no more.
async fn settled(live: &Live) -> usize {
    let mut written = 0;
    within("the platform's being held up", async {
        loop {
            sleep(Duration::from_millis(300)).await;
            let now = live.written();
            if now > 0 && now == written {
                return now;
            }
            written = now;
        }
    })
    .await
}

#[tokio::test]
async fn a_slow_caller_that_leaves_closes_the_platforms_stream() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let followed = Followed::begin(&mut proxy.client()).await;
    let filler = "x".repeat(64 << 10);
    for _ in 0..1_000 {
        live.chunk(&filler);
    }
    assert!(settled(&live).await < 1_000 * filler.len());
    drop(followed);
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
}

#[tokio::test]
async fn a_slow_callers_deadline_closes_the_platforms_stream() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut request = Request::new(follow("task-1"));
    request.set_timeout(SOME_TIME);
    let _unread = Followed::with(&mut proxy.client(), request).await;
    let filler = "x".repeat(64 << 10);
    for _ in 0..1_000 {
        live.chunk(&filler);
    }
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
}

#[tokio::test]
async fn many_callers_follow_at_once_over_one_connection() {
    const CALLERS: usize = 50;
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true => {
            let id = request.task_id();
            let end = event("task_finished", &finished("completed", id)).replace("task-1", id);
            Reply::events(&(event("chunk", &json!(id)) + &end))
        }
        false => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = proxy.client();
    let calls = (0..CALLERS).map(|caller| {
        let mut client = client.clone();
        async move {
            let id = format!("task-of-{caller}");
            let events = Followed::with(&mut client, Request::new(follow(&id))).await.all().await;
            assert_eq!((text(events[0].clone()), result(&events[1])), (id.clone(), &*id));
        }
    });
    join_all(calls).await;
}
