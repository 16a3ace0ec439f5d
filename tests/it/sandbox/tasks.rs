//! The lives of tasks.

use serde_json::{Value, json};

use super::{World, kinds, read_until, spoken, streamed, text};

#[tokio::test]
async fn a_task_shows_all_it_was_created_with() {
    let world = World::new().await;
    let body = json!({
        "input": { "text": "hi", "files": null, "user": { "email": "a@b.c" } }, "source": "sdk", "title": "A title",
        "think_mode": "harder", "payload_extension": { "trace": 7 }, "user_oidc_token": "secret", "mcp_servers": [],
    });
    let (_, task) = world.post("echo", body.clone()).await;
    for (name, value) in body.as_object().unwrap().iter().filter(|(name, _)| *name != "input") {
        assert_eq!(&task[name], value, "{name}");
    }
    assert_eq!(task["input"], json!({ "text": "hi", "files": [], "user": { "email": "a@b.c" } }));
    assert_eq!((&task["status"], &task["result"], &task["duration"]), (&json!("pending"), &Value::Null, &json!(0.0)));
    assert!(text(&task["created_at"]).parse::<jiff::Timestamp>().is_ok(), "{task}");
}

#[tokio::test]
async fn a_continued_task_keeps_its_id_and_its_events_are_numbered_on() {
    let world = World::new().await;
    let id = world.create("echo", "one").await;
    let first = world.events(&id, None).await;
    let (status, task) = world.post("echo", with_id(&id, "two")).await;
    assert_eq!((status, &task["id"], &task["status"]), (200, &json!(id), &json!("pending")));
    assert_eq!(task["result"], Value::Null);
    let second = world.events(&id, first.last().unwrap().id).await;
    assert_eq!(spoken(&second), "two");
    assert_eq!(second[1].id, first.last().unwrap().id.map(|last| last + 1));
    assert_eq!(world.read_task(&id).await["result"], "two");
}

#[tokio::test]
async fn a_running_task_cannot_be_continued() {
    let world = World::new().await;
    let id = world.create("slow", "").await;
    let answer = world.post("slow", with_id(&id, "1")).await;
    assert_eq!(answer, (409, json!({ "detail": "Task is still running" })));
}

#[tokio::test]
async fn a_stopped_task_ends_its_stream_and_stays_as_it_is() {
    let world = World::new().await;
    let id = world.create("slow", "").await;
    let mut stream = world.follow(&id, None).await;
    read_until(&mut stream, "\"chunk\"").await;
    let (status, stopped) = world.delete(&format!("/agent-execution/{id}")).await;
    assert_eq!((status, &stopped["status"], &stopped["is_manually_stopped"]), (200, &json!("stopped"), &json!(true)));
    let rest = stream.text().await.unwrap();
    assert!(rest.contains("task_finished") && rest.ends_with("\n\n"), "{rest}");
    assert_eq!(world.delete(&format!("/agent-execution/{id}")).await, (200, stopped));
}

#[tokio::test]
async fn a_paused_task_waits_for_a_person_and_goes_on_with_the_same_stream() {
    let world = World::new().await;
    for (prompt, reason) in [("May I?", "hitl_request"), ("auth, please", "pending_eca_request")] {
        let id = world.create("human", prompt).await;
        let mut stream = world.follow(&id, None).await;
        read_until(&mut stream, "\"status\":\"paused\"").await;
        let paused = world.read_task(&id).await;
        assert!(paused["status"] == "paused" && paused[reason].is_object(), "{paused}");
        let (_, resumed) = world.post("human", with_id(&id, "You may.")).await;
        assert_eq!((&resumed["status"], &resumed[reason]), (&json!("pending"), &Value::Null));
        read_until(&mut stream, "task_finished").await;
        assert_eq!(world.read_task(&id).await["result"], "Continued with: You may.");
    }
}

#[tokio::test]
async fn the_failing_agent_fails_in_two_ways() {
    let world = World::new().await;
    for (prompt, status) in [("try", "failed"), ("error", "error")] {
        let id = world.create("fail", prompt).await;
        let events = world.events(&id, None).await;
        let task = &events.last().unwrap().body["data"];
        assert!(task["status"] == status && task["result"].is_string(), "{task}");
    }
}

#[tokio::test]
async fn structured_output_is_json_of_its_schema() {
    let world = World::new().await;
    let schema = json!({ "type": "object", "properties": {
        "company": { "type": "string" }, "years": { "type": "array", "items": { "type": "integer" } },
    } });
    let mut body = streamed("Acme");
    body["output_format"] = json!("json");
    body["output_schema"] = schema;
    let (_, task) = world.post("echo", body).await;
    let id = text(&task["id"]);
    let said = spoken(&world.events(&id, None).await);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!({ "company": "Acme", "years": [42] }));
}

#[tokio::test]
async fn a_big_result_is_whole_only_in_the_task_itself() {
    let world = World::new().await;
    let id = world.create("big", "100000").await;
    let events = world.events(&id, None).await;
    let data = &events.last().unwrap().body["data"];
    assert_eq!((&data["_result_truncated"], data.get("created_at")), (&json!(true), None));
    assert_eq!(text(&data["result"]).len(), 1024);
    assert_eq!(text(&world.read_task(&id).await["result"]).len(), 100_000);
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let world = World::new().await;
    let id = world.create("burst", "5000").await;
    let events = world.events(&id, None).await;
    let said = spoken(&events);
    assert!(said.split_whitespace().map(|count| count.parse::<u32>().unwrap()).eq(1..=5000));
    assert_eq!(kinds(&events).last(), Some(&"task_finished"));
}

fn with_id(id: &str, prompt: &str) -> Value {
    let mut body = streamed(prompt);
    body["id"] = json!(id);
    body
}
