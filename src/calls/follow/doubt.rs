//! Whose end it is that a stream tells of: the task's present run's, or that of one before.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    calls::history::Time,
    platform::wire,
    proto::{TaskEvent, task_event::Data},
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
    pub(super) may_be_another: bool,
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
            may_be_another: task.finished_at.is_some() && task.status.is_some() && !task.is_terminal(),
        }
    }

    /// The same, where there has been one before for certain.
    pub(super) fn after_another(self, is_certain: bool) -> Self {
        Self { may_be_another: self.may_be_another || is_certain, ..self }
    }

    /// Whether a task is over of which its stream has said so. A status of tomorrow is taken for an end then, with a time of
    /// the end that is this run's.
    pub(super) fn is_over(&self, task: &wire::Task) -> bool {
        let is_newer = |end: Option<Time>| end.is_some() && (!self.may_be_another || end > self.finished);
        task.is_terminal() || task.status.is_none() && is_newer(Self::of(task).finished)
    }

    /// Whether an end, by the times that it says, is that of a run before this one.
    pub(super) fn began_after(&self, end: &TaskEvent) -> bool {
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
    pub(super) fn next(self) -> Option<Self> {
        let pause = self.pause * 2;
        (pause <= LONGEST_DOUBT).then(|| Self { until: Instant::now() + pause, pause })
    }
}

pub(super) fn micros(time: prost_types::Timestamp) -> Time {
    time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos) / 1_000)
}
