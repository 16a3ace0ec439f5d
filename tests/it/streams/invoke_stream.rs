//! `InvokeStream`: the task first, then its events, as StreamEvents has them.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use tonic::{Code, Request, Streaming};
use xpander_grpc_proxy::{
    proto::{
        EventType, InvokeRequest, InvokeStreamRequest, InvokeStreamResponse, Task, TaskEvent, TaskStatus,
        invoke_stream_response::Item, task_event::Data,
    },
    sandbox::Sandbox,
};

use crate::support::{
    calls::invoke,
    live::{finished, result, text, within},
    platform::{Platform, Reply, event, task},
    proxy::{Client, Proxy},
    status::failure,
};

async fn begin(client: &mut Client, invocation: InvokeRequest) -> Streaming<InvokeStreamResponse> {
    let request = InvokeStreamRequest { invocation: Some(invocation), heartbeat: None };
    within("a stream", client.invoke_stream(request)).await.expect("a stream").into_inner()
}

async fn next(stream: &mut Streaming<InvokeStreamResponse>) -> Option<Item> {
    let message = within("the next message", stream.message()).await.expect("OK")?;
    Some(message.item.expect("an item"))
}

/// The first message's task, and the events after it to the end.
async fn all(mut stream: Streaming<InvokeStreamResponse>) -> (Task, Vec<TaskEvent>) {
    let Some(Item::Task(task)) = next(&mut stream).await else { panic!("the first message is no task") };
    let mut events = Vec::new();
    while let Some(item) = next(&mut stream).await {
        let Item::Event(event) = item else { panic!("a second task") };
        events.push(event);
    }
    (*task, events)
}

async fn sandbox() -> (Sandbox, Proxy) {
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
    let proxy = Proxy::start(&sandbox.base_url()).await;
    (sandbox, proxy)
}

#[tokio::test]
async fn the_first_message_is_the_task_and_streaming_is_forced_on() {
    let (sandbox, proxy) = sandbox().await;
    let (task, events) = all(begin(&mut proxy.client(), invoke("echo")).await).await;
    assert_eq!((&*task.agent_id, task.status()), ("echo", TaskStatus::Pending));
    let types: Vec<_> = events.iter().map(TaskEvent::r#type).collect();
    use EventType::{Chunk, Connected, TaskCreated, TaskFinished, TaskUpdated};
    assert_eq!(types, [Connected, TaskCreated, TaskUpdated, Chunk, TaskFinished]);
    assert_eq!(result(&events[4]), "hi");
    assert!(events.iter().all(|event| event.task_id() == task.id));
    let seen = sandbox.seen();
    let created = seen.iter().find(|request| request.method == "POST").expect("a create");
    assert_eq!(created.body["events_streaming"], true);
    within("no open stream", sandbox.until_open_streams(0)).await;
}

#[tokio::test]
async fn the_task_is_there_before_the_platforms_stream_is() {
    let told = Arc::new(Notify::new());
    let go_on = Arc::clone(&told);
    let platform = Platform::with_agents(move |request| match (&*request.method, request.path.ends_with("/events")) {
        ("GET", true) => {
            let events = event("chunk", &json!("one")) + &event("task_finished", &finished("completed", "done"));
            Reply::After(Arc::clone(&told), Box::new(Reply::events(&events)))
        }
        _ => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut stream = begin(&mut proxy.client(), invoke("agent-1")).await;
    let Some(Item::Task(created)) = next(&mut stream).await else { panic!("no task") };
    assert_eq!(created.id, "task-1");
    go_on.notify_one();
    let Some(Item::Event(first)) = next(&mut stream).await else { panic!("no event") };
    assert_eq!(text(first), "one");
    let Some(Item::Event(end)) = next(&mut stream).await else { panic!("no end") };
    assert_eq!(result(&end), "done");
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test]
async fn what_fails_before_the_task_is_there_is_a_plain_error() {
    let (sandbox, proxy) = sandbox().await;
    let call = async |invocation| {
        let request = InvokeStreamRequest { invocation, heartbeat: None };
        failure(within("an answer", proxy.client().invoke_stream(request)).await)
    };
    for (invocation, code) in [
        (invoke("nobody"), Code::NotFound),
        (InvokeRequest { agent_version: Some("9".to_owned()), ..invoke("echo") }, Code::NotFound),
        (invoke("http-429"), Code::ResourceExhausted),
    ] {
        let failure = call(Some(invocation)).await;
        assert_eq!((failure.code, &*failure.facts["outcome"]), (code, "not_created"));
    }
    let seen = sandbox.seen().len();
    let none = call(None).await;
    assert_eq!((none.code, &*none.fields), (Code::InvalidArgument, &["invocation".to_owned()][..]));
    assert_eq!((&*none.facts["outcome"], sandbox.seen().len()), ("not_created", seen));
}

#[tokio::test]
async fn a_prompt_that_names_a_task_follows_that_one() {
    let (sandbox, proxy) = sandbox().await;
    let mut client = proxy.client();
    let slow = InvokeRequest { prompt: "300".to_owned(), events_streaming: true, ..invoke("slow") };
    let first = client.invoke(slow).await.expect("a task").into_inner().task.expect("a task");
    let prompt = json!({ "xpander_task_id": first.id }).to_string();
    let (task, events) = all(begin(&mut client, InvokeRequest { prompt, ..invoke("slow") }).await).await;
    assert_eq!(task.id, first.id);
    assert_eq!(result(events.last().expect("an end")), "Done after 300 ms.");
    assert_eq!(sandbox.seen().iter().filter(|request| request.method == "POST").count(), 1);
}

#[tokio::test]
async fn a_named_task_without_streaming_is_told_after_the_task() {
    let (_sandbox, proxy) = sandbox().await;
    let mut client = proxy.client();
    let first = client.invoke(invoke("echo")).await.expect("a task").into_inner().task.expect("a task");
    let prompt = json!({ "xpander_task_id": first.id }).to_string();
    let mut stream = begin(&mut client, InvokeRequest { prompt, ..invoke("echo") }).await;
    assert!(matches!(next(&mut stream).await, Some(Item::Task(task)) if task.id == first.id));
    let failure = failure(within("an end", stream.message()).await);
    assert_eq!((failure.code, &failure.facts["task_id"]), (Code::FailedPrecondition, &first.id));
}

#[tokio::test]
async fn a_caller_that_leaves_closes_the_platforms_stream() {
    let (sandbox, proxy) = sandbox().await;
    let mut stream = begin(&mut proxy.client(), invoke("slow")).await;
    while !matches!(next(&mut stream).await, Some(Item::Event(event)) if event.r#type() == EventType::Chunk) {}
    assert_eq!(sandbox.open_streams(), 1);
    drop(stream);
    within("the closing of the platform's stream", sandbox.until_open_streams(0)).await;
}

#[tokio::test]
async fn heartbeats_come_with_the_events() {
    let (_sandbox, proxy) = sandbox().await;
    let heartbeat = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
    // It waits for a person, and says nothing.
    let request = Request::new(InvokeStreamRequest { invocation: Some(invoke("human")), heartbeat });
    let mut stream = proxy.client().invoke_stream(request).await.expect("a stream").into_inner();
    let mut heartbeats = 0;
    while heartbeats < 5 {
        if let Some(Item::Event(event)) = next(&mut stream).await {
            heartbeats += usize::from(event.r#type() == EventType::Heartbeat);
        }
    }
}

#[tokio::test]
async fn a_big_result_arrives_whole_though_the_platforms_last_event_is_trimmed() {
    const BYTES: usize = 5 << 20;
    let (_sandbox, proxy) = sandbox().await;
    let invocation = InvokeRequest { prompt: BYTES.to_string(), ..invoke("big") };
    let (_, events) = all(begin(&mut proxy.client(), invocation).await).await;
    let end = events.last().expect("an end");
    assert_eq!(result(end).len(), BYTES);
    let Some(Data::Task(task)) = &end.data else { panic!("no task") };
    assert!(task.created_at.is_some());
    let other = task.other.as_ref().map(|other| other.fields().contains_key("_result_truncated"));
    assert_ne!(other, Some(true));
}
