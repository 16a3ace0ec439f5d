//! A mesh that ends what is silent for too long: heartbeats keep a stream alive, and without them it is cut.

use std::time::{Duration, Instant};

use tonic::{Code, Streaming};
use xpander_grpc_proxy::proto::{
    EventType, InvokeRequest, StopTaskRequest, StreamEventsRequest, StreamEventsResponse, TaskEvent, WaitTaskRequest,
};

use crate::support::{envoy::Mesh, fleet::Fleet, live::within, load::titled, proxy::Client};

/// How long a call may be silent.
const IDLE: Duration = Duration::from_secs(1);
/// Heartbeats that take three times as long together.
const HEARTBEAT: Duration = Duration::from_millis(200);
const BEATS: usize = 15;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn heartbeats_keep_a_silent_stream_alive_that_envoy_would_cut() {
    let fleet = fleet().await;
    let mut client = fleet.envoy.client();
    // It waits for a person.
    let task_id = task(&mut client, "human", "May I?").await;
    let mut beating = follow(&mut client, &task_id, "", Some(HEARTBEAT)).await;
    let mut silent = follow(&mut client, &task_id, "", None).await;

    let mut last = String::new();
    let cut = loop {
        match within("the cut", silent.message()).await {
            Ok(message) => last = message.and_then(|message| message.event?.event_id).unwrap_or(last),
            Err(status) => break status,
        }
    };
    println!("a stream that is silent for {IDLE:?} ends with {cut:?}");
    assert_eq!(cut.code(), Code::Internal, "Envoy resets it: {cut:?}");
    let mut beats = 0;
    while beats < BEATS {
        let event = next(&mut beating).await.expect("it goes on");
        beats += usize::from(event.r#type() == EventType::Heartbeat);
    }

    // Both go on to the end, the one that was cut after its last event.
    let mut resumed = follow(&mut client, &task_id, &last, Some(HEARTBEAT)).await;
    within("an answer", client.stop_task(StopTaskRequest { task_id })).await.expect("stopped");
    assert_eq!(ends(&mut beating).await, ends(&mut resumed).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_wait_is_cut_that_takes_longer_than_envoy_bears_silence_and_a_shorter_one_is_answered() {
    let fleet = fleet().await;
    let mut client = fleet.envoy.client();
    let task_id = task(&mut client, "slow", "86400000").await;
    let mut wait = async |timeout: Duration| {
        let timeout = timeout.try_into().expect("in range");
        let request = WaitTaskRequest { task_id: task_id.clone(), timeout: Some(timeout) };
        within("an answer", client.wait_task(request)).await
    };
    wait(IDLE / 2).await.expect("the task as it is");
    let begun = Instant::now();
    let cut = wait(IDLE * 10).await.expect_err("cut");
    println!("a wait that is silent for {IDLE:?} ends with {cut:?}");
    assert!(begun.elapsed() < IDLE * 10, "{cut:?}");
    assert_eq!(cut.code(), Code::Unavailable, "{cut:?}");
}

async fn fleet() -> Fleet {
    Fleet::with(&[], Mesh { stream_idle_timeout: Some(IDLE), ..Mesh::default() }, None).await
}

async fn task(client: &mut Client, agent: &str, prompt: &str) -> String {
    let request = InvokeRequest { events_streaming: true, ..titled(agent, prompt, "idle") };
    within("an answer", client.invoke(request)).await.expect("OK").into_inner().task.expect("a task").id
}

async fn follow(
    client: &mut Client,
    task_id: &str,
    after: &str,
    heartbeat: Option<Duration>,
) -> Streaming<StreamEventsResponse> {
    let heartbeat = heartbeat.map(|heartbeat| heartbeat.try_into().expect("in range"));
    let request = StreamEventsRequest { task_id: task_id.to_owned(), last_event_id: after.to_owned(), heartbeat };
    within("a stream", client.stream_events(request)).await.expect("a stream").into_inner()
}

async fn next(stream: &mut Streaming<StreamEventsResponse>) -> Option<TaskEvent> {
    within("an event", stream.message()).await.expect("OK").map(|message| message.event.expect("an event"))
}

/// Reads to the end; the last event.
async fn ends(stream: &mut Streaming<StreamEventsResponse>) -> TaskEvent {
    let mut last = None;
    while let Some(event) = next(stream).await {
        last = Some(event);
    }
    let last = last.expect("events");
    assert_eq!(last.r#type(), EventType::TaskFinished);
    last
}
