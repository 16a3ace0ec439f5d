//! A task that ends while its stream is broken: its end comes once and whole, behind a gap where something may be missing.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;

use crate::support::{
    course::{BREAKS, Begins, Break, CHUNKS, Course, Ids, story},
    live::{Followed, finished, result},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::failure,
};

/// What a caller reads of a task that is over when it is read after the stream's first break, and how many connections
/// that took.
async fn story_of(begins: Begins, ids: Ids, breaks: &[(usize, Break)]) -> (String, usize) {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let (course, reads) = (Course::new(begins, ids, breaks).script(Arc::clone(&opened)), AtomicUsize::new(0));
    let platform = Platform::start(move |request| match request.path.ends_with("/status") {
        true if reads.fetch_add(1, Relaxed) > 0 => Reply::json(200, &finished("completed", "read")),
        _ => course(request),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.events.idle_timeout = Duration::from_millis(400);
    let proxy = Proxy::with(&settings).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    let opened = opened.lock().expect("no panic").len();
    (story(&events), opened)
}

#[tokio::test]
async fn the_rest_of_a_stream_whose_task_is_over_is_fetched_by_id() {
    let runs = BREAKS.into_iter().map(async |how| {
        for begins in [Begins::AsAsked, Begins::AtTheStart] {
            let (story, opened) = story_of(begins, Ids::Numbers, &[(3, how)]).await;
            assert_eq!((&*story, opened), ("connected é0 é1 é2 é3 é4 é5 told", 2), "{begins:?} {how:?}");
        }
    });
    join_all(runs).await;
}

/// A stream that ends without `task_finished` may have ended early, however properly.
#[tokio::test]
async fn without_ids_the_end_that_is_read_stands_behind_a_gap() {
    let runs = BREAKS.into_iter().map(async |how| {
        let (story, opened) = story_of(Begins::AtTheStart, Ids::None, &[(3, how)]).await;
        assert_eq!((&*story, opened), ("connected é0 é1 é2 stream_gap read", 1), "{how:?}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_rest_that_cannot_be_fetched_is_a_gap_before_the_end() {
    for (how, refusal) in [(Break::Torn, 503), (Break::Silence, 404), (Break::InALine, 401)] {
        let breaks = [(3, how), (3, Break::Status(refusal))];
        let (story, opened) = story_of(Begins::AsAsked, Ids::Numbers, &breaks).await;
        assert_eq!((&*story, opened), ("connected é0 é1 é2 stream_gap read", 2), "{how:?} {refusal}");
    }
}

#[tokio::test]
async fn a_rest_that_breaks_off_itself_is_a_gap_before_the_end() {
    for how in [Break::Torn, Break::InALine, Break::Reset] {
        let breaks = [(3, Break::Torn), (5, how)];
        let (story, _) = story_of(Begins::AsAsked, Ids::Numbers, &breaks).await;
        assert_eq!(story, "connected é0 é1 é2 é3 é4 stream_gap read", "{how:?}");
    }
}

#[tokio::test]
async fn a_task_that_ends_while_the_platform_refuses_to_reconnect_ends_behind_a_gap() {
    let breaks = [(3, Break::Torn), (3, Break::Status(503)), (3, Break::Status(503)), (3, Break::Status(503))];
    let mut course = Course::new(Begins::AsAsked, Ids::Numbers, &breaks);
    course.over_after = 3;
    let running = course.run().await;
    assert_eq!(story(&running.followed().await), "connected é0 é1 é2 stream_gap read");
    assert_eq!(running.opened().len(), 4);
}

#[tokio::test]
async fn an_end_that_is_sent_twice_arrives_once() {
    let end = event("task_finished", &finished("completed", "told"));
    for ids in [["id: 1\n", "id: 2\n"], ["id: 1\n", "id: 1\n"], ["", ""]] {
        let twice: String = ids.iter().map(|id| format!("{id}{end}")).collect();
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true => Reply::events(&twice),
            false => Reply::json(200, &task("task-1", "executing")),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        assert_eq!(story(&Followed::begin(&mut proxy.client()).await.all().await), "told", "{ids:?}");
    }
}

/// A sub-agent's end is an event like others: told once, replayed in vain, and not the stream's end.
#[tokio::test]
async fn the_end_of_another_task_is_replayed_in_vain() {
    let other = event("task_finished", &finished("completed", "of another")).replace("task-1", "task-2");
    let first = format!("id: 1\n{other}");
    let whole = format!("{first}id: 2\n{}", event("task_finished", &finished("completed", "told")));
    let opened = AtomicUsize::new(0);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true if opened.fetch_add(1, Relaxed) == 0 => Reply::Torn(first.clone().into()),
        true => Reply::events(&whole),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    assert_eq!(story(&Followed::begin(&mut proxy.client()).await.all().await), "of another told");
}

#[tokio::test]
async fn a_trimmed_end_after_a_break_is_made_whole() {
    let opened = AtomicUsize::new(0);
    let platform = Platform::start(move |request| {
        if !request.path.ends_with("/events") {
            let is_over = opened.load(Relaxed) > 2;
            return Reply::json(
                200,
                &if is_over { finished("completed", "whole") } else { task("task-1", "executing") },
            );
        }
        let chunk = format!("id: 1\n{}", event("chunk", &json!("one")));
        match opened.fetch_add(1, Relaxed) {
            0 => Reply::Torn(chunk.into()),
            1 => Reply::Torn(Vec::new()),
            _ => Reply::events(&format!("id: 2\n{}", event("task_finished", &json!({ "_result_truncated": true })))),
        }
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    assert_eq!(story(&events), "one whole");
    assert_eq!(result(&events[1]), "whole");
}

#[tokio::test]
async fn a_trimmed_end_that_cannot_be_made_whole_is_unavailable_and_says_where() {
    let reads = AtomicUsize::new(0);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::events(&format!("id: 9\n{}", event("task_finished", &json!({ "_result_truncated": true })))),
        false if reads.fetch_add(1, Relaxed) == 0 => Reply::json(200, &task("task-1", "executing")),
        false => Reply::json(503, &json!({ "detail": "not now" })),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let failure = failure(Followed::begin(&mut proxy.client()).await.try_next().await);
    assert_eq!((failure.code, &*failure.facts["task_id"]), (Code::Unavailable, "task-1"));
}

#[tokio::test]
async fn a_break_right_behind_the_end_costs_nothing() {
    for how in BREAKS {
        let running = Course::new(Begins::AsAsked, Ids::None, &[(CHUNKS + 1, how)]).run().await;
        assert_eq!(story(&running.followed().await), "connected é0 é1 é2 é3 é4 é5 told", "{how:?}");
        assert_eq!(running.opened().len(), 1, "{how:?}");
    }
}
