//! How a stream ends: with the whole task; and when the platform's stream breaks, with what a read of the task says.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::interval;
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::{EventType, task_event::Data};

use crate::support::{
    calls::follow,
    live::{Followed, Live, finished, result, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::failure,
};

/// How the platform's stream breaks.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// It ends as HTTP has it.
    End,
    /// The connection is closed behind an event.
    Torn,
    /// The connection is closed in the middle of one.
    TornInAnEvent,
    /// It ends in the middle of an event.
    EndInAnEvent,
    Silence,
}

const BREAKS: [Break; 5] = [Break::End, Break::Torn, Break::TornInAnEvent, Break::EndInAnEvent, Break::Silence];

/// A chunk with an id, then the break.
fn broken(how: Break) -> Reply {
    let whole = format!("id: 7\n{}", event("chunk", &json!("one")));
    let half = &event("chunk", &json!("never whole"))[..40];
    match how {
        Break::End => Reply::events(&whole),
        Break::EndInAnEvent => Reply::events(&(whole + half)),
        Break::Torn => Reply::Torn(whole.into()),
        Break::TornInAnEvent => Reply::Torn((whole + half).into()),
        Break::Silence => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999999\r\n\r\n";
            Reply::Silent((head.to_owned() + &whole).into())
        }
    }
}

/// A platform whose stream breaks; the task is under way when it is first read, and `then` from the second time on.
async fn breaking(how: Break, then: Value) -> (Platform, Proxy) {
    let reads = AtomicUsize::new(0);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => broken(how),
        false if reads.fetch_add(1, Relaxed) == 0 => Reply::json(200, &task("task-1", "executing")),
        false => Reply::json(200, &then),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.events.idle_timeout = Duration::from_millis(300);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

#[tokio::test]
async fn a_stream_that_breaks_when_the_task_is_over_ends_properly() {
    let statuses = ["completed", "failed", "error", "stopped"];
    join_all(BREAKS.iter().flat_map(|how| statuses.map(|status| ends_properly(*how, status)))).await;
}

async fn ends_properly(how: Break, status: &str) {
    let (_platform, proxy) = breaking(how, finished(status, "read")).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    // The platform has not said the end itself: something may be missing before it.
    let [chunk, gap, end] = &events[..] else { panic!("{how:?} {status}: {events:?}") };
    assert_eq!(gap.r#type(), EventType::StreamGap, "{how:?}");
    assert_eq!(chunk.event_id.as_deref(), Some("7"), "{how:?}");
    assert_eq!((end.r#type(), result(end)), (EventType::TaskFinished, "read"), "{how:?}");
    assert_eq!(end.task_id.as_deref(), Some("task-1"));
}

#[tokio::test]
async fn a_stream_that_breaks_before_the_task_is_over_is_unavailable_and_says_where() {
    // A platform that is merely silent is never given up: its task may be a quiet one.
    for how in BREAKS.into_iter().filter(|how| !matches!(how, Break::Silence)) {
        let (_platform, proxy) = breaking(how, task("task-1", "executing")).await;
        let mut followed = Followed::begin(&mut proxy.client()).await;
        assert_eq!(followed.text().await, "one", "{how:?}");
        // Gaps may be told before the proxy gives up.
        let end = loop {
            match followed.try_next().await {
                Ok(Some(event)) => assert_eq!(event.r#type(), EventType::StreamGap, "{how:?}"),
                end => break end,
            }
        };
        let failure = failure(end);
        assert_eq!(failure.code, Code::Unavailable, "{how:?}");
        assert_eq!(failure.facts["task_id"], "task-1", "{how:?}");
        assert_eq!(failure.facts["last_event_id"], "7", "{how:?}");
        assert!(failure.retry_seconds.is_some(), "{how:?}");
    }
}

#[tokio::test]
async fn a_break_before_the_first_event_names_the_event_that_the_caller_went_on_from() {
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true => Reply::events(""),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut request = follow("task-1");
    request.last_event_id = "41".to_owned();
    let mut followed = Followed::with(&mut proxy.client(), Request::new(request)).await;
    let end = loop {
        match followed.try_next().await {
            Ok(Some(event)) => assert_eq!(event.r#type(), EventType::StreamGap),
            end => break end,
        }
    };
    assert_eq!(failure(end).facts["last_event_id"], "41");
}

#[tokio::test]
async fn comments_count_as_life() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.events.idle_timeout = Duration::from_secs(2);
    let proxy = Proxy::with(&settings).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    let (begun, mut beat) = (Instant::now(), interval(Duration::from_millis(100)));
    // Twice as long as silence may last.
    while begun.elapsed() < Duration::from_secs(4) {
        beat.tick().await;
        live.send(": ping\n\n");
    }
    live.chunk("alive");
    assert_eq!(followed.text().await, "alive");
    assert_eq!(live.reads(), 1);
}

#[tokio::test]
async fn a_whole_snapshot_is_not_read_again() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let followed = Followed::begin(&mut proxy.client()).await;
    live.send(event("task_finished", &finished("completed", "from the stream")));
    let events = followed.all().await;
    assert_eq!(events.iter().map(result).collect::<Vec<_>>(), ["from the stream"]);
    assert_eq!(live.reads(), 1);
}

#[tokio::test]
async fn a_trimmed_snapshot_is_replaced_by_a_read() {
    let marked = |mark: Value| {
        let mut task = finished("completed", "trim");
        task["_result_truncated"] = mark;
        task
    };
    let without = |key: &str| {
        let mut task = finished("completed", "trim");
        task.as_object_mut().expect("a task").remove(key).expect("was there");
        task
    };
    let mut trimmed = vec![marked(json!(true)), marked(json!({ "bytes": 9 })), json!({}), json!("gone"), json!([])];
    trimmed.extend(["id", "agent_id", "organization_id", "input", "created_at"].map(without));
    for snapshot in trimmed {
        let live = Live::executing().await;
        let proxy = Proxy::start(&live.platform.base_url()).await;
        let followed = Followed::begin(&mut proxy.client()).await;
        live.becomes(finished("completed", "the whole result"));
        live.send(format!("id: 9\n{}", event("task_finished", &snapshot)));
        let events = followed.all().await;
        let [end] = &events[..] else { panic!("{snapshot}: {events:?}") };
        assert_eq!((result(end), end.event_id.as_deref()), ("the whole result", Some("9")), "{snapshot}");
        let Some(Data::Task(task)) = &end.data else { panic!("{end:?}") };
        assert_eq!((&*task.id, &*task.agent_id, task.other.as_ref()), ("task-1", "agent-1", None), "{snapshot}");
    }
}

#[tokio::test]
async fn a_task_that_cannot_be_read_after_a_break_is_unavailable_too() {
    for status in [429, 502, 503, 504] {
        let reads = AtomicUsize::new(0);
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true => broken(Break::End),
            false if reads.fetch_add(1, Relaxed) == 0 => Reply::json(200, &task("task-1", "executing")),
            false => Reply::json(status, &json!({ "detail": "not now" })),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let mut followed = Followed::begin(&mut proxy.client()).await;
        assert_eq!(followed.text().await, "one");
        let failure = failure(within("an end", followed.try_next()).await);
        assert_eq!(failure.code, Code::Unavailable, "{status}");
        assert_eq!(failure.facts["last_event_id"], "7", "{status}");
    }
}

/// A status that this version does not know is none of a task that goes on, where its stream says that it is over.
#[tokio::test]
async fn a_status_of_tomorrow_is_an_end_where_the_stream_says_so() {
    let mut over = finished("cancelled", "done");
    over["finished_at"] = json!("2026-04-10T19:01:36.4Z");
    let trimmed = json!({ "id": "task-1", "status": "cancelled", "_result_truncated": true });
    for (end, is_over) in [(&over, false), (&trimmed, false), (&over, true), (&trimmed, true)] {
        let (reads, over) = (AtomicUsize::new(0), over.clone());
        let told = event("chunk", &json!("one")) + &event("task_finished", end);
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true => Reply::events(&told),
            false if reads.fetch_add(1, Relaxed) == 0 && !is_over => Reply::json(200, &task("task-1", "executing")),
            false => Reply::json(200, &over),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let mut followed = Followed::begin(&mut proxy.client()).await;
        assert_eq!(followed.text().await, "one", "{end} {is_over}");
        let end = followed.next().await;
        assert_eq!((end.r#type(), result(&end)), (EventType::TaskFinished, "done"), "{is_over}");
        followed.is_over().await;
    }
}

/// The clocks of those who write its start and its end differ: it is no end of a run before.
#[tokio::test]
async fn an_end_from_before_the_start_has_the_task_asked() {
    let mut started = task("task-1", "executing");
    started["started_at"] = json!("2026-04-10T19:01:36.7Z");
    let live = Live::start(started.clone()).await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut request = Request::new(follow("task-1"));
    request.set_timeout(Duration::from_secs(30));
    let mut followed = Followed::with(&mut proxy.client(), request).await;
    (started["status"], started["result"]) = (json!("completed"), json!("done"));
    live.becomes(started.clone());
    live.send(event("task_finished", &started));
    // It may have been one of a run before all the same.
    assert_eq!(followed.next().await.r#type(), EventType::StreamGap);
    assert_eq!(result(&followed.next().await), "done");
    followed.is_over().await;
}
