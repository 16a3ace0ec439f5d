//! The end of a followed task: whose it is, and that it carries the whole task.

use std::mem;

use super::{
    doubt::{Doubt, Run},
    resume::{may_pass, tail},
    state::{Follow, State, own_event},
};
use crate::{
    calls::{Error, Kind},
    proto::{EventType, Task, TaskEvent, task_event::Data},
    translate,
};

impl Follow {
    /// Whether this is the followed task's own end, and not one of another task on the same stream.
    pub(super) fn is_end(&self, event: &TaskEvent) -> bool {
        is_end_of(&self.task_id, event)
    }

    /// The last event, with the whole task: a trimmed snapshot is replaced by a read. None where the task goes on all the
    /// same: then it was the end of a run before, or the platform is ahead of itself, which time will tell.
    pub(super) async fn end_with(&mut self, mut event: TaskEvent) -> Result<Option<TaskEvent>, Error> {
        if self.run.began_after(&event) {
            self.run.may_be_another = true;
            return Ok(self.doubt_it());
        }
        let is_trimmed = !matches!(&event.data, Some(Data::Task(task)) if is_whole(task));
        if is_trimmed || self.run.may_be_another {
            let task = self.read().await;
            let task =
                task.map_err(|error| self.broken(if may_pass(&error) { Kind::Interrupted } else { error.into() }))?;
            let is_over = self.run.is_over(&task);
            self.run = Run::of(&task).after_another(self.run.may_be_another);
            if !is_over || self.run.began_after(&event) {
                return Ok(self.doubt_it());
            }
            event.data = Some(Data::Task(translate::task(task)));
        }
        self.state = State::Done;
        Ok(Some(event))
    }

    /// Asks a task again whether it is over, since its stream has said so and nothing after.
    pub(super) async fn ask_again(&mut self) -> Result<(), Error> {
        match self.read_over().await? {
            Some(task) if self.is_end_told() => self.state = State::Over { task, after_gap: false },
            // What was told is the end of a run before: this one's events may be on their way.
            Some(task) => {
                self.doubt = None;
                self.state = match mem::replace(&mut self.state, State::Done) {
                    State::Live(stream) | State::Tail(stream, _) => State::Tail(tail(*stream), task),
                    _ => State::Over { task, after_gap: true },
                };
            }
            None => self.doubt = self.doubt.take().and_then(Doubt::next),
        }
        Ok(())
    }

    /// Whether the end that was told last, and nothing after, was this run's for certain.
    pub(super) fn is_end_told(&self) -> bool {
        self.doubt.is_some() && !self.run.may_be_another
    }

    /// The end of a run before, or of a task that goes on all the same: it is asked again where nothing follows.
    fn doubt_it(&mut self) -> Option<TaskEvent> {
        self.doubt = Some(Doubt::begin());
        None
    }

    /// What there is to tell of a task that was over before its stream said so.
    pub(super) fn take_end(&mut self) -> Option<TaskEvent> {
        match mem::replace(&mut self.state, State::Done) {
            State::Over { task, .. } => {
                let task = translate::task(task);
                Some(TaskEvent {
                    organization_id: Some(task.organization_id.clone()),
                    data: Some(Data::Task(task)),
                    ..own_event(EventType::TaskFinished, "task_finished", &self.task_id)
                })
            }
            _ => None,
        }
    }
}

/// Whether an event is the end of this task: one that names no task is, on its stream.
#[must_use]
pub fn is_end_of(task_id: &str, event: &TaskEvent) -> bool {
    let named = event.task_id.as_deref().or(match &event.data {
        Some(Data::Task(task)) if !task.id.is_empty() => Some(&task.id),
        _ => None,
    });
    event.r#type() == EventType::TaskFinished && named.is_none_or(|named| named == task_id)
}

/// Whether a snapshot is the whole task: the platform trims large ones, and marks them so or leaves required attributes
/// out.
fn is_whole(task: &Task) -> bool {
    let is_marked = task.other.as_ref().is_some_and(|other| other.has("_result_truncated"));
    let has_required = !task.id.is_empty()
        && !task.agent_id.is_empty()
        && !task.organization_id.is_empty()
        && task.input.is_some()
        && task.created_at.is_some();
    has_required && !is_marked
}
