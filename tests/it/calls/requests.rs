//! Request ids (AIP-155): the same one again, at once or later, is the same task.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::{
    proto::InvokeRequest,
    sandbox::{Fault, FaultBody, Route},
};

use crate::support::{
    sandbox::{World, asking},
    status::failure,
    time::SOME_TIME,
};

fn named(request_id: &str, prompt: &str) -> InvokeRequest {
    InvokeRequest { request_id: request_id.to_owned(), ..asking("echo", prompt) }
}

#[tokio::test]
async fn duplicates_at_once_and_later_get_the_same_task() {
    let world = World::start().await;
    // Slow enough for all of them to be there while the first is under way.
    world.sandbox.arm(Route::CreateTask, Fault::Delay(Duration::from_millis(400)));
    let caller = world.client();
    let calls = (0..20).map(|_| {
        let mut caller = caller.clone();
        async move { caller.invoke(named("r-1", "hi")).await }
    });
    let tasks = join_all(calls).await;
    assert!(tasks.iter().all(|task| task == &tasks[0]));
    assert_eq!(world.client().invoke(named("r-1", "hi")).await.id, tasks[0].id);
    assert_eq!((world.creates(), world.lookups("echo")), (1, 1));
}

#[tokio::test]
async fn another_request_id_and_none_are_tasks_of_their_own() {
    let world = World::start().await;
    let mut caller = world.client();
    let mut ids = Vec::new();
    for request_id in ["r-1", "r-2", "", ""] {
        ids.push(caller.invoke(named(request_id, "hi")).await.id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), world.creates()), (4, 4));
}

#[tokio::test]
async fn other_content_under_the_same_request_id_is_refused() {
    let world = World::start().await;
    let mut caller = world.client();
    let first = caller.invoke(named("r-1", "hi")).await;
    for other in [
        named("r-1", "ho"),
        InvokeRequest { agent_id: "fail".to_owned(), ..named("r-1", "hi") },
        InvokeRequest { agent_version: Some("1".to_owned()), ..named("r-1", "hi") },
        InvokeRequest { think_mode: 2, ..named("r-1", "hi") },
        InvokeRequest { events_streaming: true, ..named("r-1", "hi") },
    ] {
        let failure = failure(caller.0.invoke(other).await);
        assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["request_id".to_owned()][..]));
        assert_eq!(failure.facts["outcome"], "not_created");
    }
    assert_eq!(caller.invoke(named("r-1", "hi")).await.id, first.id);
    assert_eq!(world.creates(), 1);
}

#[tokio::test]
async fn a_create_that_was_refused_is_forgotten() {
    let world = World::start().await;
    let mut caller = world.client();
    let body = FaultBody::Json(json!({ "detail": "no" }));
    world.sandbox.arm(Route::CreateTask, Fault::Answer { status: 403, body, retry_after: None });
    let failure = failure(caller.0.invoke(named("r-1", "hi")).await);
    assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::PermissionDenied, "not_created"));
    // Also for other content: nothing was done under this id.
    caller.invoke(named("r-1", "ho")).await;
    assert_eq!(world.creates(), 2);
}

#[tokio::test]
async fn a_lookup_that_failed_is_forgotten() {
    let world = World::start().await;
    let mut caller = world.client();
    let body = FaultBody::Text("no".to_owned());
    world.sandbox.arm(Route::LoadAgent, Fault::Answer { status: 403, body, retry_after: None });
    assert_eq!(failure(caller.0.invoke(named("r-1", "hi")).await).code, Code::PermissionDenied);
    caller.invoke(named("r-1", "hi")).await;
    assert_eq!(world.creates(), 1);
}

#[tokio::test]
async fn a_create_of_unknown_outcome_is_not_repeated() {
    let world = World::start().await;
    let mut caller = world.client();
    world.sandbox.arm(Route::CreateTask, Fault::CloseBeforeAnswer);
    for _ in 0..2 {
        let failure = failure(caller.0.invoke(named("r-1", "hi")).await);
        assert_eq!((failure.code, &*failure.reason), (Code::Unknown, "CREATE_OUTCOME_UNKNOWN"));
        assert_eq!(failure.facts["outcome"], "unknown");
    }
    assert_eq!(world.creates(), 1);
}

#[tokio::test]
async fn a_duplicate_gets_the_task_though_the_first_caller_left() {
    let world = World::start().await;
    world.sandbox.arm(Route::CreateTask, Fault::Delay(2 * SOME_TIME));
    let mut first = tonic::Request::new(named("r-1", "hi"));
    first.set_timeout(SOME_TIME);
    let late = failure(crate::support::direct::Direct::connect(&world.proxy).await.client().invoke(first).await);
    assert_eq!((late.code, &*late.facts["outcome"]), (Code::DeadlineExceeded, "unknown"));
    let mut caller = world.client();
    let task = caller.invoke(named("r-1", "hi")).await;
    assert_eq!(caller.get(&task.id).await.id, task.id);
    assert_eq!(world.creates(), 1);
}
