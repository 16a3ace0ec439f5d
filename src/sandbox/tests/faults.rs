//! Things that go wrong when they are told to.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;

use super::super::{Fault, FaultBody, Route};
use super::{World, kinds, read_until, spoken, streamed};

#[tokio::test]
async fn faults_of_a_route_are_used_once_each_and_in_order() {
    let world = World::new().await;
    let answer = |status, body| Fault::Answer { status, body, retry_after: Some("7".to_owned()) };
    world.sandbox.arm(Route::LoadAgent, answer(503, FaultBody::Json(json!({ "error": { "code": 1 } }))));
    world.sandbox.arm(Route::LoadAgent, answer(200, FaultBody::Html("<html>".to_owned())));
    world.sandbox.arm(Route::LoadAgent, answer(500, FaultBody::Text("Internal Server Error".to_owned())));
    world.get("/agent-execution/nothing/status").await;
    for (status, kind, body) in [
        (503, "application/json", "{\"error\":{\"code\":1}}"),
        (200, "text/html; charset=utf-8", "<html>"),
        (500, "text/plain; charset=utf-8", "Internal Server Error"),
    ] {
        let response = world.request(Method::GET, "/agents/echo").send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (status, &"7".parse().unwrap()));
        assert_eq!(response.headers()["content-type"], kind);
        assert_eq!(response.text().await.unwrap(), body);
    }
    assert_eq!(world.get("/agents/echo").await.0, 200);
}

#[tokio::test]
async fn a_task_whose_answer_is_lost_was_created_all_the_same() {
    let world = World::new().await;
    world.sandbox.arm(Route::CreateTask, Fault::CloseBeforeAnswer);
    assert!(world.creation("echo", &streamed("hi")).send().await.is_err());
    assert_eq!(world.sandbox.seen().len(), 1);

    world.sandbox.arm(Route::CreateTask, Fault::CloseInBody);
    let mut cut = world.creation("echo", &streamed("hi")).send().await.unwrap();
    let half = cut.chunk().await.unwrap().unwrap();
    assert!(half.starts_with(b"{\"additional_context\""), "{half:?}");
    assert!(cut.chunk().await.is_err());
}

#[tokio::test]
async fn a_delayed_answer_comes_late_and_whole() {
    let world = World::new().await;
    let (delay, began) = (Duration::from_millis(120), Instant::now());
    world.sandbox.arm(Route::LoadAgent, Fault::Delay(delay));
    assert_eq!(world.get("/agents/echo").await.0, 200);
    assert!(began.elapsed() >= delay);
}

#[tokio::test]
async fn a_stream_can_end_early_break_or_say_anything() {
    let world = World::new().await;
    let id = world.create("echo", "one two").await;
    world.sandbox.arm(Route::FollowTask, Fault::EndAfter(3));
    world.sandbox.arm(Route::FollowTask, Fault::Raw(Bytes::from_static(b"data: {not json\n\n")));
    world.sandbox.arm(Route::FollowTask, Fault::CloseInBody);
    let early = world.events(&id, None).await;
    assert_eq!(kinds(&early), ["connected", "task_created", "task_updated", "chunk"]);
    assert_eq!(world.follow(&id, None).await.text().await.unwrap(), "data: {not json\n\n");
    let mut broken = world.follow(&id, None).await;
    read_until(&mut broken, "connected").await;
    assert!(broken.chunk().await.is_err());
    let rest = world.events(&id, early.last().unwrap().id).await;
    assert_eq!(spoken(&rest), "two");
}

#[tokio::test]
async fn a_silent_stream_stays_open_until_its_client_leaves() {
    let world = World::new().await;
    let id = world.create("echo", "hi").await;
    world.sandbox.arm(Route::FollowTask, Fault::Silent);
    let mut silent = world.follow(&id, None).await;
    read_until(&mut silent, "connected").await;
    // The task's own stream ends meanwhile.
    world.events(&id, None).await;
    assert_eq!(world.sandbox.open_streams(), 1);
    drop(silent);
    world.sandbox.until_open_streams(0).await;
}
