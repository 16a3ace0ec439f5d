//! When a broken stream is reconnected, for how long, with what, and what the caller learns when it is not.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::mpsc, time::sleep};
use tonic::{Code, Status};

use crate::support::{
    course::{Begins, Break, Course, Ids, Running, story},
    live::{Followed, finished},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
    time::Moment,
};

/// Reads to the failure at the stream's end; also what came before.
async fn until_it_fails(running: &Running) -> (String, Failure) {
    let mut followed = Followed::begin(&mut running.proxy.client()).await;
    let mut events = Vec::new();
    let end: Status = loop {
        match followed.try_next().await {
            Ok(event) => events.push(event.expect("no end")),
            Err(status) => break status,
        }
    };
    (story(&events), failure(Err::<(), _>(end)))
}

/// How long the platform was left alone before each further connection, and how long a machine with nothing else to do
/// would have left it.
fn pauses(running: &Running) -> Vec<(Duration, Duration)> {
    running.opened().windows(2).map(|pair| (pair[0].until(&pair[1]), pair[0].alone_until(&pair[1]))).collect()
}

#[tokio::test]
async fn the_platforms_retry_is_honoured() {
    const WISH: Duration = Duration::from_millis(800);
    let mut course = Course::new(Begins::AsAsked, Ids::Numbers, &[(3, Break::End), (3, Break::Status(503))]);
    course.preludes = vec!["retry: 800\n\n".to_owned()];
    let running = course.run().await;
    running.followed().await;
    let pauses = pauses(&running);
    assert_eq!(pauses.len(), 2);
    // A random while is added, below 200 ms before the second attempt.
    assert!(pauses.iter().all(|(pause, alone)| *pause >= WISH && *alone < 2 * WISH), "{pauses:?}");
}

/// As the specification of event streams has it: the wish is the source's, and outlives a connection.
#[tokio::test]
async fn the_platforms_retry_holds_for_later_connections_too() {
    let mut course = Course::new(Begins::AsAsked, Ids::Numbers, &[(2, Break::Torn), (4, Break::Torn)]);
    course.preludes = vec!["retry: 700\n\n".to_owned()];
    let running = course.run().await;
    running.followed().await;
    let pauses = pauses(&running);
    assert!(pauses.len() == 2 && pauses[1].0 >= Duration::from_millis(700), "{pauses:?}");
}

#[tokio::test]
async fn without_a_wish_the_first_reconnection_comes_soon() {
    let running = Course::new(Begins::AsAsked, Ids::Numbers, &[(3, Break::Torn)]).run().await;
    running.followed().await;
    // At the most 100 ms and the read of the task.
    assert!(pauses(&running)[0].1 < Duration::from_millis(700), "{:?}", pauses(&running));
}

#[tokio::test]
async fn a_stream_that_cannot_be_mended_within_the_budget_is_unavailable_and_says_where() {
    const BUDGET: Duration = Duration::from_secs(2);
    for refusal in [Break::Status(503), Break::Status(404), Break::Unanswered] {
        let breaks: Vec<_> = [(3, Break::Torn)].into_iter().chain([(3, refusal); 100]).collect();
        let running = Course::new(Begins::AsAsked, Ids::Numbers, &breaks);
        let running = running.run_with(|settings| settings.events.reconnect_budget = BUDGET).await;
        let begun = Moment::now();
        let (events, failure) = until_it_fails(&running).await;
        assert_eq!(events, "connected é0 é1 é2", "{refusal:?}: a gap that nothing comes after tells nothing");
        assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "EVENT_STREAM_INTERRUPTED"), "{refusal:?}");
        assert_eq!((&*failure.facts["task_id"], &*failure.facts["last_event_id"]), ("task-1", "run-10"));
        assert!(failure.retry_seconds.is_some(), "{refusal:?}");
        // Two seconds have room for two pauses at least, of 100 and 200 ms at the most, and for less than thirty.
        assert!((3..30).contains(&running.opened().len()), "{refusal:?}: {}", running.opened().len());
        assert!(begun.alone() < 3 * BUDGET, "{refusal:?}: {:?}", begun.alone());
    }
}

/// Greetings and repeats are no progress.
#[tokio::test]
async fn connections_that_bring_nothing_new_do_not_renew_the_budget() {
    for begins in [Begins::AsAsked, Begins::AtTheStart] {
        let running = Course::new(begins, Ids::Numbers, &[(3, Break::Torn); 100]);
        let running = running.run_with(|settings| settings.events.reconnect_budget = Duration::from_millis(600)).await;
        let (events, failure) = until_it_fails(&running).await;
        assert_eq!((&*events, failure.code), ("connected é0 é1 é2", Code::Unavailable), "{begins:?}");
    }
}

/// As before a balancer that ends each connection after a while, and a task that is silent for longer.
#[tokio::test]
async fn the_budget_is_not_for_the_time_with_a_connection() {
    const BUDGET: Duration = Duration::from_millis(2_500);
    let runs = [Some(": alive\n\n"), None].map(async |comment| {
        let opened = AtomicUsize::new(0);
        let platform = Platform::start(move |request| {
            if !request.path.ends_with("/events") {
                return Reply::json(200, &task("task-1", "executing"));
            }
            if opened.fetch_add(1, Relaxed) == 3 {
                return Reply::events(&event("task_finished", &finished("completed", "told")));
            }
            let (send, pieces) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                for _ in 0..15 {
                    sleep(BUDGET / 10).await;
                    let _ = comment.map(|comment| send.send(comment.into()));
                }
            });
            Reply::Stream(pieces)
        })
        .await;
        let mut settings = settings(&platform.base_url());
        settings.events.reconnect_budget = BUDGET;
        let proxy = Proxy::with(&settings).await;
        assert_eq!(story(&Followed::begin(&mut proxy.client()).await.all().await), "stream_gap told", "{comment:?}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn each_new_event_renews_the_budget() {
    const BUDGET: Duration = Duration::from_millis(2_400);
    let mut course = Course::new(Begins::AsAsked, Ids::Numbers, &[1, 2, 3, 4, 5].map(|until| (until, Break::Torn)));
    course.preludes = vec!["retry: 1000\n\n".to_owned(); 5];
    let running = course.run_with(|settings| settings.events.reconnect_budget = BUDGET).await;
    let begun = Moment::now();
    assert_eq!(story(&running.followed().await), "connected é0 é1 é2 é3 é4 é5 told");
    assert!(begun.elapsed() > 2 * BUDGET, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_refusal_that_waiting_does_not_help_ends_the_stream_at_once() {
    let rows = [
        (401, Code::Unauthenticated, "PLATFORM_UNAUTHENTICATED"),
        (403, Code::PermissionDenied, "PLATFORM_FORBIDDEN"),
        (400, Code::InvalidArgument, "PLATFORM_BAD_REQUEST"),
    ];
    for (status, code, reason) in rows {
        let running = Course::new(Begins::AsAsked, Ids::Numbers, &[(3, Break::Torn), (3, Break::Status(status))]);
        let running = running.run().await;
        let (events, failure) = until_it_fails(&running).await;
        assert_eq!((&*events, failure.code, &*failure.reason), ("connected é0 é1 é2", code, reason));
        assert_eq!((&*failure.facts["task_id"], &*failure.facts["last_event_id"]), ("task-1", "run-10"));
        assert_eq!(running.opened().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_caller_goes_on_after_the_event_it_names() {
    for begins in [Begins::AsAsked, Begins::AtTheStart] {
        // The platform's events begin with run-8.
        let running = Course::new(begins, Ids::Numbers, &[(4, Break::Torn)]).run().await;
        assert_eq!(story(&running.followed_after("run-9").await), "connected é2 é3 é4 é5 told", "{begins:?}");
        let asked_after = running.asked_after();
        let asked_after: Vec<_> = asked_after.iter().map(Option::as_deref).collect();
        assert_eq!(asked_after, [Some("run-9"), Some("run-11")], "{begins:?}");
    }
}

/// The caller's id is the last one until another comes: a break before that resumes after it.
#[tokio::test]
async fn a_break_before_the_first_event_resumes_after_the_callers_own() {
    for begins in [Begins::AsAsked, Begins::AtTheStart] {
        let running = Course::new(begins, Ids::Numbers, &[(2, Break::Torn), (2, Break::Torn)]).run().await;
        assert_eq!(story(&running.followed_after("run-9").await), "connected é2 é3 é4 é5 told", "{begins:?}");
        assert!(running.asked_after().iter().all(|id| id.as_deref() == Some("run-9")), "{begins:?}");
    }
}

/// The same bytes sent on purpose are no repeat: three times before the break, of which a replay brings back three.
#[tokio::test]
async fn equal_chunks_without_ids_are_each_delivered_once() {
    let stutter = event("chunk", &json!("ha")).repeat(3);
    let whole = stutter.clone() + &event("chunk", &json!("ha")) + &event("task_finished", &task("task-1", "completed"));
    let opened = std::sync::atomic::AtomicUsize::new(0);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true if opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => Reply::Torn(stutter.clone().into()),
        true => Reply::events(&whole),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::with(&settings(&platform.base_url())).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    assert_eq!(story(&events).trim_end(), "ha ha ha stream_gap ha");
}
