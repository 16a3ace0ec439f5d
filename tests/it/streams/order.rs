//! Events arrive in the platform's order, none held back, none lost, none twice; what is no event is passed over.

use std::time::Duration;

use serde_json::{Value, json};
use xpander_grpc_proxy::proto::{EventType, StreamGap, TaskEvent, task_event::Data};

use crate::support::{
    live::{Followed, Live, finished, result, text},
    platform::event,
    proxy::{Proxy, settings},
    time::Moment,
};

async fn followed(live: &Live) -> (Proxy, Followed) {
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let followed = Followed::begin(&mut proxy.client()).await;
    (proxy, followed)
}

#[tokio::test]
async fn a_chunk_is_with_the_caller_while_the_platforms_stream_stays_open() {
    let live = Live::executing().await;
    let (_proxy, mut followed) = followed(&live).await;
    let mut delays = Vec::new();
    for count in 0..51 {
        let sent = Moment::now();
        live.chunk(&count.to_string());
        assert_eq!(followed.text().await, count.to_string());
        delays.push(sent.alone());
    }
    delays.sort();
    // A delayed acknowledgement alone would be 40 ms.
    assert!(delays[25] < Duration::from_millis(20), "{delays:?}");
}

#[tokio::test]
async fn an_event_may_arrive_in_pieces_cut_anywhere() {
    let live = Live::executing().await;
    let (_proxy, mut followed) = followed(&live).await;
    let whole = event("chunk", &json!("Grüße, 世界 🚀"));
    for end in ["\n", "\r\n", "\r"] {
        for byte in format!("id: é{end}{}", whole.replace('\n', end)).bytes() {
            live.send([byte]);
        }
        // A CR may be half of an end of a line: what comes next tells.
        live.send(":\n");
        let event = followed.next().await;
        assert_eq!(event.event_id.as_deref(), Some("é"), "{end:?}");
        assert_eq!(text(event), "Grüße, 世界 🚀", "{end:?}");
    }
}

#[tokio::test]
async fn an_event_whose_blank_line_is_crlf_is_not_held_back_for_the_next_one() {
    let live = Live::executing().await;
    let (_proxy, mut followed) = followed(&live).await;
    live.send(event("chunk", &json!("now")).replace('\n', "\r\n"));
    assert_eq!(followed.text().await, "now");
}

#[tokio::test]
async fn many_events_arrive_once_each_in_order_and_with_their_ids() {
    let live = Live::executing().await;
    let (_proxy, followed) = followed(&live).await;
    let all: String = (1..=5_000).map(|n| format!("id: {n}\n{}", event("chunk", &json!(format!("{n}"))))).collect();
    // Pieces whose size has nothing to do with that of the events.
    all.as_bytes().chunks(1_499).for_each(|piece| live.send(piece));
    live.send(event("task_finished", &finished("completed", "done")));
    let mut events = followed.all().await;
    assert_eq!(result(&events.pop().expect("an end")), "done");
    let ids: Vec<_> = events.iter().map(|event| event.event_id.clone().unwrap_or_default()).collect();
    let texts: Vec<_> = events.into_iter().map(text).collect();
    let expected: Vec<_> = (1..=5_000).map(|n| n.to_string()).collect();
    assert_eq!((ids, texts), (expected.clone(), expected));
}

#[tokio::test]
async fn the_tasks_end_ends_the_call_though_the_platform_holds_its_stream() {
    let live = Live::executing().await;
    let (_proxy, mut followed) = followed(&live).await;
    live.send(event("task_finished", &finished("completed", "done")) + &event("chunk", &json!("too late")));
    let end = followed.next().await;
    assert_eq!((end.r#type(), result(&end)), (EventType::TaskFinished, "done"));
    followed.is_over().await;
    live.platform.hung_up(1).await;
}

#[tokio::test]
async fn the_end_of_another_task_is_not_the_end() {
    let live = Live::executing().await;
    let (_proxy, followed) = followed(&live).await;
    let mut other = finished("completed", "other");
    other["id"] = json!("task-2");
    let of_another = event("task_finished", &other).replace("task-1", "task-2");
    let only_in_data = json!({ "type": "task_finished", "data": other });
    live.send(of_another);
    live.send(format!("data: {only_in_data}\n\n"));
    live.send(event("sub_task_finished", &other));
    // Mirrored on the parent's stream, under the parent's id.
    live.send(event("sub_task_finished", &finished("completed", "own")));
    live.chunk("more");
    live.send(event("task_finished", &finished("completed", "done")));
    let events = followed.all().await;
    let types: Vec<_> = events.iter().map(TaskEvent::r#type).collect();
    use EventType::{Chunk, SubTaskFinished, TaskFinished};
    assert_eq!(types, [TaskFinished, TaskFinished, SubTaskFinished, SubTaskFinished, Chunk, TaskFinished]);
    assert_eq!(result(&events[0]), "other");
    assert_eq!(live.reads(), 1, "none of them is worth a read");
}

#[tokio::test]
async fn what_is_no_event_leaves_a_gap_in_its_place_and_the_next_one_arrives() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.events.max_event_bytes = 1_000;
    let proxy = Proxy::with(&settings).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    let oversized = event("chunk", &json!("x".repeat(2_000)));
    let in_lines = format!("data: {{\"type\": \"chunk\",{}\ndata: }}\n\n", "\ndata: ".repeat(1_000));
    for (count, nothing) in [
        "data: no JSON\n\n",
        "data: [{\"type\": \"chunk\"}]\n\n",
        "data: \"chunk\"\n\n",
        "data: {}\n\n",
        "data: {\"type\": 7}\n\n",
        "data: {\"type\": null}\n\n",
        "data: {\"type\": \"chunk\"\n\n",
        "data:\n\n",
        "data: {\"type\": \"chunk\", \"data\": \"\u{0}\"}\n\n",
        &oversized,
        &in_lines,
    ]
    .into_iter()
    .enumerate()
    {
        live.send(nothing);
        // At once, and not with the next event.
        let gap = followed.next().await;
        let Some(Data::Gap(StreamGap { attempts: 0, resumed_by_id: false, .. })) = gap.data else { panic!("{gap:?}") };
        live.chunk(&count.to_string());
        assert_eq!(followed.text().await, count.to_string(), "{nothing:?}");
    }
}

/// Oversized or not: a comment, a name, an id, and what servers send to keep a connection alive.
#[tokio::test]
async fn what_says_nothing_leaves_no_gap_and_takes_no_event_along() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.events.max_event_bytes = 1_000;
    let proxy = Proxy::with(&settings).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    let large = "x".repeat(5_000);
    for (count, nothing) in [
        "event: chunk\nid: 3\n\n",
        ": a comment\n\n",
        "retry: 100\n\n",
        "event: ping\ndata: 2026-04-10T19:01:36Z\n\n",
        "event: keepalive\ndata:\n\n",
        "event: heartbeat\ndata: {\"at\": 7}\n\n",
        // In the event that comes next.
        &format!(":{large}\n"),
        &format!(": {large}\r\n"),
        &format!("unknown: {large}\n"),
        &format!("{large}\n"),
        &format!("event: {large}\n"),
        &format!("retry: {large}\n"),
        &format!("id: {large}\n"),
    ]
    .into_iter()
    .enumerate()
    {
        live.send(nothing);
        live.chunk(&count.to_string());
        assert_eq!(followed.text().await, count.to_string(), "{:?}", &nothing[..nothing.len().min(40)]);
    }
}

#[tokio::test]
async fn an_event_that_lacks_keys_is_delivered_with_what_it_has() {
    let live = Live::executing().await;
    let (_proxy, mut followed) = followed(&live).await;
    live.send("data: {\"type\": \"chunk\"}\n\n");
    let event = followed.next().await;
    assert_eq!((event.r#type(), event.task_id, event.time), (EventType::Chunk, None, None));
    assert!(event.data.is_none());
    live.send("data: {\"type\": \"of_tomorrow\", \"task_id\": null, \"data\": [1, {}]}\n\n");
    let event = followed.next().await;
    assert_eq!((event.r#type(), &*event.type_name), (EventType::Unspecified, "of_tomorrow"));
    let Some(Data::Other(value)) = event.data else { panic!("{event:?}") };
    assert_eq!(value.json(), json!([1, {}]));
}

/// The platform's own end without a snapshot is an end all the same, with the whole task.
#[tokio::test]
async fn an_end_without_a_task_id_or_data_is_the_followed_tasks() {
    for end in [json!({ "type": "task_finished" }), json!({ "type": "task_finished", "data": Value::Null })] {
        let live = Live::executing().await;
        let (_proxy, followed) = followed(&live).await;
        live.becomes(finished("completed", "read"));
        live.send(format!("data: {end}\n\n"));
        let events = followed.all().await;
        assert_eq!(events.iter().map(result).collect::<Vec<_>>(), ["read"]);
    }
}
