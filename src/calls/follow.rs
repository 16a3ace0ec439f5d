//! Follows one task over the platform's event streams to its end, across interruptions.

mod resume;

use std::{
    mem,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use tokio::time::Instant;
use tracing::warn;

use self::resume::may_pass;
use super::{
    Error, Kind,
    history::{Arrival, History},
};
use crate::{
    platform::{self, Client, Context, EventStream, sse::Frame, wire},
    proto::{EventType, StreamGap, Task, TaskEvent, task_event::Data},
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
    /// An event that waits behind the gap before it.
    held: Option<TaskEvent>,
    /// The last id that reached the caller.
    delivered_id: Option<Box<str>>,
    skipped: u64,
}

enum State {
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
}

impl Follow {
    /// Opens the stream, then reads the task: in this order, or an end between the two is missed.
    ///
    /// # Errors
    /// Everything that can fail before the first event, most of all a task that is unknown or, unless it was
    /// `just_created` for streaming, has no stream.
    pub(super) async fn open(
        platform: &Client,
        context: &Context,
        task_id: &str,
        last_event_id: Option<&HeaderValue>,
        just_created: bool,
        manner: Manner,
    ) -> Result<Self, Error> {
        let stream = platform.events(context, task_id, last_event_id).await;
        let task = platform.task(context, task_id).await.map_err(|error| Error::from(error).of_task(task_id))?;
        if !just_created && task.events_streaming != Some(true) {
            return Err(Error::new(Kind::NotStreaming).of_task(task_id));
        }
        let state = match stream {
            Err(error) if !task.is_terminal() => return Err(cannot_open(error).of_task(task_id)),
            Ok(stream) if !task.is_terminal() => State::Live(Box::new(stream)),
            // What happened in a task that ended this fast, or that its caller has left in the middle, is told.
            Ok(stream) if just_created || last_event_id.is_some() => State::Tail(resume::tail(stream), task),
            Err(_) if just_created || last_event_id.is_some() => State::Over { task, after_gap: true },
            _ => State::Over { task, after_gap: false },
        };
        let last_id = last_event_id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        let delivered_id = last_id.as_deref().map(Into::into);
        Ok(Self {
            platform: platform.clone(),
            context: context.clone(),
            task_id: task_id.to_owned(),
            manner,
            state,
            history: History::new(last_id),
            outage: Outage { since: SystemTime::now(), began: None, attempts: 0 },
            wish: Duration::ZERO,
            held: None,
            delivered_id,
            skipped: 0,
        })
    }

    /// The task's id.
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The next event; None after the task's `task_finished`.
    ///
    /// # Errors
    /// When the stream cannot be followed further, with the task's id and the last event's.
    pub(super) async fn next(&mut self) -> Result<Option<TaskEvent>, Error> {
        if let Some(event) = self.held.take() {
            return self.deliver(event).await.map(Some);
        }
        loop {
            let (State::Live(stream) | State::Tail(stream, _)) = &mut self.state else { return Ok(self.take_end()) };
            let frame = stream.next().await;
            let dropped = stream.take_dropped();
            self.skip(dropped);
            match frame {
                Ok(Some(frame)) => {
                    if let Some(event) = self.take_in(&frame) {
                        return self.deliver(event).await.map(Some);
                    }
                }
                // An end without task_finished is no different from a break.
                // Both boxed: they are rare and large, and every stream would hold their room.
                Ok(None) => Box::pin(self.interrupted(None)).await?,
                Err(error) => Box::pin(self.interrupted(Some(error))).await?,
            }
        }
    }

    /// The event in a frame, or the gap before it; None where it was delivered before or is none.
    fn take_in(&mut self, frame: &Frame) -> Option<TaskEvent> {
        let Ok(event) = translate::event(frame.id.clone(), &frame.data, self.manner.forward_access_tokens) else {
            self.skip(1);
            return None;
        };
        // The greeting of a connection that the caller did not ask for tells nothing.
        if self.outage.attempts > 0 && event.r#type() == EventType::Connected {
            return None;
        }
        let arrival = self.history.arrived(frame);
        if arrival == Arrival::Repeat {
            return None;
        }
        let outage = mem::replace(&mut self.outage, Outage { since: SystemTime::now(), began: None, attempts: 0 });
        if arrival == Arrival::Next {
            return Some(event);
        }
        self.held = Some(event);
        Some(self.gap(&outage))
    }

    async fn deliver(&mut self, event: TaskEvent) -> Result<TaskEvent, Error> {
        let event = if self.is_end(&event) { Box::pin(self.end_with(event)).await? } else { event };
        if let Some(id) = &event.event_id {
            self.delivered_id = Some(id.as_str().into());
        }
        Ok(event)
    }

    /// Whether this is the followed task's own end, and not one of another task on the same stream.
    fn is_end(&self, event: &TaskEvent) -> bool {
        let task_id = event.task_id.as_deref().or(match &event.data {
            Some(Data::Task(task)) if !task.id.is_empty() => Some(&task.id),
            _ => None,
        });
        event.r#type() == EventType::TaskFinished && task_id.is_none_or(|id| id == self.task_id)
    }

    /// The last event, with the whole task: a trimmed snapshot is replaced by a read.
    async fn end_with(&mut self, mut event: TaskEvent) -> Result<TaskEvent, Error> {
        if !matches!(&event.data, Some(Data::Task(task)) if is_whole(task)) {
            let task = self.platform.task(&self.context, &self.task_id).await;
            let task =
                task.map_err(|error| self.broken(if may_pass(&error) { Kind::Interrupted } else { error.into() }))?;
            event.data = Some(Data::Task(translate::task(task)));
        }
        self.state = State::Done;
        Ok(event)
    }

    /// What there is to tell of a task that was over before its stream said so.
    fn take_end(&mut self) -> Option<TaskEvent> {
        match mem::replace(&mut self.state, State::Done) {
            State::Over { task, after_gap: true } => {
                self.state = State::Over { task, after_gap: false };
                Some(self.gap(&self.outage))
            }
            State::Over { task, after_gap: false } => {
                let task = translate::task(task);
                Some(TaskEvent {
                    organization_id: Some(task.organization_id.clone()),
                    data: Some(Data::Task(task)),
                    ..own_event(EventType::TaskFinished, "task_finished", &self.task_id)
                })
            }
            State::Live(_) | State::Tail(..) | State::Done => None,
        }
    }

    fn skip(&mut self, count: u64) {
        self.skipped += count;
        self.context.record.skipped(count);
    }

    fn gap(&self, outage: &Outage) -> TaskEvent {
        self.context.record.gap();
        let gap = StreamGap {
            since: Some(outage.since.into()),
            attempts: outage.attempts.try_into().unwrap_or(i32::MAX),
            resumed_by_id: self.delivered_id.is_some(),
        };
        TaskEvent { data: Some(Data::Gap(gap)), ..own_event(EventType::StreamGap, "stream_gap", &self.task_id) }
    }

    fn broken(&self, kind: Kind) -> Error {
        Error { last_event_id: self.delivered_id.clone(), ..Error::new(kind).of_task(&self.task_id) }
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

/// A task that exists but whose stream does not: trying again may help, and "not found" would name the wrong thing.
fn cannot_open(error: platform::Error) -> Error {
    match error {
        platform::Error::Refused(refusal) if refusal.status == 404 => Error::new(Kind::Interrupted),
        error => error.into(),
    }
}
