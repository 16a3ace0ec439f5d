//! How following begins: the stream first, then the task.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::{
    doubt::{Run, micros},
    resume::{may_pass, tail},
    state::{Follow, Manner, Outage, State},
};
use crate::{
    calls::{Error, Kind, history::History},
    platform::{self, Client, Context, EventStream, wire},
};

/// What is known of a task before it is followed.
#[derive(Clone, Copy)]
pub(in super::super) enum Beginning<'a> {
    /// It exists; its caller has seen this event, if any.
    After(Option<&'a HeaderValue>),
    /// The invocation that named it has read it.
    Named,
    /// It has just been created, for streaming.
    Created,
    /// It has just been set going again, for streaming.
    Continued,
}

impl Beginning<'_> {
    fn last_event_id(&self) -> Option<&HeaderValue> {
        if let Self::After(id) = self { *id } else { None }
    }

    /// Whether it is new to the platform too: its routes may need a moment.
    fn just_created(&self) -> bool {
        matches!(self, Self::Created | Self::Continued)
    }

    /// Whether what happened before is told where the task is over already.
    fn tells_the_past(&self) -> bool {
        !matches!(self, Self::After(None))
    }
}

impl Follow {
    /// Opens the stream, then reads the task: in this order, or an end between the two is missed.
    ///
    /// # Errors
    /// Everything that can fail before the first event, most of all a task that is unknown or, unless it was created for
    /// streaming just now, has no stream.
    pub(in super::super) async fn open(
        platform: &Client,
        context: &Context,
        task_id: &str,
        beginning: Beginning<'_>,
        manner: Manner,
    ) -> Result<Self, Error> {
        let last_event_id = beginning.last_event_id();
        let stream = platform.events(context, task_id, last_event_id).await;
        let task = platform.task(context, task_id).await;
        let run = task.as_ref().map_or_else(|_| Run::default(), |task| Run::of(task));
        let state = state(stream, task, beginning).map_err(|error| error.of_task(task_id))?;
        let last_id = last_event_id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        if let Some(id) = &last_id {
            context.record.delivered(id);
        }
        let now = SystemTime::now();
        Ok(Self {
            platform: platform.clone(),
            context: context.clone(),
            task_id: task_id.to_owned(),
            manner,
            state,
            outage: Outage { since: now, began: None, attempts: 0, by_id: last_id.is_some() },
            history: History::new(last_id, micros(now.into())),
            wish: Duration::ZERO,
            pause: Duration::ZERO,
            gap: None,
            held: None,
            run: run.after_another(matches!(beginning, Beginning::Continued)),
            doubt: None,
            skipped: 0,
        })
    }
}

fn state(
    stream: Result<EventStream, platform::Error>,
    task: Result<Box<wire::Task>, platform::Error>,
    beginning: Beginning<'_>,
) -> Result<State, Error> {
    let just_created = beginning.just_created();
    let is_worth_waiting =
        |error: &platform::Error| just_created && (may_pass(error) || error.http_status() == Some(404));
    let task = match task {
        Err(error) if is_worth_waiting(&error) => return Ok(State::Closed { just_created }),
        task => task?,
    };
    if !just_created && task.events_streaming != Some(true) {
        return Err(Error::new(Kind::NotStreaming));
    }
    Ok(match stream {
        Err(error) if !task.is_terminal() && is_worth_waiting(&error) => State::Closed { just_created },
        Err(error) if !task.is_terminal() => return Err(cannot_open(error)),
        Ok(stream) if !task.is_terminal() => State::Live(Box::new(stream)),
        // What happened in a task that ended this fast, or that its caller has left in the middle, is told.
        Ok(stream) if beginning.tells_the_past() => State::Tail(tail(stream), task),
        stream => State::Over { task, after_gap: stream.is_err() && beginning.tells_the_past() },
    })
}

/// A task that exists but whose stream does not: trying again may help, and "not found" would name the wrong thing.
fn cannot_open(error: platform::Error) -> Error {
    match error {
        platform::Error::Refused(refusal) if refusal.status == 404 => Error::new(Kind::Interrupted),
        error => error.into(),
    }
}
