//! Streams that break: no event comes twice, none is lost that the platform sends, and a gap is told where one may be.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use tokio::{sync::mpsc, time::sleep};
use xpander_grpc_proxy::proto::{StreamGap, TaskEvent, task_event::Data};

use crate::support::{
    course::{BREAKS, Begins, Break, Course, Ids, story},
    live::Followed,
    platform::{Platform, Reply},
    proxy::{Proxy, settings},
};

const WHOLE: &str = "connected é0 é1 é2 é3 é4 é5 told";

/// Runs a course for each break after three chunks and compares what the caller reads.
async fn each_break_reads(begins: Begins, ids: Ids, expected: &str) {
    let runs = BREAKS.into_iter().map(async |how| {
        let running = Course::new(begins, ids, &[(3, how)]).run().await;
        assert_eq!(story(&running.followed().await), expected, "{begins:?} {ids:?} {how:?}");
        let after = Course::new(begins, ids, &[]).id(2);
        assert_eq!(running.asked_after(), [None, after], "{begins:?} {ids:?} {how:?}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn after_each_break_a_platform_that_resumes_by_number_leaves_no_gap() {
    each_break_reads(Begins::AsAsked, Ids::Numbers, WHOLE).await;
}

#[tokio::test]
async fn after_each_break_a_replay_with_ids_is_dropped_and_leaves_no_gap() {
    each_break_reads(Begins::AtTheStart, Ids::Numbers, WHOLE).await;
    each_break_reads(Begins::AtTheStart, Ids::Words, WHOLE).await;
}

#[tokio::test]
async fn after_each_break_a_replay_without_ids_is_dropped_behind_a_gap() {
    each_break_reads(Begins::AtTheStart, Ids::None, "connected é0 é1 é2 stream_gap é3 é4 é5 told").await;
}

#[tokio::test]
async fn after_each_break_ids_that_prove_nothing_make_a_gap_and_lose_nothing() {
    each_break_reads(Begins::AsAsked, Ids::Words, "connected é0 é1 é2 stream_gap é3 é4 é5 told").await;
}

#[tokio::test]
async fn after_each_break_what_the_platform_left_out_is_a_gap() {
    for ids in [Ids::Numbers, Ids::Words, Ids::None] {
        each_break_reads(Begins::AtThePresent, ids, "connected é0 é1 é2 stream_gap é4 é5 told").await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_after_every_event_is_whole() {
    let breaks: Vec<_> = [1, 1, 2, 2, 3, 4, 4, 5, 6].into_iter().zip(BREAKS).collect();
    for begins in [Begins::AsAsked, Begins::AtTheStart] {
        let running = Course::new(begins, Ids::Numbers, &breaks).run().await;
        assert_eq!(story(&running.followed().await), WHOLE, "{begins:?}");
        assert_eq!(running.opened().len(), BREAKS.len() + 1, "{begins:?}");
    }
}

/// Without ids each break may have cost something, and each one is told once, before the next new event.
#[tokio::test]
async fn each_break_without_ids_has_a_gap_of_its_own() {
    let breaks = [(2, Break::Torn), (2, Break::End), (4, Break::Torn)];
    let running = Course::new(Begins::AtTheStart, Ids::None, &breaks).run().await;
    let events = running.followed().await;
    assert_eq!(story(&events), "connected é0 é1 stream_gap é2 é3 stream_gap é4 é5 told");
    assert_eq!(gaps(&events).iter().map(|gap| gap.attempts).collect::<Vec<_>>(), [2, 1]);
}

fn gaps(events: &[TaskEvent]) -> Vec<StreamGap> {
    let gap = |event: &TaskEvent| match &event.data {
        Some(Data::Gap(gap)) => Some(*gap),
        _ => None,
    };
    events.iter().filter_map(gap).collect()
}

#[tokio::test]
async fn a_gap_says_since_when_and_after_how_many_attempts_and_whether_by_id() {
    let rows = [(Ids::Words, Begins::AsAsked, true), (Ids::None, Begins::AtThePresent, false)];
    for (ids, begins, resumed_by_id) in rows {
        let breaks = [(3, Break::Silence), (3, Break::Status(503)), (3, Break::Unanswered), (3, Break::Status(502))];
        let running = Course::new(begins, ids, &breaks).run().await;
        let begun = SystemTime::now();
        let mut followed = Followed::begin(&mut running.proxy.client()).await;
        for _ in 0..4 {
            followed.next().await;
        }
        let last = SystemTime::now();
        let events = followed.all().await;
        let [gap] = gaps(&events)[..] else { panic!("{events:?}") };
        assert_eq!((gap.attempts, gap.resumed_by_id), (4, resumed_by_id), "{ids:?}");
        let since = SystemTime::try_from(gap.since.expect("a time")).expect("a time");
        assert!(begun <= since && since <= last, "{ids:?}: {begun:?} {since:?} {last:?}");
    }
}

#[tokio::test]
async fn a_platform_that_refuses_to_reconnect_for_a_while_costs_nothing() {
    let refusals = [404, 429, 500, 502, 503, 504].map(Break::Status).into_iter().chain([Break::Unanswered]);
    let runs = refusals.map(async |refusal| {
        let breaks = [(3, Break::Torn), (3, refusal), (3, refusal), (3, refusal)];
        let running = Course::new(Begins::AsAsked, Ids::Numbers, &breaks).run().await;
        assert_eq!(story(&running.followed().await), WHOLE, "{refusal:?}");
        let after = Some("run-10".to_owned());
        assert_eq!(running.asked_after(), [None, after.clone(), after.clone(), after.clone(), after], "{refusal:?}");
    });
    join_all(runs).await;
}

/// Gone means gone: no port, no connection; the first two attempts come within 300 ms and are refused.
#[tokio::test]
async fn a_platform_that_goes_away_and_comes_back_costs_nothing() {
    let rows = [(Ids::Numbers, Begins::AsAsked, false), (Ids::None, Begins::AtTheStart, true)];
    for (ids, begins, has_gap) in rows {
        let running = Course::new(begins, ids, &[(3, Break::Silence)]).run_with(|settings| {
            settings.events.idle_timeout = Duration::from_secs(30);
        });
        let running = running.await;
        let mut followed = Followed::begin(&mut running.proxy.client()).await;
        for _ in 0..4 {
            followed.next().await;
        }
        let address = running.platform.vanish().await;
        sleep(Duration::from_millis(500)).await;
        let opened = Arc::new(Mutex::new(Vec::new()));
        let _back = Platform::at(address, Course::new(begins, ids, &[]).script(opened)).await;
        let events = followed.all().await;
        assert_eq!(story(&events).contains("stream_gap"), has_gap);
        assert!(story(&events).ends_with("é3 é4 é5 told"), "{}", story(&events));
        assert_eq!(events.len(), 4 + usize::from(has_gap), "{}", story(&events));
        assert!(gaps(&events).iter().all(|gap| gap.attempts >= 2), "{events:?}");
    }
}

/// Comments for three times as long as silence may last, on a connection that is itself the second.
#[tokio::test]
async fn comments_count_as_life_after_a_break_too() {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let course = Course::new(Begins::AsAsked, Ids::Numbers, &[(3, Break::Torn)]).script(Arc::clone(&opened));
    let its_opened = Arc::clone(&opened);
    let platform =
        Platform::start(move |request| match (course(request), its_opened.lock().expect("no panic").len()) {
            (Reply::Stream(events), 2..) => Reply::Stream(behind_comments(events)),
            (reply, _) => reply,
        })
        .await;
    let mut settings = settings(&platform.base_url());
    settings.events.idle_timeout = Duration::from_millis(1_200);
    let proxy = Proxy::with(&settings).await;
    let begun = Instant::now();
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    assert_eq!(story(&events), WHOLE);
    assert!(begun.elapsed() >= Duration::from_millis(3_600), "{:?}", begun.elapsed());
    assert_eq!(opened.lock().expect("no panic").len(), 2);
}

/// The same pieces after a comment every 100 ms, for 3.6 s.
fn behind_comments(mut pieces: mpsc::UnboundedReceiver<Vec<u8>>) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (send, commented) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for _ in 0..36 {
            let _ = send.send(b": ping\n\n".to_vec());
            sleep(Duration::from_millis(100)).await;
        }
        while let Some(piece) = pieces.recv().await {
            let _ = send.send(piece);
        }
    });
    commented
}
