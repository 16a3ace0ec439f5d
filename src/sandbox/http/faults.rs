//! Things that go wrong: armed per route and used once each, or chosen for request after request.
//!
//! It covers what a platform or its gateway does to an honest client; byte-level malice (split frames, lying lengths)
//! is for a raw TCP harness.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use super::{
    reply::{self, Answer},
    route::Route,
};
use crate::sandbox::lock::locked;

/// Something that goes wrong with one request.
///
/// Only [`Answer`](Self::Answer) takes the request's place. With the others the request is carried out, so that a task
/// whose creation goes wrong this way exists: the worst case for a client.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers this instead of carrying the request out. Status 200 with text or HTML is an answer that is not JSON.
    Answer {
        /// The status; 500 where the number is no status.
        status: u16,
        /// The body.
        body: FaultBody,
        /// The `retry-after` header: seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// Carries the request out and answers this all the same, as a gateway does that has lost its patience.
    Deny {
        /// The status; 500 where the number is no status.
        status: u16,
        /// The body.
        body: FaultBody,
    },
    /// Carries the request out and closes the connection without a byte of an answer.
    CloseBeforeAnswer,
    /// Sends the head and half of the body (of an event stream: its `connected` event), then closes the connection.
    CloseInBody,
    /// Carries the request out and answers this much later.
    Delay(Duration),
    /// Event streams: ends the stream properly after this many events, `connected` not counted.
    EndAfter(usize),
    /// Event streams: sends `connected` and then nothing, not even pings, until the client leaves.
    Silent,
    /// Event streams: sends these bytes instead of events, and ends.
    Raw(Bytes),
    /// Event streams: begins and ends otherwise than asked.
    Course(Begin, End),
}

/// Where an event stream begins. A request without `Last-Event-ID` gets all events of the turn in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// After `Last-Event-ID`.
    AsAsked,
    /// With the turn's first event, whatever was asked: a replay.
    First,
    /// So many events before those that were asked for.
    Early(u64),
    /// With what happens from now on, whatever was asked: what happened meanwhile is missing.
    Present,
}

/// How an event stream ends, unless the task is over before. The events do not include `connected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the turn.
    AsAsked,
    /// Properly, after so many events.
    Clean(usize),
    /// With the connection, after so many events and half of another one, where there is one.
    Torn(usize),
    /// Not at all, but after so many events it sends nothing more, not even pings, until the client leaves.
    Silent(usize),
}

/// The body of a [`Fault::Answer`].
#[derive(Debug, Clone)]
pub enum FaultBody {
    /// `application/json`.
    Json(Value),
    /// `text/plain`.
    Text(String),
    /// `text/html`, as gateways in between write it.
    Html(String),
}

/// The request is done, and its connection is to be closed without an answer.
#[derive(Debug)]
pub struct HangUp;

/// The faults still to be used, and where more come from.
#[derive(Default)]
pub struct Faults {
    armed: Mutex<HashMap<Route, VecDeque<Fault>>>,
    choice: Mutex<Option<Choice>>,
}

/// Chooses what a request of this route meets.
type Choice = Box<dyn FnMut(Route) -> Option<Fault> + Send>;

impl Faults {
    /// Adds a fault for a future request of this route.
    pub fn arm(&self, route: Route, fault: Fault) {
        locked(&self.armed).entry(route).or_default().push_back(fault);
    }

    /// From now on requests for which nothing is armed meet what `choose` says.
    pub fn choose(&self, choose: impl FnMut(Route) -> Option<Fault> + Send + 'static) {
        *locked(&self.choice) = Some(Box::new(choose));
    }

    /// The fault this request of the route meets, if any; it is used up by that.
    pub fn take(&self, route: Route) -> Option<Fault> {
        let armed = locked(&self.armed).get_mut(&route).and_then(VecDeque::pop_front);
        armed.or_else(|| locked(&self.choice).as_mut()?(route))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("armed", &self.armed).finish_non_exhaustive()
    }
}

impl Fault {
    /// The answer that takes the request's place, if this fault is one.
    pub fn instead(&self) -> Option<Answer> {
        let Self::Answer { status, body, retry_after } = self else {
            return None;
        };
        let mut answer = body.as_answer(*status);
        if let Some(when) = retry_after {
            reply::set(&mut answer, RETRY_AFTER, when);
        }
        Some(answer)
    }

    /// Spoils the delivery of a good answer. Faults of event streams pass: those are made where events are sent.
    ///
    /// # Errors
    /// When there is to be no answer at all.
    pub async fn spoil(self, answer: Answer) -> Result<Answer, HangUp> {
        match self {
            Self::Deny { status, body } => Ok(body.as_answer(status)),
            Self::CloseBeforeAnswer => Err(HangUp),
            Self::CloseInBody if !is_stream(&answer) => Ok(cut_in_half(answer).await),
            Self::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }
}

impl FaultBody {
    fn as_answer(&self, status: u16) -> Answer {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self {
            Self::Json(value) => reply::json(status, value),
            Self::Text(text) => reply::with_body(status, "text/plain; charset=utf-8", text.clone()),
            Self::Html(html) => reply::with_body(status, "text/html; charset=utf-8", html.clone()),
        }
    }
}

fn is_stream(answer: &Answer) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

async fn cut_in_half(answer: Answer) -> Answer {
    let (parts, body) = answer.into_parts();
    // The sandbox's own answers are in memory already, so that this neither waits nor fails.
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Answer::from_parts(parts, broken_after(whole.slice(..whole.len() / 2)))
}

/// A body that breaks off after these bytes, with the connection.
pub fn broken_after(bytes: Bytes) -> Body {
    Body::from_stream(async_stream::stream! {
        yield Ok(bytes);
        // Without a pause the server would drop what it has buffered when it meets the error.
        tokio::task::yield_now().await;
        yield Err(io::Error::from(io::ErrorKind::ConnectionReset));
    })
}
