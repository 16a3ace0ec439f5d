//! The end of a followed task: whose it is, and that it carries the whole task.

use std::mem;

use super::{
    doubt::{Doubt, Run},
    resume::may_pass,
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
        let task_id = event.task_id.as_deref().or(match &event.data {
            Some(Data::Task(task)) if !task.id.is_empty() => Some(&task.id),
            _ => None,
        });
        event.r#type() == EventType::TaskFinished && task_id.is_none_or(|id| id == self.task_id)
    }

    /// The last event, with the whole task: a trimmed snapshot is replaced by a read. None where the task goes on all the
    /// same: then it was the end of a run before, or the platform is ahead of itself, which time will tell.
    pub(super) async fn end_with(&mut self, mut event: TaskEvent) -> Result<Option<TaskEvent>, Error> {
        if self.run.began_after(&event) {
            return Ok(None);
        }
        let is_trimmed = !matches!(&event.data, Some(Data::Task(task)) if is_whole(task));
        if is_trimmed || self.run.may_be_another {
            let task = self.read().await;
            let task =
                task.map_err(|error| self.broken(if may_pass(&error) { Kind::Interrupted } else { error.into() }))?;
            self.run = Run::of(&task).after_another(self.run.may_be_another);
            if !task.is_terminal() {
                self.doubt = Some(Doubt::begin());
                return Ok(None);
            }
            if self.run.began_after(&event) {
                return Ok(None);
            }
            event.data = Some(Data::Task(translate::task(task)));
        }
        self.state = State::Done;
        Ok(Some(event))
    }

    /// Asks a task again whether it is over, since its stream has said so and nothing after.
    pub(super) async fn ask_again(&mut self) -> Result<(), Error> {
        match self.read_over().await? {
            Some(task) => self.state = State::Over { task, after_gap: false },
            None => self.doubt = self.doubt.take().and_then(Doubt::next),
        }
        Ok(())
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
