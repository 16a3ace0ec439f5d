//! Ids as servers make them, over a break: nothing is lost or doubled that the bytes tell apart, whatever the ids say.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::json;
use tonic::Request;
use xpander_grpc_proxy::proto::TaskEvent;

use crate::support::{
    calls::follow,
    course::story,
    live::{Followed, finished},
    platform::{Platform, Reply, task},
    proxy::Proxy,
};

/// The end's number.
const END: usize = 99;

/// An event of the task under way: its id, if any, and its number, which is its time too.
type Sent = (Option<&'static str>, usize);

fn event((id, number): Sent) -> String {
    let (kind, data) = match number {
        END => ("task_finished", finished("completed", "told")),
        _ => ("chunk", json!(number.to_string())),
    };
    let time = format!("2026-04-10T19:01:{:02}.{:06}Z", 36 + number / 50, number);
    let event = json!({ "type": kind, "task_id": "task-1", "organization_id": "org-1", "time": time, "data": data });
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}data: {event}\n\n")
}

/// A platform whose connections bring this, one after the other; all but the last one are cut.
async fn connections(bodies: Vec<String>) -> (Platform, Proxy) {
    let opened = AtomicUsize::new(0);
    let platform = Platform::start(move |request| {
        if !request.path.ends_with("/events") {
            return Reply::json(200, &task("task-1", "executing"));
        }
        let nth = opened.fetch_add(1, Relaxed);
        match bodies.get(nth) {
            Some(last) if nth + 1 == bodies.len() => Reply::events(last),
            Some(body) => Reply::Torn(body.clone().into()),
            None => Reply::json(503, &json!({})),
        }
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    (platform, proxy)
}

async fn followed(connections_: &[&[Sent]]) -> Vec<TaskEvent> {
    let bodies = connections_.iter().map(|events| events.iter().map(|event_| event(*event_)).collect());
    let (_platform, proxy) = connections(bodies.collect()).await;
    Followed::begin(&mut proxy.client()).await.all().await
}

/// The `Last-Event-ID` of each opening.
fn asked_after(platform: &Platform) -> Vec<Option<String>> {
    let seen = platform.seen().into_iter().filter(|request| request.path.ends_with("/events"));
    seen.map(|request| request.header("last-event-id").map(str::to_owned)).collect()
}

#[tokio::test]
async fn any_ids_over_a_break_lose_nothing_and_double_nothing() {
    const NONE: Option<&str> = None;
    let [one, two, three, four, five, x] = ["1", "2", "3", "4", "5", "x"].map(Some);
    let first: &[Sent] = &[(one, 1), (two, 2), (three, 3)];
    let rows: [(&str, &[&[Sent]], &str); 13] = [
        (
            "a counter for each connection, from the present",
            &[first, &[(one, 4), (two, 5), (three, 6), (four, 7), (five, END)]],
            "1 2 3 stream_gap 4 5 6 7 told",
        ),
        ("the same, with fewer events than before", &[first, &[(one, 4), (two, END)]], "1 2 3 stream_gap 4 told"),
        ("the same, and nothing but the end", &[first, &[(one, END)]], "1 2 3 stream_gap told"),
        (
            "the same, with a replay",
            &[first, &[(one, 2), (two, 3), (three, 4), (four, END)]],
            "1 2 3 stream_gap 4 told",
        ),
        (
            "a counter of another process",
            &[&[(Some("41"), 1), (Some("42"), 2)], &[(three, 1), (four, 2), (five, 3), (Some("6"), END)]],
            "1 2 stream_gap 3 told",
        ),
        (
            "from then on ids prove nothing",
            &[first, &[(one, 4)], &[(two, 5), (three, END)]],
            "1 2 3 stream_gap 4 stream_gap 5 told",
        ),
        ("one word for all", &[&[(x, 1), (x, 2)], &[(x, 2), (x, 3), (x, END)]], "1 2 stream_gap 3 told"),
        ("empty ones", &[&[(Some(""), 1)], &[(Some(""), 2), (Some(""), END)]], "1 stream_gap 2 told"),
        ("none", &[&[(NONE, 1), (NONE, 2)], &[(NONE, 1), (NONE, 2), (NONE, 3), (NONE, END)]], "1 2 stream_gap 3 told"),
        (
            "clocks, with two events at the same moment",
            &[&[(Some("1000"), 1), (Some("1003"), 2)], &[(Some("1003"), 3), (Some("1010"), END)]],
            "1 2 stream_gap 3 told",
        ),
        (
            "clocks, with the next event a millisecond later",
            &[&[(Some("1000"), 1), (Some("1003"), 2)], &[(Some("1004"), 3), (Some("1010"), END)]],
            "1 2 stream_gap 3 told",
        ),
        (
            "another one each time that an event is sent",
            &[&[(Some("a-f"), 1), (Some("b-e"), 2)], &[(Some("c-d"), 1), (Some("d-c"), 2), (Some("e-b"), END)]],
            "1 2 stream_gap told",
        ),
        (
            "a name for each event",
            &[&[(Some("f"), 1), (x, 2)], &[(Some("f"), 1), (x, 2), (Some("z"), END)]],
            "1 2 told",
        ),
    ];
    for (what, connections, expected) in rows {
        assert_eq!(story(&followed(connections).await), expected, "{what}");
    }
}

/// WHATWG: an empty id takes the last one back, and one without data counts.
#[tokio::test]
async fn the_platform_is_asked_after_the_last_id_that_it_gave_and_after_no_empty_one() {
    let rows: [(String, Option<&str>); 5] = [
        (event((Some("7"), 1)), Some("7")),
        (event((Some("7"), 1)) + &event((None, 2)), Some("7")),
        (event((Some("7"), 1)) + &event((Some(""), 2)), None),
        (event((Some("7"), 1)) + "id: 8\n\n", Some("8")),
        (event((Some("7"), 1)) + "id\n\n", None),
    ];
    for (body, expected) in rows {
        let (platform, proxy) = connections(vec![body.clone(), event((None, END))]).await;
        let events = Followed::begin(&mut proxy.client()).await.all().await;
        assert!(events.iter().all(|event| event.event_id.as_deref() != Some("")), "{body}");
        assert_eq!(asked_after(&platform), [None, expected.map(str::to_owned)], "{body}");
    }
}

/// Data before its id, and a proper end of the stream in between: no blank line has closed it.
#[tokio::test]
async fn what_no_blank_line_has_closed_is_no_event() {
    let whole = event((None, 2));
    let data = whole.trim_end();
    for cut in [data.to_owned(), format!("{data}\n"), format!("{data}\nid: 2\n"), format!("{data}\nid")] {
        let opened = AtomicUsize::new(0);
        let first = event((Some("1"), 1)) + &cut;
        let rest = format!("{data}\nid: 2\n\n") + &event((Some("3"), END));
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true if opened.fetch_add(1, Relaxed) == 0 => Reply::events(&first),
            true => Reply::events(&rest),
            false => Reply::json(200, &task("task-1", "executing")),
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let events = Followed::begin(&mut proxy.client()).await.all().await;
        assert_eq!(story(&events), "1 2 told", "{cut:?}");
        assert_eq!(events[1].event_id.as_deref(), Some("2"), "{cut:?}");
    }
}

/// A caller that comes back with an id of a counter that has begun again since: the new events are younger than its call.
#[tokio::test]
async fn a_caller_that_names_an_id_loses_no_event_that_came_after_it() {
    let mut body = String::new();
    for (id, text) in [(1, "a"), (2, "b"), (3, "c")] {
        let event = json!({ "type": "chunk", "task_id": "task-1", "time": "2126-04-10T19:01:36Z", "data": text });
        let _ = write!(body, "id: {id}\ndata: {event}\n\n");
    }
    let (_platform, proxy) = connections(vec![body + &event((None, END))]).await;
    let request = Request::new(xpander_grpc_proxy::proto::StreamEventsRequest {
        last_event_id: "3".to_owned(),
        ..follow("task-1")
    });
    let events = Followed::with(&mut proxy.client(), request).await.all().await;
    assert_eq!(story(&events), "stream_gap a b c told");
}

/// A replay of more than is remembered: what is older is told by its time.
#[tokio::test]
async fn a_replay_of_more_than_is_remembered_is_dropped_by_its_times() {
    let chunk = |n: usize| {
        let time = format!("2026-04-10T19:{:02}:{:02}.000001Z", n / 60, n % 60);
        format!("data: {}\n\n", json!({ "type": "chunk", "task_id": "task-1", "time": time, "data": n.to_string() }))
    };
    let first: String = (0..1_500).map(chunk).collect();
    let second = first.clone() + &chunk(1_500) + &event((None, END));
    let (_platform, proxy) = connections(vec![first, second]).await;
    let story = story(&Followed::begin(&mut proxy.client()).await.all().await);
    let expected: Vec<_> = (0..1_500).map(|n| n.to_string()).collect();
    assert_eq!(story, expected.join(" ") + " stream_gap 1500 told");
}

/// The event in whose place the gap stands comes again with the replay: it is told once.
#[tokio::test]
async fn what_is_left_out_is_told_once_over_all_connections() {
    let large = format!("id: 2\ndata: {}\n\n", "x".repeat(2_000));
    for left_out in ["id: 2\ndata: no JSON\n\n", "data: no JSON\n\n", &large] {
        let first = event((Some("1"), 1)) + left_out + &event((Some("3"), 3));
        let second = first.clone() + &event((Some("4"), END));
        let opened = AtomicUsize::new(0);
        let platform = Platform::start(move |request| match request.path.ends_with("/events") {
            true if opened.fetch_add(1, Relaxed) == 0 => Reply::Torn(first.clone().into()),
            true => Reply::events(&second),
            false => Reply::json(200, &task("task-1", "executing")),
        })
        .await;
        let mut settings = crate::support::proxy::settings(&platform.base_url());
        settings.events.max_event_bytes = 1_000;
        let proxy = Proxy::with(&settings).await;
        let events = Followed::begin(&mut proxy.client()).await.all().await;
        assert_eq!(story(&events), "1 stream_gap 3 told", "{}", &left_out[..20]);
    }
}
