//! Follows one task over the platform's event streams to its end, across interruptions.

mod end;
mod open;
mod resume;

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};
use tracing::warn;

use self::end::{Doubt, Run};
pub(super) use self::open::Beginning;
use super::{
    Error, Kind,
    history::{Arrival, History, Time},
};
use crate::{
    memory,
    platform::{
        Client, Context, EventStream,
        sse::{Frame, Payload},
        wire,
    },
    proto::{EventType, StreamGap, TaskEvent, task_event::Data},
    translate,
};

/// What the settings say about following.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Whether access tokens inside auth events reach callers.
    pub(super) forward_access_tokens: bool,
    /// How long reconnecting goes on without a new event.
    pub(super) reconnect_budget: Duration,
    /// How long a connection has to last to renew the budget.
    pub(super) idle_timeout: Duration,
}

/// A task being followed.
pub(super) struct Follow {
    platform: Client,
    context: Context,
    task_id: String,
    manner: Manner,
    state: State,
    history: History,
    outage: Outage,
    /// How long the platform wants clients to wait before they reconnect.
    wish: Duration,
    /// A gap that is to be told, and the event behind it.
    gap: Option<StreamGap>,
    held: Option<TaskEvent>,
    /// The id of the event that was given last; empty where it has none.
    given_id: String,
    run: Run,
    /// An end that was said of a task which goes on, and nothing new since.
    doubt: Option<Doubt>,
    skipped: u64,
}

enum State {
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
struct Outage {
    /// When that event arrived, or the stream was opened.
    since: SystemTime,
    /// When the budget began to run: with the first interruption.
    began: Option<Instant>,
    attempts: u32,
    /// Whether the platform was asked to go on after an event's id.
    by_id: bool,
}

impl Follow {
    /// The task's id.
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The next event; None after the task's `task_finished`. What was given before counts as delivered by now.
    ///
    /// # Errors
    /// When the stream cannot be followed further, with the task's id and the last event's.
    pub(super) async fn next(&mut self) -> Result<Option<TaskEvent>, Error> {
        if !self.given_id.is_empty() {
            self.context.record.delivered(&self.given_id);
            self.given_id.clear();
        }
        let event = self.event().await?;
        if let Some(id) = event.as_ref().and_then(|event| event.event_id.as_ref()) {
            self.given_id.push_str(id);
        }
        Ok(event)
    }

    async fn event(&mut self) -> Result<Option<TaskEvent>, Error> {
        loop {
            if let Some(gap) = self.gap.take() {
                let gap = Some(Data::Gap(gap));
                return Ok(Some(TaskEvent {
                    data: gap,
                    ..own_event(EventType::StreamGap, "stream_gap", &self.task_id)
                }));
            }
            if let Some(event) = self.held.take() {
                if !self.is_end(&event) {
                    return Ok(Some(event));
                }
                if let Some(end) = Box::pin(self.end_with(event)).await? {
                    return Ok(Some(end));
                }
            }
            let stream = match &mut self.state {
                State::Live(stream) | State::Tail(stream, _) => stream,
                // Boxed, as all that is rare: every stream would hold its room.
                State::Closed { .. } => {
                    Box::pin(self.reopen()).await?;
                    continue;
                }
                State::Over { after_gap: after_gap @ true, .. } => {
                    *after_gap = false;
                    self.note_gap();
                    continue;
                }
                State::Over { .. } | State::Done => return Ok(self.take_end()),
            };
            let frame = match &self.doubt {
                None => Ok(stream.next().await),
                Some(doubt) => timeout_at(doubt.until, stream.next()).await,
            };
            let Ok(frame) = frame else {
                Box::pin(self.ask_again()).await?;
                continue;
            };
            match frame {
                Ok(Some(frame)) => self.held = memory::aside(frame.data.size(), || self.take_in(frame)),
                // An end without task_finished is no different from a break.
                Ok(None) => Box::pin(self.interrupted(None)).await?,
                Err(error) => Box::pin(self.interrupted(Some(error))).await?,
            }
        }
    }

    /// The event in a frame; None where it was delivered before or is none. Notes the gap before it or in its place.
    fn take_in(&mut self, frame: Frame) -> Option<TaskEvent> {
        let Frame { id, data, is_ping } = frame;
        let (data, print) = match data {
            Payload::None => {
                self.history.passed(id.as_deref()?);
                return None;
            }
            Payload::Data(data) => {
                let print = self.history.print(&data);
                (Some(data), print)
            }
            Payload::TooLarge(digest) => (None, digest),
        };
        if self.history.is_repeat(id.as_deref(), print) {
            return None;
        }
        let event = data.map(|data| translate::event(None, &data, self.manner.forward_access_tokens));
        let Some(Ok(mut event)) = event else {
            self.leave_out(id.as_deref(), print, is_ping);
            return None;
        };
        // The greeting of a connection that the caller did not ask for tells nothing.
        if event.r#type() == EventType::Connected && self.history.is_resuming() {
            self.history.greeted(id.as_deref());
            return None;
        }
        match self.history.arrived(id.as_deref(), print, event.time.map(micros)) {
            Arrival::Older => {
                // It may have been this task's all the same: the task knows.
                self.doubt = self.doubt.take().or_else(|| self.is_end(&event).then(Doubt::begin));
                return None;
            }
            Arrival::Next => self.renew(),
            Arrival::AfterGap => self.note_gap(),
        }
        event.event_id = id.filter(|id| !id.is_empty());
        Some(event)
    }

    /// Leaves an event out that cannot be read. A gap stands in its place, unless it only says that the platform is alive.
    fn leave_out(&mut self, id: Option<&str>, print: u64, is_ping: bool) {
        if !is_ping {
            self.skipped += 1;
            self.context.record.skipped(1);
            self.history.left_out(id, print);
            self.note_gap();
        } else if let Some(id) = id {
            self.history.passed(id);
        }
    }

    /// Notes that something may be missing before the next event, and begins anew.
    fn note_gap(&mut self) {
        self.context.record.gap();
        self.gap = Some(StreamGap {
            since: Some(self.outage.since.into()),
            attempts: self.outage.attempts.try_into().unwrap_or(i32::MAX),
            resumed_by_id: self.outage.by_id,
        });
        self.renew();
    }

    /// After something new: what happens next has a patience of its own.
    fn renew(&mut self) {
        self.doubt = None;
        // Not asked of the clock for each event: those of one moment have arrived together.
        let since = match &self.state {
            State::Live(stream) | State::Tail(stream, _) => stream.arrived(),
            _ => SystemTime::now(),
        };
        self.outage = Outage { since, began: None, attempts: 0, by_id: false };
    }

    fn broken(&self, kind: Kind) -> Error {
        Error { last_event_id: self.context.record.last_event_id(), ..Error::new(kind).of_task(&self.task_id) }
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
pub(super) fn own_event(kind: EventType, name: &str, task_id: &str) -> TaskEvent {
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

fn micros(time: prost_types::Timestamp) -> Time {
    time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos) / 1_000)
}
