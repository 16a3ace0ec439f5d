//! The six calls against the sandbox, agent by agent; how agents are looked up, prompts read, requests deduplicated and
//! tasks waited for is in the modules below.

mod lookups;
mod prompts;
mod remembered;
mod requests;
mod waits;
mod waits_large;
mod waits_now;

use futures_util::future::join_all;
use tonic::{Code, Request};
use xpander_grpc_proxy::{
    config::Mode,
    proto::{
        GetTaskRequest, InvokeRequest, InvokeStreamRequest, OutputFormat, StopTaskRequest, Task, TaskStatus,
        WaitTaskRequest, agent_service_client::AgentServiceClient, json::Struct,
    },
};

use crate::support::{
    calls::{follow, invoke},
    live::{Followed, result, within},
    sandbox::{Caller, World, asking},
    status::{Failure, failure},
};

/// The task's end as StreamEvents tells it.
async fn end(caller: &mut Caller, task: &Task) -> String {
    let events = Followed::with(&mut caller.0, Request::new(follow(&task.id))).await.all().await;
    result(events.last().expect("an end")).to_owned()
}

#[tokio::test]
async fn echo_goes_through_all_its_states_and_reads_the_same_everywhere() {
    let world = World::start().await;
    let mut caller = world.client();
    let request = InvokeRequest { events_streaming: true, ..asking("echo", "one two three") };
    let created = caller.invoke(request).await;
    assert_eq!((&*created.agent_id, created.status()), ("echo", TaskStatus::Pending));
    assert_eq!(end(&mut caller, &created).await, "one two three");
    let read = caller.get(&created.id).await;
    assert_eq!((read.status(), read.result()), (TaskStatus::Completed, "one two three"));
    assert!(read.finished_at.is_some() && read.duration.is_some() && read.tokens.is_some());
    assert_eq!(caller.wait(&created.id).await, read);
    // Stopping what is over changes nothing.
    assert_eq!(caller.stop(&created.id).await, read);
}

#[tokio::test]
async fn echo_answers_in_the_form_that_is_asked_for() {
    let world = World::start().await;
    let mut caller = world.client();
    let schema = serde_json::json!({ "type": "object", "properties": { "said": { "type": "string" } } });
    let mut request = asking("echo", "hi");
    request.set_output_format(OutputFormat::Json);
    request.output_schema = Some(Struct::new(schema.to_string()));
    let task = caller.invoke(request).await;
    let task = caller.wait(&task.id).await;
    assert_eq!((task.result(), task.output_format()), (r#"{"said":"hi"}"#, OutputFormat::Json));
}

#[tokio::test]
async fn tools_leaves_its_plan_and_its_tools_in_the_task() {
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("tools", "revenue").await;
    let task = caller.wait(&task.id).await;
    assert_eq!((task.status(), task.result()), (TaskStatus::Completed, "Looked into it: revenue"));
    assert_eq!(task.used_tools, ["search", "sql"]);
    let plan = task.deep_planning.expect("a plan");
    assert_eq!(plan.tasks.iter().filter(|step| step.completed()).count(), 2);
}

#[tokio::test]
async fn slow_is_stopped_and_its_followers_are_told() {
    let world = World::start().await;
    let mut caller = world.client();
    let request = InvokeRequest { events_streaming: true, ..asking("slow", "60000") };
    let task = caller.invoke(request).await;
    let mut followed = Followed::with(&mut caller.0, Request::new(follow(&task.id))).await;
    while followed.next().await.type_name != "chunk" {}
    let stopped = caller.stop(&task.id).await;
    assert_eq!((stopped.status(), stopped.is_manually_stopped()), (TaskStatus::Stopped, true));
    let rest = followed.all().await;
    assert_eq!(rest.last().map(|event| &*event.type_name), Some("task_finished"));
    assert_eq!(caller.wait(&task.id).await.status(), TaskStatus::Stopped);
    assert_eq!(world.seen("DELETE", &format!("/agent-execution/{}", task.id)).len(), 1);
}

#[tokio::test]
async fn human_pauses_is_continued_and_keeps_its_id() {
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("human", "please").await;
    let paused = caller.wait(&task.id).await;
    assert_eq!(paused.status(), TaskStatus::Paused);
    assert_eq!(paused.hitl_request.expect("a request").wait_node_id(), "node-approval");
    let existing_task_id = Some(task.id.clone());
    let continued = caller.invoke(InvokeRequest { existing_task_id, ..asking("human", "go on") }).await;
    assert_eq!(continued.id, task.id);
    let done = caller.wait(&task.id).await;
    assert_eq!((done.status(), done.result()), (TaskStatus::Completed, "Continued with: go on"));
    let created = world.seen("POST", "/agent-execution/human");
    assert_eq!((&created[0].body["id"], &created[1].body["id"]), (&serde_json::Value::Null, &task.id.into()));
}

#[tokio::test]
async fn human_can_be_stopped_while_it_pauses() {
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("human", "auth, please").await;
    let paused = caller.wait(&task.id).await;
    let login = paused.pending_eca_request.expect("a login");
    assert_eq!((paused.hitl_request.is_none(), login.connector_name()), (true, "Google Drive"));
    assert_eq!(caller.stop(&task.id).await.status(), TaskStatus::Stopped);
    assert_eq!(caller.get(&task.id).await.status(), TaskStatus::Stopped);
}

#[tokio::test]
async fn a_task_that_failed_is_no_failed_call() {
    let world = World::start().await;
    let mut caller = world.client();
    for (prompt, status, result) in [
        ("try", TaskStatus::Failed, "The agent gave up."),
        ("error", TaskStatus::Error, "The model provider could not be reached."),
    ] {
        let request = InvokeRequest { events_streaming: true, ..asking("fail", prompt) };
        let task = caller.invoke(request).await;
        assert_eq!(end(&mut caller, &task).await, result);
        assert_eq!(caller.wait(&task.id).await.status(), status);
        assert_eq!(caller.get(&task.id).await.result(), result);
    }
}

#[tokio::test]
async fn big_results_pass_whole_through_every_call_that_brings_them() {
    const BYTES: usize = (4 << 20) + 1;
    let world = World::start().await;
    let mut caller = world.client();
    let request = InvokeRequest { events_streaming: true, ..asking("big", &BYTES.to_string()) };
    let task = caller.invoke(request).await;
    assert_eq!(caller.wait(&task.id).await.result().len(), BYTES);
    assert_eq!(caller.get(&task.id).await.result().len(), BYTES);
    assert_eq!(caller.stop(&task.id).await.result().len(), BYTES);
    assert_eq!(end(&mut caller, &task).await.len(), BYTES);
    // What a caller sees who left its library's limit as it was.
    let mut usual = AgentServiceClient::new(world.proxy.channel());
    let refused = usual.get_task(GetTaskRequest { task_id: task.id }).await.expect_err("4 MiB are the limit");
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn an_unknown_task_is_not_found_by_every_call() {
    let world = World::start().await;
    let mut caller = world.client();
    let request = || GetTaskRequest { task_id: "nothing".to_owned() };
    let mut failures = vec![failure(caller.0.get_task(request()).await)];
    let stop = StopTaskRequest { task_id: "nothing".to_owned() };
    failures.push(failure(caller.0.stop_task(stop).await));
    let wait = WaitTaskRequest { task_id: "nothing".to_owned(), timeout: None };
    failures.push(failure(caller.0.wait_task(wait).await));
    failures.push(failure(caller.0.stream_events(follow("nothing")).await));
    let continued = InvokeRequest { existing_task_id: Some("nothing".to_owned()), ..invoke("echo") };
    failures.push(failure(caller.0.invoke(continued).await));
    for failure in failures {
        assert_eq!((failure.code, &*failure.message), (Code::NotFound, "Task not found"));
    }
}

/// What the contract makes of a create that is answered with this status.
fn code(status: u16) -> (Code, &'static str) {
    let known = |code| (code, "not_created");
    match status {
        400 | 413 | 422 => known(Code::InvalidArgument),
        401 => known(Code::Unauthenticated),
        402 | 429 => known(Code::ResourceExhausted),
        403 => known(Code::PermissionDenied),
        404 => known(Code::NotFound),
        408 => known(Code::DeadlineExceeded),
        409 => known(Code::Aborted),
        499 => known(Code::Cancelled),
        501 => known(Code::Unimplemented),
        503 => known(Code::Unavailable),
        502 => (Code::Unknown, "unknown"),
        504 => (Code::DeadlineExceeded, "unknown"),
        ..=499 => known(Code::FailedPrecondition),
        _ => (Code::Internal, "unknown"),
    }
}

#[tokio::test]
async fn every_status_that_an_agent_can_answer_with_has_its_code() {
    // What one of them says would hold for the others.
    let world = World::with(|settings| settings.limits.mode = Mode::Observe).await;
    let client = world.proxy.client();
    let calls = (400..600_u16).map(|status| {
        let mut client = client.clone();
        async move {
            let invocation = invoke(&format!("http-{status}"));
            let request = InvokeStreamRequest { invocation: Some(invocation.clone()), heartbeat: None };
            let invoked = failure(within("an answer", client.invoke(invocation)).await);
            let streamed = failure(within("an answer", client.invoke_stream(request)).await);
            (status, [invoked, streamed])
        }
    });
    for (status, failures) in join_all(calls).await {
        failures.iter().for_each(|failure| check(status, failure));
    }
    assert_eq!(world.creates(), 2 * 200, "each is sent once");
}

fn check(status: u16, failure: &Failure) {
    let (code, outcome) = code(status);
    assert_eq!((failure.code, &*failure.facts["outcome"]), (code, outcome), "{status}");
    assert_eq!(failure.facts["http_status"], status.to_string());
    assert_eq!(failure.facts["agent_id"], format!("http-{status}"));
    assert_eq!(failure.reason == "CREATE_OUTCOME_UNKNOWN", outcome == "unknown", "{status}");
    let waits = matches!(status, 429 | 503).then_some(2);
    let pushback = if outcome == "unknown" { Some("-1") } else { waits.map(|_| "2000") };
    assert_eq!(failure.pushback.as_deref(), pushback, "{status}");
    assert_eq!(failure.retry_seconds, waits, "{status}");
}
