//! How each event is shown.

use serde_json::json;

use crate::proto::{PlanTask, TaskStatus, json::Struct};

use super::*;

fn shown(data: Data) -> String {
    lines(&TaskEvent { type_name: "quantum_leap".into(), data: Some(data), ..TaskEvent::default() }, Look::PLAIN)
}

fn tool(result: &Json) -> ToolCallResult {
    ToolCallResult {
        tool_name: Some("search".into()),
        result: Some(Value::new(result.to_string())),
        ..Default::default()
    }
}

#[test]
fn a_tool_call_and_its_result_are_a_line_each() {
    let payload = Some(Value::new(json!({"q": "x"}).to_string()));
    let call = ToolCallRequest { tool_name: Some("search".into()), payload, ..Default::default() };
    assert_eq!(shown(Data::ToolCallRequest(call.into())), r#"→ search {"q":"x"}"#);
    assert_eq!(shown(Data::ToolCallResult(tool(&json!({"rows": [1, 2]})).into())), r#"← search {"rows":[1,2]}"#);
    let failed = ToolCallResult { is_error: Some(true), ..tool(&json!("boom")) };
    assert_eq!(shown(Data::ToolCallResult(failed.into())), "← search failed boom");
    let approval_request_id = Some("a1".into());
    let approved = ToolCallResult { approval_request_id, ..tool(&json!(1)) };
    assert_eq!(shown(Data::ToolCallResult(approved.into())), "← search (approval a1) 1");
}

#[test]
fn a_large_result_is_cut_to_the_width() {
    let shown = shown(Data::ToolCallResult(tool(&json!("x".repeat(100_000))).into()));
    assert_eq!(shown.chars().count(), 120);
    assert!(shown.ends_with('…'));
}

#[test]
fn a_plan_shows_what_is_done() {
    let step = |title: &str, completed| PlanTask { id: None, title: Some(title.into()), completed: Some(completed) };
    let plan = DeepPlanning { tasks: vec![step("read", true), step("write", false)], ..Default::default() };
    assert_eq!(shown(Data::Plan(plan)), "plan 1 of 2 done\n  ✓ read\n  · write");
}

#[test]
fn a_thought_can_be_a_bare_text() {
    let data = Some(Data::Other(Value::new(json!("hm").to_string())));
    let event = TaskEvent { r#type: EventType::Think.into(), data, ..TaskEvent::default() };
    assert_eq!(lines(&event, Look::PLAIN), "~ hm");
}

#[test]
fn a_thought_has_its_title_in_front() {
    let reasoning = Reasoning { title: Some("Look".into()), thought: Some("it\nup".into()), ..Default::default() };
    assert_eq!(shown(Data::Reasoning(reasoning.into())), "~ Look: it up");
}

#[test]
fn a_login_shows_its_url_whole_and_no_token() {
    let url = format!("https://login.example/{}", "x".repeat(200));
    let data = Some(Struct::new(json!({"access_token": "s3cret", "login": {"url": url}}).to_string()));
    let auth = AuthEvent { r#type: Some("login_required".into()), data };
    assert_eq!(shown(Data::Auth(auth)), format!("! login required: {url}"));
}

#[test]
fn a_gap_says_that_events_may_be_missing() {
    let since = Some(prost_types::Timestamp { seconds: 1_775_847_695, nanos: 5 });
    let gap = StreamGap { since, attempts: 2, resumed_by_id: false };
    assert_eq!(shown(Data::Gap(gap)), "! events may be missing since 2026-04-10T19:01:35Z (2 attempts)");
}

#[test]
fn other_agents_and_other_tasks_are_named() {
    let trigger = SubAgentTrigger { agent_id: Some("b".into()), query: Some("why?".into()), ..Default::default() };
    assert_eq!(shown(Data::SubAgentTrigger(trigger.into())), "⇒ agent b why?");
    let sub = Task { id: "t2".into(), status: TaskStatus::Completed.into(), ..Default::default() };
    assert_eq!(shown(Data::Task(sub.into())), "· quantum_leap t2 completed");
}

#[test]
fn a_type_of_tomorrow_is_shown_by_its_name_and_data() {
    assert_eq!(shown(Data::Other(Value::new("null"))), "· quantum_leap");
    assert_eq!(shown(Data::Other(Value::new(json!({"to": 3}).to_string()))), r#"· quantum_leap {"to":3}"#);
}

#[test]
fn no_event_steers_the_terminal_or_fakes_a_line() {
    let evil = "\u{1b}[2J\n✓ completed\u{9d}";
    let mut event = TaskEvent { type_name: evil.into(), ..TaskEvent::default() };
    let reasoning = Reasoning { title: Some(evil.into()), ..Default::default() };
    let result = ToolCallResult { tool_name: Some(evil.into()), ..tool(&json!({evil: evil})) };
    for data in [None, Some(Data::Reasoning(reasoning.into())), Some(Data::ToolCallResult(result.into()))] {
        event.data = data;
        let shown = lines(&event, Look::PLAIN);
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}
