//! Follows one task over the platform's event stream to its end.

use std::time::SystemTime;

use http::HeaderValue;
use tracing::warn;

use super::{Error, Kind};
use crate::{
    platform::{self, Client, Context, EventStream, wire},
    proto::{EventType, Task, TaskEvent, task_event::Data},
    translate,
};

/// A task being followed.
pub(super) struct Follow {
    platform: Client,
    context: Context,
    task_id: String,
    forward_access_tokens: bool,
    state: State,
    last_event_id: Option<String>,
    skipped: u64,
}

enum State {
    /// Events come from the platform's stream.
    Live(Box<EventStream>),
    /// The task is over; this is all there is to tell.
    Over(Box<wire::Task>),
    /// The last event was delivered.
    Done,
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
    ) -> Result<Self, Error> {
        let stream = platform.events(context, task_id, last_event_id).await;
        let task = platform.task(context, task_id).await.map_err(|error| Error::from(error).of_task(task_id))?;
        if !just_created && task.events_streaming != Some(true) {
            return Err(Error::new(Kind::NotStreaming).of_task(task_id));
        }
        let state = if task.is_terminal() {
            State::Over(Box::new(task))
        } else {
            State::Live(Box::new(stream.map_err(|error| cannot_open(error).of_task(task_id))?))
        };
        Ok(Self {
            platform: platform.clone(),
            context: context.clone(),
            task_id: task_id.to_owned(),
            forward_access_tokens: false,
            state,
            last_event_id: last_event_id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned()),
            skipped: 0,
        })
    }

    /// Lets access tokens inside auth events through, where the settings say so.
    pub(super) fn forwarding_access_tokens(mut self, forward: bool) -> Self {
        self.forward_access_tokens = forward;
        self
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
        loop {
            let frame = match &mut self.state {
                State::Done => return Ok(None),
                State::Over(_) => return Ok(self.take_end()),
                State::Live(stream) => {
                    let frame = stream.next().await;
                    self.skipped += stream.take_dropped();
                    frame
                }
            };
            match frame {
                Ok(Some(frame)) => match translate::event(frame.id, &frame.data, self.forward_access_tokens) {
                    Ok(event) if self.is_end(&event) => return self.end_with(event).await.map(Some),
                    Ok(event) => {
                        self.delivered(&event);
                        return Ok(Some(event));
                    }
                    Err(translate::NotAnEvent) => self.skipped += 1,
                },
                // An end without task_finished is no different from a break.
                Ok(None) => self.interrupted(None).await?,
                Err(error) => self.interrupted(Some(error)).await?,
            }
        }
    }

    /// After the stream broke off: the task itself says whether it is over. Here a new stream is to be opened for one
    /// that is not.
    async fn interrupted(&mut self, why: Option<platform::Error>) -> Result<(), Error> {
        let task = self.read().await?;
        if task.is_terminal() {
            self.state = State::Over(Box::new(task));
            return Ok(());
        }
        warn!(task_id = self.task_id, cause = ?why, "the platform's event stream ended early");
        Err(self.broken())
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
            let task = self.read().await?;
            event.data = Some(Data::Task(translate::task(task)));
        }
        self.state = State::Done;
        Ok(event)
    }

    /// The end of a task that was over before its stream said so.
    fn take_end(&mut self) -> Option<TaskEvent> {
        let State::Over(task) = std::mem::replace(&mut self.state, State::Done) else {
            return None;
        };
        let task = translate::task(*task);
        Some(TaskEvent {
            organization_id: Some(task.organization_id.clone()),
            data: Some(Data::Task(task)),
            ..own_event(EventType::TaskFinished, "task_finished", &self.task_id)
        })
    }

    async fn read(&self) -> Result<wire::Task, Error> {
        let task = self.platform.task(&self.context, &self.task_id).await;
        task.map_err(|error| match error {
            platform::Error::Deadline => Error { kind: Kind::Deadline, ..self.broken() },
            error if error.is_transient() => self.broken(),
            error => Error { kind: Kind::Platform(error), ..self.broken() },
        })
    }

    fn delivered(&mut self, event: &TaskEvent) {
        if event.event_id.is_some() {
            self.last_event_id.clone_from(&event.event_id);
        }
    }

    fn broken(&self) -> Error {
        Error {
            last_event_id: self.last_event_id.as_deref().map(Into::into),
            ..Error::new(Kind::Interrupted).of_task(&self.task_id)
        }
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
    let is_marked = task.other.as_ref().is_some_and(|other| other.fields().contains_key("_result_truncated"));
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
