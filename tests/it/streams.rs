//! What StreamEvents promises, but for reconnecting: how a stream begins. How it goes on and ends is in the modules below.

mod beginnings;
mod callers;
mod ends;
mod events;
mod heartbeats;
mod invoke_stream;
mod order;
mod tails;

use serde_json::json;
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::{EventType, StreamEventsRequest, TaskStatus, task_event::Data};

use crate::support::{
    calls::follow,
    live::{Followed, Live, finished, within},
    platform::{Platform, Reply, task},
    proxy::Proxy,
    status::failure,
};

const STREAM: &str = "GET /org-1/agent-execution/task-1/events";
const READ: &str = "GET /agent-execution/task-1/status";

#[tokio::test]
async fn the_platforms_stream_is_opened_before_the_task_is_read() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let _followed = Followed::begin(&mut proxy.client()).await;
    assert_eq!(live.platform.paths(), [STREAM, READ]);
}

/// The task ends after its stream was opened and before it is read: a proxy that read first would hang here.
#[tokio::test]
async fn an_end_between_the_opening_and_the_read_is_not_missed() {
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true => Reply::events(""),
        false => Reply::json(200, &finished("completed", "in between")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    assert_eq!(events.iter().map(|event| event.r#type()).collect::<Vec<_>>(), [EventType::TaskFinished]);
    assert_eq!(platform.paths()[..2], [STREAM, READ]);
}

#[tokio::test]
async fn an_unknown_task_is_not_found_before_the_first_message() {
    let platform = Platform::start(|_| Reply::json(404, &json!({ "detail": "Task not found" }))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    // Already the call fails, not its stream.
    let failure = failure(within("an answer", proxy.client().stream_events(follow("task-1"))).await);
    assert_eq!((failure.code, &*failure.message), (Code::NotFound, "Task not found"));
    assert_eq!(failure.facts["task_id"], "task-1");
    assert_eq!(failure.facts["http_status"], "404");
}

#[tokio::test]
async fn a_task_created_without_streaming_fails_the_precondition() {
    for streaming in [json!(false), json!(null)] {
        for status in ["executing", "completed"] {
            let mut task = task("task-1", status);
            task["events_streaming"] = streaming.clone();
            let live = Live::start(task).await;
            let proxy = Proxy::start(&live.platform.base_url()).await;
            let failure = failure(within("an answer", proxy.client().stream_events(follow("task-1"))).await);
            assert_eq!(failure.code, Code::FailedPrecondition, "{streaming} {status}");
            assert_eq!(failure.facts["task_id"], "task-1");
            within("the closing of the platform's stream", live.platform.hung_up(1)).await;
        }
    }
}

/// As the platform has it: such a task has no stream to open.
#[tokio::test]
async fn a_task_whose_stream_does_not_exist_fails_the_precondition_too() {
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true => Reply::json(404, &json!({ "detail": "Task has no event stream" })),
        false => {
            let mut task = task("task-1", "executing");
            task["events_streaming"] = json!(false);
            Reply::json(200, &task)
        }
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let failure = failure(within("an answer", proxy.client().stream_events(follow("task-1"))).await);
    assert_eq!(failure.code, Code::FailedPrecondition);
}

#[tokio::test]
async fn a_task_that_is_over_gives_its_end_alone_and_the_platforms_stream_is_closed() {
    for (word, status) in [
        ("completed", TaskStatus::Completed),
        ("failed", TaskStatus::Failed),
        ("error", TaskStatus::Error),
        ("stopped", TaskStatus::Stopped),
    ] {
        let live = Live::start(finished(word, "the result")).await;
        // What the platform replays is not delivered on top of the end.
        live.chunk("replayed");
        let proxy = Proxy::start(&live.platform.base_url()).await;
        let events = Followed::begin(&mut proxy.client()).await.all().await;
        let [event] = &events[..] else { panic!("{word}: {events:?}") };
        assert_eq!((event.r#type(), &*event.type_name), (EventType::TaskFinished, "task_finished"), "{word}");
        assert_eq!(event.task_id.as_deref(), Some("task-1"));
        let Some(Data::Task(task)) = &event.data else { panic!("{word}: {event:?}") };
        assert_eq!((task.status(), task.result()), (status, "the result"));
        within("the closing of the platform's stream", live.platform.hung_up(1)).await;
    }
}

#[tokio::test]
async fn the_last_event_id_is_passed_on() {
    for (id, header) in [("", None), ("1712-7", Some("1712-7")), ("é 9", Some("é 9"))] {
        let live = Live::executing().await;
        let proxy = Proxy::start(&live.platform.base_url()).await;
        let request = StreamEventsRequest { last_event_id: id.to_owned(), ..follow("task-1") };
        let _followed = Followed::with(&mut proxy.client(), Request::new(request)).await;
        assert_eq!(live.platform.seen()[0].header("last-event-id"), header);
    }
}

#[tokio::test]
async fn the_stream_is_asked_for_as_events_and_uncompressed() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let _followed = Followed::begin(&mut proxy.client()).await;
    let seen = &live.platform.seen()[0];
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("x-api-key"), Some("key-under-test"));
}
