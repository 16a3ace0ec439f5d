//! The end of a followed task: whose it is, and that it carries the whole task.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Error, Kind, history::Time},
    Follow, State, micros, own_event,
    resume::may_pass,
};
use crate::{
    platform::wire,
    proto::{EventType, Task, TaskEvent, task_event::Data},
    translate,
};

/// How long a task that goes on after its end was said is left alone before it is asked again, at first and at most.
const FIRST_DOUBT: Duration = Duration::from_secs(2);
const LONGEST_DOUBT: Duration = Duration::from_secs(30);

/// What a task has said of its present run.
#[derive(Default)]
pub(super) struct Run {
    started: Option<Time>,
    finished: Option<Time>,
    /// Whether there may have been one before, whose end is on the stream too.
    may_be_another: bool,
}

/// A doubt whether an end was the run's: the task is asked again while nothing else comes.
pub(super) struct Doubt {
    pub(super) until: Instant,
    pause: Duration,
}

impl Run {
    pub(super) fn of(task: &wire::Task) -> Self {
        let micros = |time: &Option<wire::Time>| time.as_ref().map(|wire::Time(time)| time.as_microsecond());
        Self {
            started: micros(&task.started_at),
            finished: micros(&task.finished_at),
            may_be_another: task.finished_at.is_some() && !task.is_terminal(),
        }
    }

    /// The same, where there has been one before for certain.
    pub(super) fn after_another(self, is_certain: bool) -> Self {
        Self { may_be_another: self.may_be_another || is_certain, ..self }
    }

    /// Whether an end, by the times that it says, is that of a run before this one.
    fn began_after(&self, end: &TaskEvent) -> bool {
        let is_before = |time: Option<prost_types::Timestamp>, other| time.map(micros) < other && time.is_some();
        let finished = if let Some(Data::Task(task)) = &end.data { task.finished_at } else { None };
        is_before(end.time, self.started) || is_before(finished, self.finished)
    }
}

impl Doubt {
    pub(super) fn begin() -> Self {
        Self { until: Instant::now() + FIRST_DOUBT, pause: FIRST_DOUBT }
    }

    /// The same doubt for twice as long; None when it has lasted.
    fn next(self) -> Option<Self> {
        let pause = self.pause * 2;
        (pause <= LONGEST_DOUBT).then(|| Self { until: Instant::now() + pause, pause })
    }
}

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
