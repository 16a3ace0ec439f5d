//! Event streams.

use serde_json::{Value, json};

use super::{World, kinds, read_until, spoken, text};

/// The event types of the platform's contract, `connected` aside.
const TYPES: &str = "task_created task_updated task_finished sub_task_created sub_task_updated sub_task_finished chunk \
    tool_call_request tool_call_result think analyze plan_updated auth_event sub_agent_trigger task_compactization \
    context_status agent_gateway_decision process_state_changed process_update gateway_steer_applied \
    ask_user_questions invite_member member_invited ask_for_secret secret_saved live_surface_created inline_card";

#[tokio::test]
async fn a_stream_tells_a_task_from_its_creation_to_its_end() {
    let world = World::new().await;
    let id = world.create("echo", "Grüezi  mitenand\n!").await;
    let events = world.events(&id, None).await;
    let expected = ["connected", "task_created", "task_updated", "chunk", "chunk", "chunk", "chunk", "task_finished"];
    assert_eq!(kinds(&events), expected);
    assert_eq!(spoken(&events), "Grüezi  mitenand\n!");
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids[..3], [None, Some(1), Some(2)]);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    for event in &events {
        assert_eq!((&event.body["task_id"], event.body.get("data").is_some()), (&json!(id), true));
        assert!(text(&event.body["time"]).parse::<jiff::Timestamp>().is_ok());
    }
    let task = &events.last().unwrap().body["data"];
    assert_eq!((&task["status"], &task["result"]), (&json!("completed"), &json!("Grüezi  mitenand\n!")));
}

#[tokio::test]
async fn a_stream_opened_late_replays_and_then_follows() {
    let world = World::new().await;
    let id = world.create("slow", "400").await;
    read_until(&mut world.follow(&id, None).await, "\"chunk\"").await;
    let late = world.events(&id, None).await;
    assert_eq!(spoken(&late), "1 2 3 4 ");
    let later = world.events(&id, None).await;
    assert_eq!(later[1..], late[1..]);
}

#[tokio::test]
async fn resumes_after_the_last_event_without_repeating_it() {
    let world = World::new().await;
    let id = world.create("echo", "one two three").await;
    let all = world.events(&id, None).await;
    for last in all.iter().filter_map(|event| event.id) {
        let rest = world.events(&id, Some(last)).await;
        let expected: Vec<_> = all.iter().filter(|event| event.id > Some(last)).cloned().collect();
        assert_eq!((rest[0].kind.as_str(), &rest[1..]), ("connected", &expected[..]));
    }
}

#[tokio::test]
async fn an_id_of_the_future_does_not_hide_what_is_to_come() {
    let world = World::new().await;
    let id = world.create("slow", "200").await;
    let events = world.events(&id, Some(u64::MAX)).await;
    assert_eq!(kinds(&events).last(), Some(&"task_finished"));
}

#[tokio::test]
async fn a_task_created_without_streaming_has_no_stream() {
    let world = World::new().await;
    let (_, task) = world.post("echo", json!({ "input": { "text": "hi" } })).await;
    let answer = world.get(&format!("/agent-execution/{}/events", text(&task["id"]))).await;
    assert_eq!(answer, (404, json!({ "detail": "Task has no event stream" })));
}

#[tokio::test]
async fn the_agent_of_tools_shows_every_event_type_and_one_of_tomorrow() {
    let world = World::new().await;
    let id = world.create("tools", "revenue").await;
    let events = world.events(&id, None).await;
    for kind in TYPES.split_whitespace().chain(["quantum_leap"]) {
        assert!(kinds(&events).contains(&kind), "no {kind}");
    }
    let data = |kind: &str| &events.iter().find(|event| event.kind == kind).unwrap().body["data"];
    assert_eq!(data("tool_call_request")["payload"]["row"], json!(9_007_199_254_740_993_i64));
    assert_eq!(data("auth_event")["type"], "login_required");
    assert!(events.iter().any(|event| event.body["data"]["data"]["access_token"].is_string()));
    assert!(events.iter().any(|event| event.body["identity"]["name"] == "Analyst"));
    assert!(events.iter().any(|event| event.kind == "think" && event.body["data"].is_string()));
    let task = world.read_task(&id).await;
    assert_eq!(
        (&task["used_tools"], &task["sub_executions"][0]),
        (&json!(["search", "sql"]), &data("sub_task_created")["id"],)
    );
    assert_eq!(task["deep_planning"]["tasks"][1]["completed"], json!(true));
    assert_ne!(task["tokens"]["prompt_tokens"], Value::Null);
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open() {
    let world = World::new().await;
    let id = world.create("slow", "").await;
    let (mut first, mut second) = (world.follow(&id, None).await, world.follow(&id, None).await);
    read_until(&mut first, "connected").await;
    read_until(&mut second, "connected").await;
    assert_eq!(world.sandbox.open_streams(), 2);
    drop(first);
    world.sandbox.until_open_streams(1).await;
    world.delete(&format!("/agent-execution/{id}")).await;
    second.text().await.unwrap();
    world.sandbox.until_open_streams(0).await;
}

#[tokio::test]
async fn a_dropped_sandbox_closes_its_streams_and_its_port() {
    let World { sandbox, client } = World::new().await;
    let world = World { sandbox, client: client.clone() };
    let id = world.create("slow", "").await;
    let mut stream = world.follow(&id, None).await;
    read_until(&mut stream, "connected").await;
    let url = format!("{}/agents/echo", world.sandbox.base_url());
    drop(world);
    assert!(stream.text().await.is_err());
    assert!(client.get(url).send().await.is_err());
}
