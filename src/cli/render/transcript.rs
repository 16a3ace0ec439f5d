//! A task's events as they come: text that grows, lines between, the end.

use std::io;

use crate::proto::{EventType, Task, TaskEvent, task_event::Data};

use super::{
    event::lines,
    task::{ending, status, waits_for},
    text::{Colour, Look, clean, one_line},
};

/// Writes a task's events as they come. Dropped, it ends the line it is in, so that what follows has one of its own.
pub struct Transcript<W: io::Write> {
    out: W,
    look: Look,
    /// The model's text so far: a result that repeats its end is not shown again.
    text: String,
    /// Whether the text has left the cursor within a line.
    is_mid_line: bool,
    /// The state shown last: updates that change nothing a person reads are left out.
    shown_state: String,
}

impl<W: io::Write> Transcript<W> {
    /// A transcript that writes to `out`.
    pub fn new(out: W, look: Look) -> Self {
        Self { out, look, text: String::new(), is_mid_line: false, shown_state: String::new() }
    }

    /// Writes that the task was created.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn created(&mut self, task: &Task) -> io::Result<()> {
        let head = self.look.paint(Colour::Bold, &format!("task {}", one_line(&task.id)));
        let state = self.state(task);
        self.line(&format!("{head} on agent {} · {state}", one_line(&task.agent_id)))?;
        self.shown_state = state;
        self.out.flush()
    }

    /// Writes an event, if there is anything in it for a person.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn event(&mut self, event: &TaskEvent) -> io::Result<()> {
        match (event.r#type(), &event.data) {
            (EventType::Connected | EventType::Heartbeat, _) => return Ok(()),
            (EventType::Chunk, Some(Data::Chunk(text))) => self.chunk(text)?,
            (EventType::TaskFinished, Some(Data::Task(task))) => self.finished(task)?,
            (EventType::TaskCreated | EventType::TaskUpdated, Some(Data::Task(task))) => self.changed(task)?,
            _ => {
                let lines = lines(event, self.look);
                self.line(&lines)?;
            }
        }
        self.out.flush()
    }

    fn chunk(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.text.push_str(text);
        self.is_mid_line = !text.ends_with('\n');
        self.out.write_all(clean(text).as_bytes())
    }

    fn changed(&mut self, task: &Task) -> io::Result<()> {
        let state = self.state(task);
        if state == self.shown_state {
            return Ok(());
        }
        self.line(&format!("{} {state}", self.look.paint(Colour::Dim, "·")))?;
        self.shown_state = state;
        Ok(())
    }

    fn finished(&mut self, task: &Task) -> io::Result<()> {
        let result = task.result().trim();
        if !self.text.trim_end().ends_with(result) {
            self.line(&clean(result))?;
        }
        self.line(&ending(task, self.look))
    }

    fn state(&self, task: &Task) -> String {
        let status = status(task, self.look);
        waits_for(task).map_or(status.clone(), |reason| format!("{status}, waits for {reason}"))
    }

    /// Ends the line it is in, so that others may write.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn end_line(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_mid_line) {
            self.out.write_all(b"\n")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Writes lines of their own, also after text that did not end its line.
    fn line(&mut self, line: &str) -> io::Result<()> {
        self.end_line()?;
        writeln!(self.out, "{line}")
    }
}

impl<W: io::Write> Drop for Transcript<W> {
    fn drop(&mut self) {
        if self.is_mid_line {
            // Whoever cared about the output has been told by the call before.
            let _ = self.out.write_all(b"\n").and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::proto::{Reasoning, TaskStatus};

    use super::*;

    fn event(kind: EventType, data: Option<Data>) -> TaskEvent {
        let type_name = kind.as_str_name().trim_start_matches("EVENT_TYPE_").to_lowercase();
        TaskEvent { r#type: kind.into(), type_name, data, ..TaskEvent::default() }
    }

    fn chunk(text: &str) -> TaskEvent {
        event(EventType::Chunk, Some(Data::Chunk(text.into())))
    }

    fn task(kind: EventType, status: TaskStatus, result: Option<&str>) -> TaskEvent {
        let task = Task { id: "t1".into(), status: status.into(), result: result.map(Into::into), ..Task::default() };
        event(kind, Some(Data::Task(task.into())))
    }

    fn written(events: &[TaskEvent]) -> String {
        let mut out = Vec::new();
        let mut transcript = Transcript::new(&mut out, Look::PLAIN);
        for event in events {
            transcript.event(event).expect("memory can be written");
        }
        drop(transcript);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn text_grows_and_other_events_get_lines_of_their_own() {
        let thought = Reasoning { title: Some("hm".into()), ..Reasoning::default() };
        let text = written(&[
            event(EventType::Connected, None),
            task(EventType::TaskCreated, TaskStatus::Pending, None),
            task(EventType::TaskUpdated, TaskStatus::Executing, None),
            task(EventType::TaskUpdated, TaskStatus::Executing, None),
            chunk("Hel"),
            chunk("lo"),
            event(EventType::Think, Some(Data::Reasoning(thought.into()))),
            event(EventType::Heartbeat, None),
            chunk("world\n"),
            task(EventType::TaskFinished, TaskStatus::Completed, Some("world")),
        ]);
        assert_eq!(text, "· pending\n· executing\nHello\n~ hm\nworld\n✓ completed · t1\n");
    }

    #[test]
    fn a_result_that_was_not_streamed_is_shown() {
        let text = written(&[chunk("thinking"), task(EventType::TaskFinished, TaskStatus::Completed, Some("42"))]);
        assert_eq!(text, "thinking\n42\n✓ completed · t1\n");
    }

    #[test]
    fn a_failed_task_without_a_result_is_its_ending_alone() {
        assert_eq!(written(&[task(EventType::TaskFinished, TaskStatus::Failed, None)]), "✗ failed · t1\n");
    }

    #[test]
    fn a_sub_task_that_is_over_is_not_the_end() {
        let text = written(&[task(EventType::SubTaskFinished, TaskStatus::Completed, Some("x")), chunk("on")]);
        assert_eq!(text, "· sub_task_finished t1 completed\non\n");
    }

    #[test]
    fn chunks_cannot_steer_the_terminal() {
        assert_eq!(written(&[chunk("\u{1b}]52;c;"), chunk("x\u{7}")]), "\\u{1b}]52;c;x\\u{7}\n");
    }

    #[test]
    fn a_created_task_is_named_first() {
        let mut out = Vec::new();
        let task =
            Task { id: "t1".into(), agent_id: "echo".into(), status: TaskStatus::Pending.into(), ..Task::default() };
        Transcript::new(&mut out, Look::PLAIN).created(&task).expect("memory can be written");
        assert_eq!(out, b"task t1 on agent echo \xc2\xb7 pending\n");
    }
}
