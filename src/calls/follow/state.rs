//! A task being followed: where it stands, and what is noted on the way.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tracing::warn;

use super::doubt::{Doubt, Run};
use crate::{
    calls::{Error, Kind, history::History},
    platform::{Client, Context, EventStream, wire},
    proto::{EventType, StreamGap, TaskEvent},
};

/// What the settings say about following.
#[derive(Clone, Copy)]
pub(in super::super) struct Manner {
    /// Whether access tokens inside auth events reach callers.
    pub(in super::super) forward_access_tokens: bool,
    /// How long reconnecting goes on without a new event.
    pub(in super::super) reconnect_budget: Duration,
    /// How long a connection has to last to renew the budget.
    pub(in super::super) idle_timeout: Duration,
}

/// A task being followed.
pub(in super::super) struct Follow {
    pub(super) platform: Client,
    pub(super) context: Context,
    pub(super) task_id: String,
    pub(super) manner: Manner,
    pub(super) state: State,
    pub(super) history: History,
    pub(super) outage: Outage,
    /// How long the platform wants clients to wait before they reconnect.
    pub(super) wish: Duration,
    /// How long it wants to be left alone, before the next attempt.
    pub(super) pause: Duration,
    /// A gap that is to be told, and the event behind it.
    pub(super) gap: Option<StreamGap>,
    pub(super) held: Option<TaskEvent>,
    pub(super) run: Run,
    /// An end that was said of a task which goes on, and nothing new since.
    pub(super) doubt: Option<Doubt>,
    pub(super) skipped: u64,
}

pub(super) enum State {
    /// No stream is open, and one is wanted; for a task that was `just_created` it has never been there.
    Closed { just_created: bool },
    /// Events come from the platform's stream.
    Live(Box<EventStream>),
    /// The task is over, and its stream is read once more for what came after the last event.
    Tail(Box<EventStream>, Box<wire::Task>),
    /// The task is over; this is all there is to tell, after a gap where something may be missing.
    Over { task: Box<wire::Task>, after_gap: bool },
    /// The last event was delivered.
    Done,
}

/// What happened since the last new event.
pub(super) struct Outage {
    /// When that event arrived, or the stream was opened.
    pub(super) since: SystemTime,
    /// When the budget began to run: with the first interruption.
    pub(super) began: Option<Instant>,
    pub(super) attempts: u32,
    /// Whether the platform was asked to go on after an event's id.
    pub(super) by_id: bool,
}

impl Follow {
    /// Notes that something may be missing before the next event, and begins anew.
    pub(super) fn note_gap(&mut self) {
        self.context.record.gap();
        self.gap = Some(StreamGap {
            since: Some(self.outage.since.into()),
            attempts: self.outage.attempts.try_into().unwrap_or(i32::MAX),
            resumed_by_id: self.outage.by_id,
        });
        self.renew();
    }

    /// After something new: what happens next has a patience of its own.
    pub(super) fn renew(&mut self) {
        self.doubt = None;
        // Not asked of the clock for each event: those of one moment have arrived together.
        let since = match &self.state {
            State::Live(stream) | State::Tail(stream, _) => stream.arrived(),
            _ => SystemTime::now(),
        };
        self.outage = Outage { since, began: None, attempts: 0, by_id: false };
    }

    pub(super) fn broken(&self, kind: Kind) -> Error {
        Error::new(kind).of_task(&self.task_id)
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if self.skipped > 0 {
            warn!(
                task_id = self.task_id,
                skipped = self.skipped,
                "events were skipped: too large, or no JSON objects with a type"
            );
        }
    }
}

/// An event of the proxy's own making.
pub(in super::super) fn own_event(kind: EventType, name: &str, task_id: &str) -> TaskEvent {
    TaskEvent {
        r#type: kind.into(),
        type_name: name.to_owned(),
        task_id: Some(task_id.to_owned()),
        organization_id: None,
        time: Some(SystemTime::now().into()),
        identity: None,
        event_id: None,
        data: None,
        extra: None,
    }
}
