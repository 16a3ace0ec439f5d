//! Callers that run out of time, in every call and in every state of a stream; and what that closes.
//!
//! Each caller is a plain HTTP/2 connection, which leaves the deadline to the proxy.

use std::{
    iter,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use serde_json::json;
use tonic::{Code, Request};

use crate::support::{
    calls::{At, EVERYWHERE, failing, follow},
    course::{Begins, Break, Course, Ids, Running},
    direct::Direct,
    live::{Followed, within},
    platform::{Platform, Reply, event, task},
    proxy::Proxy,
    status::failure,
    time::Moment,
};

const DEADLINE: Duration = Duration::from_secs(2);
/// How late the proxy may be.
const LATE: Duration = Duration::from_millis(100);
/// A machine may be late by itself, but not every time.
const TRIES: usize = 4;

/// How long it took, and how long it would have on a machine with nothing else to do.
struct Took {
    elapsed: Duration,
    alone: Duration,
}

impl Took {
    fn since(begun: Moment) -> Self {
        Self { elapsed: begun.elapsed(), alone: begun.alone() }
    }
}

/// Tries until one comes in time; each tells when it began, and comes back when it is over.
async fn in_time(what: &str, mut once: impl AsyncFnMut() -> Took) {
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let Took { elapsed, alone } = once().await;
        assert!(elapsed >= DEADLINE - Duration::from_millis(5), "{what} ended early: {elapsed:?}");
        if alone < DEADLINE + LATE {
            return;
        }
        all.push(alone);
    }
    panic!("{what} was late: {all:?}");
}

#[tokio::test]
async fn each_call_ends_within_100_ms_of_its_deadline() {
    let platform = Platform::start(failing(|_| Reply::Silence)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = Direct::connect(&proxy).await.client();
    for at in EVERYWHERE {
        in_time(&format!("{at:?}"), async || {
            let begun = Moment::now();
            let failure = within("an answer", at.fail(&client, "late", Some(DEADLINE))).await;
            let took = Took::since(begun);
            assert_eq!(failure.code, Code::DeadlineExceeded, "{at:?}");
            took
        })
        .await;
    }
}

/// But for a create, which is awaited, whoever has left.
#[tokio::test]
async fn a_deadline_closes_the_platforms_connection_at_once() {
    for at in EVERYWHERE.into_iter().filter(|at| !at.creates() && *at != At::Wait) {
        closes_in_time(at).await;
    }
}

/// The read serves all who wait, and ends with the last of them.
#[tokio::test]
async fn the_last_waiters_deadline_closes_the_platforms_connection_at_once() {
    closes_in_time(At::Wait).await;
}

async fn closes_in_time(at: At) {
    let platform = Platform::start(failing(|_| Reply::Silence)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = Direct::connect(&proxy).await.client();
    in_time(&format!("{at:?}"), async || {
        let (before, begun) = (platform.hang_ups(), Moment::now());
        at.fail(&client, "late", Some(DEADLINE)).await;
        within(&format!("{at:?}: the closing"), platform.hung_up(before + 1)).await;
        Took::since(begun)
    })
    .await;
}

/// Follows with a deadline to its end, which is DEADLINE_EXCEEDED with the last event's id; how long that took.
async fn until_late(running: &Running) -> Took {
    let mut request = Request::new(follow("task-1"));
    request.set_timeout(DEADLINE);
    let begun = Moment::now();
    let mut client = Direct::connect(&running.proxy).await.client();
    let mut events = within("a stream", client.stream_events(request)).await.expect("a stream").into_inner();
    let end = loop {
        match within("an event", events.message()).await {
            Ok(event) => drop(event.expect("no end")),
            Err(status) => break failure(Err::<(), _>(status)),
        }
    };
    let took = Took::since(begun);
    assert_eq!((end.code, &*end.facts["last_event_id"]), (Code::DeadlineExceeded, "run-10"), "{end:?}");
    took
}

#[tokio::test]
async fn a_stream_ends_within_100_ms_of_its_deadline_whatever_it_is_about() {
    let torn = (3, Break::Torn);
    let states = [
        ("reading", vec![(3, Break::Silence)], ""),
        ("waiting to reconnect", vec![torn], "retry: 20000\n\n"),
        ("reconnecting", iter::once(torn).chain([(3, Break::Status(503)); 1000]).collect(), ""),
        ("reading after a reconnection", vec![torn, (3, Break::Silence)], ""),
    ];
    for (what, breaks, prelude) in states {
        in_time(what, async || {
            let mut course = Course::new(Begins::AsAsked, Ids::Numbers, &breaks);
            course.preludes = vec![prelude.to_owned()];
            let running = course.run_with(|settings| {
                settings.events.idle_timeout = Duration::from_mins(1);
                settings.events.reconnect_budget = Duration::from_mins(2);
            });
            until_late(&running.await).await
        })
        .await;
    }
}

/// The deadline passes while the platform neither accepts nor refuses the reconnection.
#[tokio::test]
async fn a_deadline_ends_a_reconnection_that_is_not_answered() {
    in_time("the reconnection", async || {
        let opened = Arc::new(AtomicUsize::new(0));
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true if opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
                Reply::Torn(event("chunk", &json!("one")).into())
            }
            true => Reply::Silence,
            false => Reply::json(200, &task("task-1", "executing")),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let mut request = Request::new(follow("task-1"));
        request.set_timeout(DEADLINE);
        let begun = Moment::now();
        let mut events = Direct::connect(&proxy).await.client().stream_events(request).await.expect("a stream");
        events.get_mut().message().await.expect("OK").expect("an event");
        let failure = failure(within("the end", events.get_mut().message()).await);
        assert_eq!(failure.code, Code::DeadlineExceeded);
        within("the closing of the platform's connection", platform.hung_up(1)).await;
        Took::since(begun)
    })
    .await;
}

/// The platform sends without end and the caller reads nothing: no one polls the stream.
#[tokio::test]
async fn a_stalled_readers_deadline_closes_the_platforms_stream_within_100_ms() {
    in_time("the closing", async || {
        let piece = event("chunk", &json!("x".repeat(64 << 10))).into_bytes();
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true => Reply::Made(Box::new(iter::repeat_n(piece.clone(), 10_000)), Arc::default()),
            false => Reply::json(200, &task("task-1", "executing")),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let mut request = Request::new(follow("task-1"));
        request.set_timeout(DEADLINE);
        let begun = Moment::now();
        let _unread = Followed::with(&mut proxy.client(), request).await;
        within("the closing of the platform's stream", platform.hung_up(1)).await;
        Took::since(begun)
    })
    .await;
}

/// A caller that leaves while its stream is broken ends the attempts to mend it.
#[tokio::test]
async fn nobody_reconnects_for_a_caller_that_has_left() {
    let course = Course::new(Begins::AsAsked, Ids::Numbers, &[(3, Break::Torn), (3, Break::Silence)]);
    let running = course.run_with(|settings| settings.events.idle_timeout = Duration::from_mins(1)).await;
    let mut followed = Followed::begin(&mut running.proxy.client()).await;
    for _ in 0..4 {
        followed.next().await;
    }
    within("the reconnection", async {
        while running.opened().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let hang_ups = running.platform.hang_ups();
    drop(followed);
    within("the closing of the platform's connection", running.platform.hung_up(hang_ups + 1)).await;
    assert_eq!(running.opened().len(), 2);
}
