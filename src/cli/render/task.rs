//! A task as a few aligned lines, and as one.

use std::time::Duration;

use prost_types::Timestamp;
use serde_json::Value as Json;

use crate::proto::{Task, TaskStatus, json::Struct};

use super::text::{Colour, Look, clean, one_line, span};

/// How wide the names in front are.
const NAMES: usize = 10;

/// The task as aligned lines: who, when, how it went.
#[must_use]
pub fn task(task: &Task, look: Look) -> String {
    let version = task.agent_version.as_ref().map(|version| format!(" (version {version})")).unwrap_or_default();
    let mut text = String::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&look.paint(Colour::Dim, &format!("{name:NAMES$}")));
            text.push_str(value);
            text.push('\n');
        }
    };
    add("id", &one_line(&task.id));
    add("agent", &one_line(&format!("{}{version}", task.agent_id)));
    add("title", &one_line(task.title()));
    add("status", &status(task, look));
    add("created", &task.created_at.as_ref().map(time).unwrap_or_default());
    add("continue", &continued_by(task).map(one_line).unwrap_or_default());
    add("duration", &task.duration.and_then(length).unwrap_or_default());
    add("waits for", &waits_for(task).unwrap_or_default());
    add("result", &clean(task.result()).trim_end().replace('\n', &format!("\n{:NAMES$}", "")));
    text
}

/// The id to continue with, where that is not the task's own: its conversation's.
#[must_use]
pub fn continued_by(task: &Task) -> Option<&str> {
    task.conversation_id.as_deref().filter(|head| !head.is_empty() && *head != task.id)
}

/// What the task waits for, when that is a person.
#[must_use]
pub fn waits_for(task: &Task) -> Option<String> {
    if let Some(access) = &task.pending_eca_request {
        return Some(one_line(&format!("access to {}: {}", access.connector_name(), access.auth_url())));
    }
    let hitl = task.hitl_request.as_ref()?;
    Some(one_line(&format!("a person's approval {}", hitl.wait_node_id())))
}

/// The end of a task as one line: `✓ completed in 3.2s · id`.
#[must_use]
pub fn ending(task: &Task, look: Look) -> String {
    let mark = if has_failed(task.status()) { "✗" } else { "✓" };
    let time = task.duration.and_then(length).map(|length| format!(" in {length}")).unwrap_or_default();
    let head = continued_by(task).map(|id| format!(" · continue with {}", one_line(id))).unwrap_or_default();
    let id = one_line(&task.id);
    format!("{} {}{time} · {id}{head}", look.paint(colour(task.status()), mark), status(task, look))
}

/// The task's status in its colour; one this version does not know in the platform's own word.
#[must_use]
pub fn status(task: &Task, look: Look) -> String {
    let known = task.status().as_str_name().trim_start_matches("TASK_STATUS_").to_lowercase();
    let word = match task.status() {
        TaskStatus::Unspecified => {
            let other = task.other.as_ref().map(Struct::fields).unwrap_or_default();
            one_line(other.get("status").and_then(Json::as_str).unwrap_or("unknown"))
        }
        _ => known,
    };
    look.paint(colour(task.status()), &word)
}

/// Whether a task is over without having been completed.
#[must_use]
pub fn has_failed(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Error | TaskStatus::Failed | TaskStatus::Stopped)
}

/// A time to the second.
#[must_use]
pub fn time(time: &Timestamp) -> String {
    Timestamp { seconds: time.seconds, nanos: 0 }.to_string()
}

fn colour(status: TaskStatus) -> Colour {
    match status {
        TaskStatus::Completed => Colour::Green,
        TaskStatus::Paused | TaskStatus::Stopped => Colour::Yellow,
        TaskStatus::Error | TaskStatus::Failed => Colour::Red,
        TaskStatus::Unspecified | TaskStatus::Pending | TaskStatus::Executing => Colour::Bold,
    }
}

/// None for zero as well: a task that has not run yet.
fn length(duration: prost_types::Duration) -> Option<String> {
    let duration = Duration::try_from(duration).ok()?;
    (!duration.is_zero()).then(|| span(duration))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::proto::PendingEcaRequest;

    use super::*;

    fn finished() -> Task {
        Task {
            id: "t1".into(),
            agent_id: "echo".into(),
            agent_version: Some("2".into()),
            status: TaskStatus::Completed.into(),
            created_at: Some(Timestamp { seconds: 1_775_847_695, nanos: 114_410_000 }),
            duration: Some(prost_types::Duration { seconds: 3, nanos: 200_000_000 }),
            result: Some("forty\ntwo\n".into()),
            ..Task::default()
        }
    }

    #[test]
    fn a_task_is_a_few_aligned_lines() {
        let expected = "\
id        t1
agent     echo (version 2)
status    completed
created   2026-04-10T19:01:35Z
duration  3.2s
result    forty
          two
";
        assert_eq!(task(&finished(), Look::PLAIN), expected);
    }

    #[test]
    fn the_end_of_a_task_is_one_line() {
        assert_eq!(ending(&finished(), Look::PLAIN), "✓ completed in 3.2s · t1");
        let turn = Task { conversation_id: Some("t0".into()), ..finished() };
        assert_eq!(ending(&turn, Look::PLAIN), "✓ completed in 3.2s · t1 · continue with t0");
        let stopped = Task { id: "t2".into(), status: TaskStatus::Stopped.into(), ..Task::default() };
        assert_eq!(ending(&stopped, Look::PLAIN), "✗ stopped · t2");
    }

    #[test]
    fn a_task_that_waits_for_access_says_where_it_is_granted() {
        let access = PendingEcaRequest { connector_name: Some("mail".into()), auth_url: Some("https://x/y".into()) };
        let waiting = Task { pending_eca_request: Some(access), ..Task::default() };
        assert!(task(&waiting, Look::PLAIN).ends_with("waits for access to mail: https://x/y\n"));
    }

    #[test]
    fn an_unknown_status_is_the_platforms_own_word() {
        let other = Some(Struct::new(json!({"status": "levitating"}).to_string()));
        assert_eq!(status(&Task { other, ..Task::default() }, Look::PLAIN), "levitating");
    }

    #[test]
    fn a_task_cannot_fake_lines_or_steer_the_terminal() {
        let evil = Task {
            id: "t\nstatus    completed".into(),
            status: TaskStatus::Failed.into(),
            result: Some("\u{1b}[2Jgone\u{9b}31m".into()),
            ..Task::default()
        };
        let text = task(&evil, Look::PLAIN);
        assert_eq!(text.lines().filter(|line| line.starts_with("status")).count(), 1);
        assert!(!text.contains(['\u{1b}', '\u{9b}']));
    }
}
