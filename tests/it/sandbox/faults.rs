//! Things that go wrong when they are told to.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use xpander_grpc_proxy::sandbox::{Begin, End, Fault, FaultBody, KnownTask, Route};

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

#[tokio::test]
async fn a_denied_request_was_carried_out() {
    let world = World::new().await;
    world.sandbox.arm(Route::CreateTask, Fault::Deny { status: 504, body: FaultBody::Html("<html>".to_owned()) });
    let mut body = streamed("hi");
    body["title"] = json!("of mine");
    assert_eq!(world.creation("echo", &body).send().await.unwrap().status(), 504);
    let tasks = world.sandbox.tasks();
    assert!(matches!(&tasks[..], [KnownTask { id, title }] if !id.is_empty() && title == "of mine"), "{tasks:?}");
}

#[tokio::test]
async fn a_stream_can_begin_elsewhere_than_asked() {
    let world = World::new().await;
    let id = world.create("echo", "one two three").await;
    let whole = world.events(&id, None).await;
    let ids = |events: &[super::Event]| events.iter().filter_map(|event| event.id).collect::<Vec<_>>();
    for (begin, last, expected) in [
        (Begin::AsAsked, Some(4), &[5, 6][..]),
        (Begin::First, Some(4), &[1, 2, 3, 4, 5, 6]),
        (Begin::Early(2), Some(4), &[3, 4, 5, 6]),
        (Begin::Early(9), Some(4), &[1, 2, 3, 4, 5, 6]),
        (Begin::Present, Some(4), &[]),
        (Begin::Present, None, &[1, 2, 3, 4, 5, 6]),
    ] {
        world.sandbox.arm(Route::FollowTask, Fault::Course(begin, End::AsAsked));
        assert_eq!(ids(&world.events(&id, last).await), expected, "{begin:?} {last:?}");
    }
    world.sandbox.arm(Route::FollowTask, Fault::Course(Begin::First, End::Clean(2)));
    assert_eq!(world.events(&id, Some(3)).await[1..], whole[1..3]);
}

#[tokio::test]
async fn a_stream_can_be_torn_in_an_event_or_fall_silent_after_some() {
    let world = World::new().await;
    let id = world.create("echo", "one two three").await;
    world.events(&id, None).await;
    world.sandbox.arm(Route::FollowTask, Fault::Course(Begin::AsAsked, End::Torn(3)));
    let mut torn = world.follow(&id, None).await;
    let shown = read_until(&mut torn, "id: 4\ndata: {").await;
    assert!(torn.chunk().await.is_err());
    assert_eq!((shown.matches("\n\n").count(), shown.ends_with('\n')), (4, false), "{shown}");

    world.sandbox.arm(Route::FollowTask, Fault::Course(Begin::AsAsked, End::Silent(3)));
    let mut silent = world.follow(&id, None).await;
    let shown = read_until(&mut silent, "\"one \"").await;
    assert!(!shown.contains("two \""), "{shown}");
    assert_eq!(world.sandbox.open_streams(), 1);
    drop(silent);
    world.sandbox.until_open_streams(0).await;
}

#[tokio::test]
async fn faults_can_be_chosen_for_request_after_request() {
    let world = World::new().await;
    let mut asked = 0;
    world.sandbox.choose_faults(move |route| {
        assert_eq!(route, Route::LoadAgent);
        asked += 1;
        let body = FaultBody::Text("no".to_owned());
        (asked % 2 == 1).then_some(Fault::Answer { status: 502, body, retry_after: None })
    });
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(world.request(Method::GET, "/agents/echo").send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [502, 200, 502, 200]);
    world.sandbox.choose_faults(|_| None);
    assert_eq!(world.get("/agents/echo").await.0, 200);
}
