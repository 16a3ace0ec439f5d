//! What happens when the platform's stream breaks off: the task is read, and unless it is over the stream is reopened.

use std::{mem, time::Duration};

use http::HeaderValue;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::state::{Follow, State};
use crate::{
    calls::{Error, Kind},
    platform::{self, EventStream, pause, wire},
};

/// How long the stream of a task that is over may bring no event, and for how long it is waited for in all: there is
/// nothing to wait for, however often the platform says that it is alive.
const TAIL_SILENCE: Duration = Duration::from_secs(2);
const LONGEST_TAIL: Duration = Duration::from_secs(10);
/// How long a connection has to show life, events or comments, to renew the budget.
const LIFE: Duration = Duration::from_secs(2);
/// The longest wait before a reconnection that the platform's `retry:` may ask for.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// No stream, after there was one.
const CLOSED: State = State::Closed { just_created: false };

impl Follow {
    /// After a stream broke off: the task itself says whether it is over; for one that is not a new stream is wanted.
    pub(super) async fn interrupted(&mut self, why: Option<platform::Error>) -> Result<(), Error> {
        let stream = match mem::replace(&mut self.state, CLOSED) {
            State::Live(stream) => stream,
            // Without a task_finished it was not the end, and something may be missing before the one that is made up.
            State::Tail(_, task) => {
                self.state = State::Over { task, after_gap: true };
                return Ok(());
            }
            state => {
                self.state = state;
                return Ok(());
            }
        };
        // The budget is for the time without a stream, one after the other that has brought nothing.
        let (age, has_lived) = (stream.age(), stream.lived() >= LIFE);
        let began = self.outage.began.filter(|_| !has_lived && age < self.manner.idle_timeout);
        self.outage.began = began.map(|began| began + age);
        self.wish = stream.retry().map_or(self.wish, |wish| wish.min(LONGEST_RETRY));
        drop(stream);
        let (error, cause) =
            (why.as_ref().map(platform::Error::summary), why.as_ref().and_then(platform::Error::cause));
        info!(task_id = self.task_id, error, cause, "the platform's event stream ended early");
        match self.read_over().await? {
            // Its end was on the stream, only the task did not know of it yet.
            Some(task) if self.is_end_told() => self.state = State::Over { task, after_gap: false },
            Some(task) => self.read_tail(task).await?,
            None => {}
        }
        Ok(())
    }

    /// Opens a stream where there is none, again and again within the budget.
    pub(super) async fn reopen(&mut self) -> Result<(), Error> {
        while let State::Closed { just_created } = self.state {
            self.wait().await?;
            self.reconnect(just_created).await?;
        }
        Ok(())
    }

    /// One attempt to go on.
    async fn reconnect(&mut self, just_created: bool) -> Result<(), Error> {
        let stream = match self.open_again(just_created).await {
            Ok(stream) => Some(stream),
            Err(error) if may_pass(&error) || error.http_status() == Some(404) => {
                // The next attempt leaves the platform alone for as long as it wants to be.
                self.pause = error.retry_after().unwrap_or_default().min(LONGEST_RETRY);
                None
            }
            Err(error) => return Err(self.broken(error.into())),
        };
        // As at the beginning: the stream first, then the task.
        let over = match self.read_over().await {
            Err(error) if just_created && stream.is_none() && is_not_found(&error) => None,
            over => over?,
        };
        let after_gap = !self.is_end_told();
        self.state = match (stream, over) {
            (Some(stream), Some(task)) => State::Tail(tail(stream), task),
            (Some(stream), None) => State::Live(Box::new(stream)),
            (None, Some(task)) => State::Over { task, after_gap },
            (None, None) => State::Closed { just_created },
        };
        Ok(())
    }

    /// Reads the stream of a task that is over once more, where the platform can be told after which event.
    async fn read_tail(&mut self, task: Box<wire::Task>) -> Result<(), Error> {
        let over = |task| State::Over { task, after_gap: true };
        self.state = match self.history.last_id() {
            None => over(task),
            Some(_) => match self.open_again(false).await {
                Ok(stream) => State::Tail(tail(stream), task),
                Err(platform::Error::Deadline) => return Err(self.broken(Kind::Deadline)),
                Err(_) => over(task),
            },
        };
        Ok(())
    }

    /// Opens the stream after the last event, with the key that is in force by now.
    async fn open_again(&mut self, is_first: bool) -> Result<EventStream, platform::Error> {
        self.outage.attempts += 1;
        self.context.record.reconnecting();
        self.context.credentials = self.context.credentials.in_force();
        let last_id = self.history.last_id().and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok());
        self.outage.by_id = last_id.is_some();
        let stream = self.platform.events_once(&self.context, &self.task_id, last_id.as_ref()).await?;
        if !is_first {
            self.history.reconnected();
        }
        Ok(stream)
    }

    /// Waits before a reconnection, at least as long as the platform wishes and a random while more.
    async fn wait(&mut self) -> Result<(), Error> {
        let pause = self.wish.max(mem::take(&mut self.pause)) + pause(self.outage.attempts);
        let began = *self.outage.began.get_or_insert_with(Instant::now);
        // Whatever the platform wishes, one attempt is made.
        if self.outage.attempts > 0 && began.elapsed() + pause > self.manner.reconnect_budget {
            warn!(task_id = self.task_id, attempts = self.outage.attempts, "the event stream is given up");
            return Err(self.broken(Kind::Interrupted));
        }
        sleep(pause).await;
        Ok(())
    }

    /// The task, if it is over; None also where it cannot be read for the moment.
    pub(super) async fn read_over(&mut self) -> Result<Option<Box<wire::Task>>, Error> {
        match self.read().await {
            Ok(task) => Ok((task.is_terminal() || self.doubt.is_some() && self.run.is_over(&task)).then_some(task)),
            Err(error) if may_pass(&error) => Ok(None),
            Err(error) => Err(self.broken(error.into())),
        }
    }

    /// The task as it is now, by the key that is in force by now.
    pub(super) async fn read(&mut self) -> Result<Box<wire::Task>, platform::Error> {
        self.context.credentials = self.context.credentials.in_force();
        self.platform.task(&self.context, &self.task_id).await
    }
}

/// Whether a failure says nothing for good: neither that the caller has no more time, nor that the platform refuses.
pub(super) fn may_pass(error: &platform::Error) -> bool {
    match error {
        platform::Error::Deadline => false,
        platform::Error::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500..),
        _ => true,
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(&error.kind, Kind::Platform(error) if error.http_status() == Some(404))
}

/// The stream of a task that is over.
pub(super) fn tail(mut stream: EventStream) -> Box<EventStream> {
    stream.expect_no_more(TAIL_SILENCE, LONGEST_TAIL);
    Box::new(stream)
}
