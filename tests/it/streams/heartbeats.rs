//! Heartbeats: sent whenever nothing else was for as long as the caller asked for, and never in an event's way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use serde_json::json;
use tokio::{
    sync::Notify,
    time::{interval, sleep},
};
use tonic::Request;
use xpander_grpc_proxy::proto::{
    EventType, InvokeStreamRequest, StreamEventsRequest, TaskEvent, invoke_stream_response::Item,
};

use crate::support::{
    calls::{follow, invoke},
    live::{Followed, Live, finished, result, text, within},
    platform::{Platform, Reply, event, task},
    proxy::Proxy,
};

fn beating(heartbeat: Duration) -> Request<StreamEventsRequest> {
    let heartbeat = Some(heartbeat.try_into().expect("a duration"));
    Request::new(StreamEventsRequest { heartbeat, ..follow("task-1") })
}

fn is_heartbeat(event: &TaskEvent) -> bool {
    event.r#type() == EventType::Heartbeat
}

#[tokio::test]
async fn an_idle_stream_carries_heartbeats_between_its_events() {
    const BEAT: Duration = Duration::from_millis(100);
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut followed = Followed::with(&mut proxy.client(), beating(BEAT)).await;
    for round in 0..3 {
        let mut times = Vec::new();
        for _ in 0..3 {
            let beat = followed.next().await;
            assert!(is_heartbeat(&beat), "{beat:?}");
            assert_eq!((beat.task_id.as_deref(), beat.event_id), (Some("task-1"), None));
            assert!(beat.data.is_none());
            times.push(SystemTime::try_from(beat.time.expect("a time")).expect("a time"));
        }
        // By the proxy's clock: a caller that is late finds several at once.
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).expect("in order")).collect();
        assert!(pauses.iter().all(|pause| *pause >= BEAT), "{pauses:?}");
        live.chunk(&round.to_string());
        let event = loop {
            let event = followed.next().await;
            if !is_heartbeat(&event) {
                break event;
            }
        };
        assert_eq!(text(event), round.to_string());
    }
    live.send(event("task_finished", &finished("completed", "done")));
    let mut rest = followed.all().await;
    assert_eq!(result(&rest.pop().expect("an end")), "done");
    assert!(rest.iter().all(is_heartbeat));
}

/// The platform takes its time: proxies in between do not wait for it.
#[tokio::test]
async fn an_invocation_carries_them_before_its_stream_is_open() {
    let told = Arc::new(Notify::new());
    let go_on = Arc::clone(&told);
    let platform = Platform::with_agents(move |request| match request.path.ends_with("/events") {
        true => {
            let whole = event("task_finished", &finished("completed", "done"));
            Reply::After(Arc::clone(&told), Box::new(Reply::events(&whole)))
        }
        false => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let heartbeat = Some(Duration::from_millis(100).try_into().expect("a duration"));
    let mut request = Request::new(InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat });
    request.set_timeout(Duration::from_secs(30));
    let mut stream = proxy.client().invoke_stream(request).await.expect("a stream").into_inner();
    let mut next = async || within("a message", stream.message()).await.expect("OK").and_then(|message| message.item);
    assert!(matches!(next().await, Some(Item::Task(_))));
    for _ in 0..3 {
        let beat = next().await;
        assert!(matches!(&beat, Some(Item::Event(event)) if is_heartbeat(event)));
    }
    go_on.notify_one();
    let end = loop {
        match next().await {
            Some(Item::Event(event)) if !is_heartbeat(&event) => break event,
            other => assert!(other.is_some(), "over without its end"),
        }
    };
    assert_eq!(result(&end), "done");
}

#[tokio::test]
async fn a_busy_stream_carries_none() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut followed = Followed::with(&mut proxy.client(), beating(Duration::from_millis(1_500))).await;
    // Comments keep the platform's stream alive and say nothing to the caller: chunks alone hold heartbeats back.
    let (begun, mut beat) = (Instant::now(), interval(Duration::from_millis(50)));
    while begun.elapsed() < Duration::from_millis(3_200) {
        beat.tick().await;
        live.chunk("busy");
        assert_eq!(followed.text().await, "busy");
    }
}

#[tokio::test]
async fn without_the_wish_there_are_none() {
    for heartbeat in [None, Some(prost_types::Duration::default())] {
        let live = Live::executing().await;
        let proxy = Proxy::start(&live.platform.base_url()).await;
        let request = StreamEventsRequest { heartbeat, ..follow("task-1") };
        let mut followed = Followed::with(&mut proxy.client(), Request::new(request)).await;
        sleep(Duration::from_millis(300)).await;
        live.chunk("first");
        assert_eq!(followed.text().await, "first");
    }
}

#[tokio::test]
async fn heartbeats_go_on_while_the_end_is_read_and_lose_no_event() {
    let (reads, told) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let go_on = Arc::clone(&told);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::events(&(event("chunk", &json!("one")) + &event("task_finished", &json!({ "id": "task-1" })))),
        false if reads.fetch_add(1, Relaxed) == 0 => Reply::json(200, &task("task-1", "executing")),
        false => Reply::After(Arc::clone(&told), Box::new(Reply::json(200, &finished("completed", "whole")))),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut followed = Followed::with(&mut proxy.client(), beating(Duration::from_millis(100))).await;
    let first = loop {
        let event = followed.next().await;
        if !is_heartbeat(&event) {
            break event;
        }
    };
    assert_eq!(text(first), "one");
    for _ in 0..4 {
        let beat = followed.next().await;
        assert!(is_heartbeat(&beat), "{beat:?}");
    }
    go_on.notify_one();
    let mut rest = followed.all().await;
    assert_eq!(result(&rest.pop().expect("an end")), "whole");
    assert!(rest.iter().all(is_heartbeat), "{rest:?}");
    assert_eq!(platform.paths().iter().filter(|path| path.ends_with("/status")).count(), 2, "the read is not repeated");
}
