//! The binary as its users run it: a process with arguments, an environment, two streams and an exit code.

mod certificates;
mod check;
mod codes;
#[cfg(target_os = "linux")]
mod descriptors;
mod environment;
mod pager;
mod ports;
mod resume;
mod secrets;
mod security;
mod settings;
mod signals;
mod terminal;

use std::time::Duration;

use serde_json::Value;
use tokio::{sync::mpsc, time::sleep};

use crate::support::{
    binary::{Serving, run},
    live::within,
    platform::{Platform, Reply, event, task},
};

/// Starts a task and says its id.
async fn invoke(serving: &Serving, agent: &str, prompt: &str) -> String {
    let answer = serving.run(&["invoke", prompt, "--agent", agent, "--events-streaming", "--json"]).await.json();
    answer[0]["task"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn demo_shows_the_whole_job() {
    let out = run(&["demo"], &[]).await.good();
    let places = [
        "embedded platform  http://127.0.0.1:",
        "proxy              http://127.0.0.1:",
        "task ",
        " on agent tools · pending",
        "· executing",
        "plan 0 of 2 done",
        "→ search",
        "← sql failed",
        "plan 2 of 2 done",
        "Looked into it: Compare the two sales reports",
        "✓ completed",
    ];
    // In this order.
    let mut rest = &*out;
    for place in places {
        let (_, after) = rest.split_once(place).unwrap_or_else(|| panic!("no {place:?} in {rest}\nof {out}"));
        rest = after;
    }
    assert!(!out.contains('\u{1b}'), "colour is for terminals: {out}");
}

#[tokio::test]
async fn invoke_prints_the_created_task() {
    let serving = Serving::sandbox(&[]).await;
    let task = serving.run(&["invoke", "one two", "--agent", "echo"]).await.good();
    assert!(task.contains("echo") && task.contains("pending"), "{task}");
    let json = serving.run(&["invoke", "one two", "--agent", "echo", "--json"]).await.json();
    assert_eq!(json.len(), 1);
    assert_eq!(
        (&json[0]["task"]["agentId"], &json[0]["task"]["status"]),
        (&"echo".into(), &"TASK_STATUS_PENDING".into())
    );
    // The sandbox's default agent.
    let json = serving.run(&["invoke", "one two", "--json"]).await.json();
    assert_eq!(json[0]["task"]["agentId"], "echo");
}

#[tokio::test]
async fn invoke_reads_a_whole_request_and_the_prompt_from_standard_input() {
    let serving = Serving::sandbox(&[]).await;
    let request = r#"{"agentId": "fail", "prompt": "of the request", "title": "T"}"#;
    let json = serving.run(&["invoke", "--request", request, "--agent", "echo", "--json"]).await.json();
    let task = &json[0]["task"];
    assert_eq!((&task["agentId"], &task["input"]["text"]), (&"echo".into(), &"of the request".into()));
    assert_eq!(task["title"], "T");
    // Standard input is empty here.
    let json = serving.run(&["invoke", "-", "--agent", "echo", "--json"]).await.json();
    assert_eq!(json[0]["task"]["input"]["text"].as_str().unwrap_or_default(), "");
}

#[tokio::test]
async fn invoke_stream_follows_to_the_result() {
    let serving = Serving::sandbox(&[]).await;
    let out = serving.run(&["invoke", "one two three", "--agent", "echo", "--stream"]).await.good();
    assert!(out.starts_with("task ") && out.contains("\none two three\n") && out.contains("✓ completed"), "{out}");
    let lines = serving.run(&["invoke", "one two", "--agent", "echo", "--stream", "--json"]).await.json();
    assert_eq!(lines[0]["task"]["agentId"], "echo");
    let types: Vec<_> = lines[1..].iter().map(|line| line["event"]["typeName"].as_str().expect("a type")).collect();
    assert_eq!(types, ["connected", "task_created", "task_updated", "chunk", "chunk", "task_finished"]);
    assert_eq!(lines[6]["event"]["task"]["result"], "one two");
}

#[tokio::test]
async fn a_task_that_failed_makes_the_command_fail_that_waited_for_it() {
    let serving = Serving::sandbox(&[]).await;
    let streamed = serving.run(&["invoke", "x", "--agent", "fail", "--stream"]).await;
    assert_eq!(streamed.code, Some(1));
    assert!(streamed.out.contains("The agent gave up.") && streamed.out.contains("✗ failed"), "{streamed:?}");
    assert_eq!(serving.run(&["invoke", "x", "--agent", "fail", "--wait"]).await.code, Some(1));
    let id = invoke(&serving, "fail", "x").await;
    assert_eq!(serving.run(&["wait", &id]).await.code, Some(1));
    assert_eq!(serving.run(&["events", &id]).await.code, Some(1));
    // Reading it worked.
    assert_eq!(serving.run(&["get", &id]).await.code, Some(0));
}

#[tokio::test]
async fn events_get_wait_and_stop_act_on_a_task() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "slow", "60000").await;
    let waited = serving.run(&["wait", &id, "--for", "200ms", "--json"]).await;
    assert!(waited.code == Some(3) && waited.out.contains("TASK_STATUS_EXECUTING"), "{waited:?}");
    let stopped = serving.run(&["stop", &id, "--json"]).await.json();
    assert_eq!(stopped[0]["task"]["status"], "TASK_STATUS_STOPPED");
    let read = serving.run(&["get", &id, "--json"]).await.json();
    assert_eq!(read, stopped);
    for command in ["get", "wait", "stop"] {
        let run = serving.run(&[command, &id]).await;
        assert!(run.out.contains(&id) && run.out.contains("stopped"), "{command}: {run:?}");
    }
    let events = serving.run(&["events", &id, "--json"]).await;
    assert!(events.code == Some(1) && events.out.lines().count() == 1, "{events:?}");
    assert!(events.out.contains("TASK_STATUS_STOPPED"), "{events:?}");
}

#[tokio::test]
async fn events_go_on_after_the_one_that_is_named() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "slow", "1500").await;
    let lines = serving.run(&["events", &id, "--after", "3", "--json"]).await.json();
    let ids: Vec<_> = lines.iter().filter_map(|line| line["event"]["eventId"].as_str()).collect();
    assert_eq!(ids.first(), Some(&"4"), "{ids:?}");
}

#[tokio::test]
async fn heartbeats_come_where_they_are_asked_for() {
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true => {
            let (send, pieces) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                // Long enough for thirty.
                sleep(Duration::from_secs(3)).await;
                let _ = send.send(event("task_finished", &task("task-1", "completed")).into_bytes());
            });
            Reply::Stream(pieces)
        }
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    let lines = serving.run(&["events", "task-1", "--heartbeat", "100ms", "--json"]).await.json();
    assert!(lines.iter().any(|line| line["event"]["type"] == "EVENT_TYPE_HEARTBEAT"), "{lines:?}");
}

#[tokio::test]
async fn health_tells_by_its_exit_code() {
    let serving = Serving::sandbox(&[]).await;
    assert_eq!(serving.run(&["health"]).await.good(), "serving\n");
    let json = serving.run(&["health", "--service", "xpander.agent.v1.AgentService", "--json"]).await.json();
    assert_eq!(json, [serde_json::json!({ "status": "SERVING" })]);
    assert_eq!(serving.run(&["health", "--service", "other"]).await.code, Some(1));
    let gone = serving.grpc.clone();
    drop(serving);
    let unreachable = within("its end", async {
        loop {
            let health = run(&["health", "--server", &gone, "--timeout", "5s"], &[]).await;
            if health.code != Some(0) {
                return health;
            }
        }
    })
    .await;
    assert_eq!(unreachable.code, Some(1));
    assert!(unreachable.err.contains("UNAVAILABLE"), "{unreachable:?}");
}

#[tokio::test]
async fn a_failed_call_is_told_with_its_details() {
    let serving = Serving::sandbox(&[]).await;
    let failed = serving.run(&["get", "nothing"]).await;
    assert_eq!((failed.code, &*failed.out), (Some(5), ""));
    assert!(failed.err.starts_with("error: NOT_FOUND: Task not found\n"), "{failed:?}");
    assert!(failed.err.contains("PLATFORM_NOT_FOUND") && failed.err.contains("nothing"), "{failed:?}");
    let invalid = serving.run(&["invoke", "x", "--agent", "echo", "--user-id", "u"]).await;
    assert_eq!(invalid.code, Some(5));
    assert!(invalid.err.contains("user_details.email"), "{invalid:?}");
    let late = serving.run(&["invoke", "60000", "--agent", "slow", "--stream", "--timeout", "500ms"]).await;
    assert!(matches!(late.code, Some(3 | 6)), "before or after it was told of the task: {late:?}");
    assert!(late.err.contains("DEADLINE_EXCEEDED"), "{late:?}");
}

#[tokio::test]
async fn each_call_leaves_one_line_in_the_log_without_prompt_or_result() {
    let mut serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "echo", "a-secret-prompt").await;
    let line = serving.line("call").await;
    let value = |name: &str| line.get(name).cloned().unwrap_or_default();
    assert_eq!((value("method"), value("code")), ("xpander.agent.v1.AgentService/Invoke".into(), "OK".into()));
    assert_eq!((value("task_id"), value("agent_id")), (id.clone().into(), "echo".into()));
    assert!(value("duration_ms").is_number() && value("request_id").is_string(), "{line:?}");
    assert!(!format!("{line:?}").contains("a-secret-prompt"));
    serving.run(&["wait", &id]).await.good();
    let line = serving.line("call").await;
    assert_eq!(line["method"], Value::from("xpander.agent.v1.AgentService/WaitTask"));
    assert!(!format!("{line:?}").contains("a-secret-prompt"));
}
