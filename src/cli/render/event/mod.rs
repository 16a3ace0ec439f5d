//! One event as lines. What depends on the events before it (text that grows, the end) is the transcript's.

#[cfg(test)]
mod tests;

use serde_json::Value as Json;

use crate::proto::{
    AuthEvent, DeepPlanning, EventType, Reasoning, StreamGap, SubAgentTrigger, Task, TaskEvent, ToolCallReasoning,
    ToolCallRequest, ToolCallResult, json::Value, task_event::Data,
};

use super::{
    task::{status, time},
    text::{Colour, Look, one_line},
};

/// The event as lines without a final newline.
#[must_use]
pub fn lines(event: &TaskEvent, look: Look) -> String {
    match &event.data {
        Some(Data::ToolCallRequest(call)) => tool_call(call, look),
        Some(Data::ToolCallResult(result)) => tool_result(result, look),
        Some(Data::Reasoning(reasoning)) => thought(reasoning, look),
        Some(Data::Plan(plan)) => plan_steps(plan, look),
        Some(Data::SubAgentTrigger(trigger)) => sub_agent(trigger, look),
        Some(Data::Auth(auth)) => login(auth, look),
        Some(Data::Gap(gap)) => interruption(gap, look),
        Some(Data::Task(task)) => other_task(event, task, look),
        Some(Data::Chunk(text)) => look.line(Colour::Dim, &format!("· {}", name(event)), text),
        // A thought can be a bare text.
        Some(Data::Other(value)) if matches!(event.r#type(), EventType::Think | EventType::Analyze) => {
            look.line(Colour::Dim, "~", &brief(&value.json()))
        }
        Some(Data::Other(value)) => look.line(Colour::Dim, &format!("· {}", name(event)), &brief(&value.json())),
        None => look.line(Colour::Dim, &format!("· {}", name(event)), ""),
    }
}

fn tool_call(call: &ToolCallRequest, look: Look) -> String {
    let tool = call.tool_name.as_deref().or(call.operation_id.as_deref()).unwrap_or("tool");
    look.line(Colour::Cyan, &format!("→ {tool}"), &payload(call.payload.as_ref()))
}

fn tool_result(result: &ToolCallResult, look: Look) -> String {
    let tool = result.tool_name.as_deref().or(result.operation_id.as_deref()).unwrap_or("tool");
    let failed = if result.is_error() { " failed" } else { "" };
    let approval = result.approval_request_id.as_ref().map(|id| format!(" (approval {id})")).unwrap_or_default();
    let colour = match (result.is_error(), &result.approval_request_id) {
        (true, _) => Colour::Red,
        (false, Some(_)) => Colour::Yellow,
        (false, None) => Colour::Cyan,
    };
    look.line(colour, &format!("← {tool}{failed}{approval}"), &payload(result.result.as_ref()))
}

fn thought(reasoning: &Reasoning, look: Look) -> String {
    let said = [&reasoning.title, &reasoning.thought, &reasoning.analysis, &reasoning.action, &reasoning.result];
    let mut parts = said.into_iter().flatten().map(String::as_str).filter(|part| !part.trim().is_empty());
    let head = parts.next().unwrap_or("thinks");
    let tail = parts.next().unwrap_or_default();
    // A thought without a title is all tail, so that it is shortened.
    if tail.is_empty() {
        return look.line(Colour::Dim, "~", head);
    }
    look.line(Colour::Dim, "~", &format!("{head}: {tail}"))
}

fn plan_steps(plan: &DeepPlanning, look: Look) -> String {
    let done = plan.tasks.iter().filter(|step| step.completed()).count();
    let mut text = look.line(Colour::Bold, "plan", &format!("{done} of {} done", plan.tasks.len()));
    for step in &plan.tasks {
        let (colour, mark) = if step.completed() { (Colour::Green, "✓") } else { (Colour::Dim, "·") };
        let title = step.title.as_deref().or(step.id.as_deref()).unwrap_or_default();
        text.push_str("\n  ");
        text.push_str(&look.line(colour, mark, title));
    }
    text
}

fn sub_agent(trigger: &SubAgentTrigger, look: Look) -> String {
    let why = trigger.reasoning.as_ref().and_then(|reasoning: &ToolCallReasoning| reasoning.title.as_deref());
    let said = trigger.query.as_deref().or(why).unwrap_or_default();
    look.line(Colour::Cyan, &format!("⇒ agent {}", trigger.agent_id()), said)
}

/// Only the type and the URL: the rest can hold a token. The URL is never shortened, so that it can be opened.
fn login(auth: &AuthEvent, look: Look) -> String {
    let head = format!("! {}", auth.r#type().replace('_', " "));
    let url = auth.data.as_ref().and_then(|data| Some(data.fields().values().find_map(url_in)?.to_owned()));
    look.paint(Colour::Yellow, &one_line(&format!("{head}: {}", url.unwrap_or_default())))
}

fn interruption(gap: &StreamGap, look: Look) -> String {
    let since = gap.since.as_ref().map(|since| format!(" since {}", time(since))).unwrap_or_default();
    let plural = if gap.attempts == 1 { "" } else { "s" };
    look.line(
        Colour::Yellow,
        &format!("! events may be missing{since}"),
        &format!("({} attempt{plural})", gap.attempts),
    )
}

/// A task that is not the followed one, or an event about it that is not told otherwise.
fn other_task(event: &TaskEvent, task: &Task, look: Look) -> String {
    let head = look.line(Colour::Dim, &format!("· {} {}", name(event), task.id), "");
    format!("{head} {}", status(task, look))
}

/// The platform's word for the event; the proxy's own events may have none.
fn name(event: &TaskEvent) -> String {
    if event.type_name.is_empty() {
        let known = EventType::as_str_name(&event.r#type());
        return known.trim_start_matches("EVENT_TYPE_").to_lowercase();
    }
    event.type_name.clone()
}

fn payload(value: Option<&Value>) -> String {
    value.map(|value| brief(&value.json())).unwrap_or_default()
}

/// JSON on one line; a text as itself, nothing for null.
fn brief(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        _ => json.to_string(),
    }
}

fn url_in(json: &Json) -> Option<&str> {
    match json {
        Json::String(text) => (text.starts_with("https://") || text.starts_with("http://")).then_some(text.as_str()),
        Json::Object(fields) => fields.values().find_map(url_in),
        Json::Array(items) => items.iter().find_map(url_in),
        _ => None,
    }
}
