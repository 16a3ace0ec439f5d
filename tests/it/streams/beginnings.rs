//! Streams of tasks that were created or continued a moment ago: routes that are not there yet, and runs before.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::{
    EventType, InvokeRequest, InvokeStreamRequest, StreamEventsRequest, TaskEvent, invoke_stream_response::Item,
};

use crate::support::{
    calls::{follow, invoke},
    course::story,
    live::{Followed, Live, finished, within},
    platform::{Platform, Reply, Seen, event, task},
    proxy::{Client, Proxy, settings},
    status::{Failure, failure},
};

/// All events of an invocation, behind its task; or how it failed.
async fn invoked(client: &mut Client, invocation: InvokeRequest) -> Result<Vec<TaskEvent>, Failure> {
    let request = InvokeStreamRequest { invocation: Some(invocation), heartbeat: None };
    let mut stream = within("a stream", client.invoke_stream(request)).await.expect("a stream").into_inner();
    let mut events = Vec::new();
    loop {
        match within("the next message", stream.message()).await {
            Ok(None) => return Ok(events),
            Ok(Some(message)) => events.extend(match message.item {
                Some(Item::Event(event)) => Some(event),
                _ => None,
            }),
            Err(status) => return Err(failure(Err::<(), _>(status))),
        }
    }
}

fn is_stream(request: &Seen) -> bool {
    request.path.ends_with("/events")
}

#[tokio::test]
async fn a_route_that_is_not_there_yet_is_waited_for() {
    let whole = || {
        event("connected", &Value::Null)
            + &event("chunk", &json!("one"))
            + &event("task_finished", &finished("completed", "told"))
    };
    for refusal in [404, 429, 500, 503] {
        for is_read in [false, true] {
            let refused = AtomicUsize::new(0);
            let platform = Platform::with_agents(move |request| {
                let is_refused = request.method == "GET" && (is_stream(request) || is_read && refusal == 404);
                if is_refused && refused.fetch_add(1, Relaxed) < 5 {
                    return Reply::json(refusal, &json!({ "detail": "not now" }));
                }
                if is_stream(request) { Reply::events(&whole()) } else { Reply::json(200, &task("task-1", "pending")) }
            })
            .await;
            let mut settings = settings(&platform.base_url());
            settings.platform.retries = 1;
            settings.events.reconnect_budget = Duration::from_secs(15);
            let proxy = Proxy::with(&settings).await;
            let events = invoked(&mut proxy.client(), invoke("agent-1")).await.expect("OK");
            assert_eq!(story(&events), "connected one told", "{refusal}");
        }
    }
}

#[tokio::test]
async fn one_that_never_comes_is_given_up_after_the_budget() {
    let platform = Platform::with_agents(|request| match is_stream(request) {
        true => Reply::json(404, &json!({ "detail": "Task not found" })),
        false => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.events.reconnect_budget = Duration::from_secs(2);
    let proxy = Proxy::with(&settings).await;
    let failure = invoked(&mut proxy.client(), invoke("agent-1")).await.expect_err("given up");
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "EVENT_STREAM_INTERRUPTED"));
    assert_eq!(failure.facts["task_id"], "task-1");
    let opened = || platform.paths().iter().filter(|path| path.ends_with("/events")).count();
    let before = opened();
    assert!(before > 2);
    // A task that was not created a moment ago is not waited for.
    proxy.client().stream_events(follow("task-1")).await.expect_err("no stream");
    assert_eq!(opened(), before + 1);
}

/// The stream brings the run before too, its end included. The task is under way until its own end is on the stream.
#[tokio::test]
async fn a_continued_task_does_not_end_with_the_run_before() {
    let before = event("chunk", &json!("old")) + &event("task_finished", &finished("completed", "before"));
    let trimmed = event("chunk", &json!("old")) + &event("task_finished", &json!({ "id": "task-1" }));
    for before in [before, trimmed] {
        let live = Live::executing().await;
        let proxy = Proxy::start(&live.platform.base_url()).await;
        let invocation = InvokeRequest { existing_task_id: Some("task-1".to_owned()), ..invoke("agent-1") };
        let mut client = proxy.client();
        let following = tokio::spawn(async move { invoked(&mut client, invocation).await });
        live.send(&before);
        // Opened, read, and read again for the end.
        within("the read", async {
            while live.reads() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        live.chunk("new");
        live.becomes(finished("completed", "now"));
        live.send(event("task_finished", &finished("completed", "now")));
        let events = following.await.expect("no panic").expect("OK");
        assert_eq!(story(&events), "old new now");
        assert_eq!(events.iter().filter(|event| event.r#type() == EventType::TaskFinished).count(), 1);
    }
}

/// Only the end of the run before was told: what the present one has said meanwhile is not known.
#[tokio::test]
async fn a_continued_task_that_ends_while_its_stream_is_away_ends_behind_a_gap() {
    for is_refused in [false, true] {
        let (send, stream) = mpsc::unbounded_channel();
        let stream = Mutex::new(Some(stream));
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let platform = Platform::with_agents(move |request| match (is_stream(request), request.method.as_str()) {
            (true, _) => match stream.lock().expect("no panic").take() {
                Some(stream) => Reply::Stream(stream),
                None => Reply::json(503, &json!({ "detail": "restarting" })),
            },
            (false, "GET") if over.load(Relaxed) => Reply::json(200, &finished("completed", "now")),
            _ => Reply::json(200, &task("task-1", "pending")),
        })
        .await;
        let mut settings = settings(&platform.base_url());
        settings.events.reconnect_budget = Duration::from_mins(5);
        let proxy = Proxy::with(&settings).await;
        let invocation = InvokeRequest { existing_task_id: Some("task-1".to_owned()), ..invoke("agent-1") };
        let mut client = proxy.client();
        let following = tokio::spawn(async move { invoked(&mut client, invocation).await });
        send.send(event("task_finished", &finished("completed", "before")).into()).expect("open");
        let asked = |what: &str| platform.paths().iter().filter(|path| path.ends_with(what)).count();
        let until = async |what: &str, count| {
            within(what, async {
                while asked(what) < count {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        };
        // Opened, read, and read again for the end.
        until("/status", 2).await;
        is_over.store(!is_refused, Relaxed);
        drop(send);
        if is_refused {
            until("/events", 2).await;
            is_over.store(true, Relaxed);
        }
        let events = following.await.expect("no panic").expect("OK");
        assert_eq!(story(&events), "stream_gap now", "{is_refused}");
    }
}

/// The task is asked whether it is over, and tells its story on the stream just then.
#[tokio::test]
async fn what_a_continued_task_tells_while_it_is_asked_is_not_lost() {
    let (send, stream) = mpsc::unbounded_channel();
    let (stream, reads) = (Mutex::new(Some(stream)), AtomicUsize::new(0));
    send.send(event("task_finished", &finished("completed", "before")).into_bytes()).expect("open");
    let platform = Platform::with_agents(move |request| match (is_stream(request), request.method.as_str()) {
        (true, _) => Reply::Stream(stream.lock().expect("no panic").take().expect("opened once")),
        (false, "GET") if reads.fetch_add(1, Relaxed) > 1 => {
            let told = event("chunk", &json!("new")) + &event("task_finished", &finished("completed", "now"));
            // The end of the proxy's interest is none of the test's.
            let _ = send.send(told.into());
            Reply::json(200, &finished("completed", "now"))
        }
        _ => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let invocation = InvokeRequest { existing_task_id: Some("task-1".to_owned()), ..invoke("agent-1") };
    let events = invoked(&mut proxy.client(), invocation).await.expect("OK");
    assert_eq!(story(&events), "new now");
}

/// A later caller is told by what the task says of itself: it goes on, and has an end or a later start.
#[tokio::test]
async fn nor_does_it_for_one_who_follows_it_later() {
    let with = |key: &str, value: Value| {
        let mut task = task("task-1", "executing");
        task[key] = value;
        task
    };
    let rows =
        [with("finished_at", json!("2026-04-10T19:01:36.5Z")), with("started_at", json!("2026-04-10T19:01:36.7Z"))];
    for task in rows {
        let live = Live::start(task.clone()).await;
        let proxy = Proxy::start(&live.platform.base_url()).await;
        let mut followed = Followed::begin(&mut proxy.client()).await;
        live.send(event("task_finished", &finished("completed", "before")) + &event("chunk", &json!("new")));
        assert_eq!(followed.text().await, "new", "{task}");
        let mut over = task.clone();
        (over["status"], over["result"]) = (json!("completed"), json!("now"));
        live.becomes(over.clone());
        live.send(event("task_finished", &over).replace("19:01:36.5Z\",\"type", "19:01:37.5Z\",\"type"));
        assert_eq!(story(&followed.all().await), "now", "{task}");
    }
}

/// The platform says the end before its task knows: nothing comes after it, and the task is asked again.
#[tokio::test]
async fn an_end_that_the_task_does_not_know_of_yet_is_told_when_it_does() {
    for keeps_open in [false, true] {
        let reads = AtomicUsize::new(0);
        let platform = Platform::start(move |request| {
            if is_stream(request) {
                let end = event("task_finished", &json!({ "id": "task-1" }));
                return match keeps_open {
                    false => Reply::events(&end),
                    true => Reply::Silent(
                        format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99999\r\n\r\n{end}"
                        )
                        .into(),
                    ),
                };
            }
            // As it was at the opening and at the end; later it knows.
            match reads.fetch_add(1, Relaxed) {
                0 | 1 => Reply::json(200, &task("task-1", "executing")),
                _ => Reply::json(200, &finished("completed", "read")),
            }
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let events = Followed::begin(&mut proxy.client()).await.all().await;
        assert_eq!(story(&events), "read", "{keeps_open}");
    }
}

/// A conversation has one task a turn: what comes back under an id of its own is followed by that.
#[tokio::test]
async fn a_continued_task_that_comes_back_under_another_id_is_followed_by_that() {
    let platform = Platform::with_agents(|request| match is_stream(request) {
        true => Reply::events(&event("task_finished", &task("task-2", "completed")).replace("task-1", "task-2")),
        false => Reply::json(200, &task("task-2", "pending")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let invocation = InvokeRequest { existing_task_id: Some("task-1".to_owned()), ..invoke("agent-1") };
    let events = invoked(&mut proxy.client(), invocation).await.expect("OK");
    assert_eq!(events.len(), 1);
    let paths = platform.paths();
    assert!(paths.contains(&"GET /org-1/agent-execution/task-2/events".to_owned()), "{paths:?}");
}

#[tokio::test]
async fn a_heartbeat_below_100_ms_is_refused() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    for (nanos, fits) in [(1, false), (99_999_999, false), (100_000_000, true), (0, true)] {
        let heartbeat = Some(prost_types::Duration { seconds: 0, nanos });
        if fits {
            let live = Live::executing().await;
            let proxy = Proxy::start(&live.platform.base_url()).await;
            Followed::with(&mut proxy.client(), Request::new(StreamEventsRequest { heartbeat, ..follow("task-1") }))
                .await;
            continue;
        }
        let request = StreamEventsRequest { heartbeat, ..follow("task-1") };
        let refused = failure(proxy.client().stream_events(request).await);
        assert_eq!((refused.code, refused.fields), (Code::InvalidArgument, vec!["heartbeat".to_owned()]), "{nanos}");
        let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat };
        let refused = failure(proxy.client().invoke_stream(request).await);
        assert_eq!((refused.code, &*refused.facts["outcome"]), (Code::InvalidArgument, "not_created"), "{nanos}");
    }
    assert!(live.platform.paths().is_empty());
}
