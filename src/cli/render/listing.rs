//! Lists as tables, and the entries of an activity log as lines.

use serde_json::Value as Json;

use crate::proto::{
    ActivityEntry, ActivityRole, Agent, EventType, Task, TaskEvent, TaskSummary, ToolCallRequest, ToolCallResult,
    activity_entry::Entry, task_event::Data,
};

use super::{
    event::lines,
    task::{status, time},
    text::{Colour, Look, clean, one_line, shorten},
};

/// How wide a column may be.
const WIDEST: usize = 40;

/// Agents as a table.
#[must_use]
pub fn agent_table(agents: &[Agent], look: Look) -> String {
    let row = |agent: &Agent| {
        let text = |text: &Option<String>| one_line(text.as_deref().unwrap_or_default());
        [one_line(&agent.id), text(&agent.name), text(&agent.status), text(&agent.r#type), text(&agent.description)]
    };
    table(["ID", "NAME", "STATUS", "TYPE", "DESCRIPTION"], &agents.iter().map(row).collect::<Vec<_>>(), look)
}

/// Tasks as a table.
#[must_use]
pub fn task_table(tasks: &[TaskSummary], look: Look) -> String {
    let row = |task: &TaskSummary| {
        let whole = Task { status: task.status, other: task.other.clone(), ..Task::default() };
        let created = task.created_at.as_ref().map(time).unwrap_or_default();
        let agent = one_line(&task.agent_id);
        [one_line(&task.id), status(&whole, Look::PLAIN), created, agent, one_line(task.title())]
    };
    table(["ID", "STATUS", "CREATED", "AGENT", "TITLE"], &tasks.iter().map(row).collect::<Vec<_>>(), look)
}

/// An entry of an activity log as lines, each with its end.
#[must_use]
pub fn activity_lines(entry: &ActivityEntry, look: Look) -> String {
    let event = |data| lines(&TaskEvent { data: Some(data), ..TaskEvent::default() }, look);
    let text = match &entry.entry {
        Some(Entry::Message(message)) => {
            let (colour, who) = match message.role() {
                ActivityRole::User => (Colour::Bold, "user"),
                ActivityRole::Agent => (Colour::Green, "agent"),
                ActivityRole::Unspecified => (Colour::Bold, "somebody"),
            };
            let files = message.files.iter().fold(String::new(), |files, file| files + "\n  " + &one_line(file));
            let said = clean(message.text()).trim_end().replace('\n', "\n  ");
            format!("{} {said}{files}", look.paint(colour, &format!("{who}:")))
        }
        Some(Entry::ToolCall(call)) => {
            let request = ToolCallRequest {
                tool_name: call.tool_name.clone(),
                payload: call.payload.clone(),
                ..ToolCallRequest::default()
            };
            let result = ToolCallResult {
                tool_name: call.tool_name.clone(),
                result: call.result.clone(),
                is_error: call.is_error,
                ..ToolCallResult::default()
            };
            let [request, result] = [Data::ToolCallRequest(request.into()), Data::ToolCallResult(result.into())];
            format!("{}\n{}", event(request), event(result))
        }
        Some(Entry::Reasoning(reasoning)) => event(Data::Reasoning(reasoning.clone())),
        Some(Entry::SubAgentTrigger(trigger)) => event(Data::SubAgentTrigger(trigger.clone())),
        Some(Entry::Auth(auth)) => event(Data::Auth(auth.clone())),
        Some(Entry::Other(other)) => {
            let json = other.json();
            let what = ["action", "type"].iter().find_map(|key| json.get(key).and_then(Json::as_str));
            look.line(Colour::Dim, &format!("· {}", what.unwrap_or("something else")), &json.to_string())
        }
        None => look.line(Colour::Dim, "·", EventType::Unspecified.as_str_name()),
    };
    text + "\n"
}

/// Rows under their names, in columns that are as wide as they need; the last one takes what is left.
fn table<const N: usize>(names: [&str; N], rows: &[[String; N]], look: Look) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([names[column].len()]).max().unwrap_or_default().min(WIDEST)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let (last, first) = cells.split_last().map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
        let padded = first.iter().zip(widths).map(|(cell, width)| {
            let cell = shorten(cell, width);
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{:padding$}", "")
        });
        [padded.collect::<Vec<_>>().join("  "), last.to_owned()].join("  ").trim_end().to_owned()
    };
    let head = look.paint(Colour::Dim, &line(&names.map(str::to_owned)));
    std::iter::once(head).chain(rows.iter().map(line)).fold(String::new(), |text, line| text + &line + "\n")
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use crate::proto::{ActivityMessage, ActivityToolCall, TaskStatus, json::Value};

    use super::*;

    #[test]
    fn tasks_are_a_table() {
        let task = |id: &str, status: TaskStatus, title: &str| TaskSummary {
            id: id.to_owned(),
            agent_id: "echo".to_owned(),
            status: status.into(),
            created_at: Some(Timestamp { seconds: 1_775_847_695, nanos: 5 }),
            title: Some(title.to_owned()),
            ..TaskSummary::default()
        };
        let tasks = [task("t1", TaskStatus::Completed, "Sales\u{1b}[2J"), task("task-22", TaskStatus::Pending, "")];
        let expected = "\
ID       STATUS     CREATED               AGENT  TITLE
t1       completed  2026-04-10T19:01:35Z  echo   Sales\\u{1b}[2J
task-22  pending    2026-04-10T19:01:35Z  echo
";
        assert_eq!(task_table(&tasks, Look::PLAIN), expected);
    }

    #[test]
    fn an_activity_reads_as_what_was_said_and_done() {
        let of = |entry| activity_lines(&ActivityEntry { entry: Some(entry), ..ActivityEntry::default() }, Look::PLAIN);
        let message = ActivityMessage {
            role: ActivityRole::User.into(),
            text: Some("one\ntwo".to_owned()),
            files: vec!["https://x/a.pdf".to_owned()],
            ..ActivityMessage::default()
        };
        assert_eq!(of(Entry::Message(message.into())), "user: one\n  two\n  https://x/a.pdf\n");
        let call = ActivityToolCall {
            tool_name: Some("sql".to_owned()),
            payload: Some(Value::new(r#""select 1""#)),
            result: Some(Value::new(r#""no such table""#)),
            is_error: Some(true),
            ..ActivityToolCall::default()
        };
        assert_eq!(of(Entry::ToolCall(call.into())), "→ sql select 1\n← sql failed no such table\n");
        let other = Value::new(r#"{"action": "approval_card"}"#);
        assert_eq!(of(Entry::Other(other)), "· approval_card {\"action\":\"approval_card\"}\n");
    }
}
