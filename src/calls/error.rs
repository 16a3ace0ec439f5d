//! A failed call, sorted by who must act; `grpc::status` turns it into a status.

use std::time::Duration;

use crate::{
    claims::Why,
    platform,
    telemetry::{Record, Shed},
    translate::{self, Violation},
};

/// A failed call and what is known of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// What went wrong.
    pub kind: Kind,
    /// The task it concerns, where known.
    pub task_id: Option<Box<str>>,
    /// The agent it concerns, where known.
    pub agent_id: Option<Box<str>>,
    /// Whether a task may have been created, for a call that creates one.
    pub outcome: Option<Outcome>,
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Kind {
    /// The request's content-type is not gRPC's: it is anything that a web page may send.
    #[error("the content-type must be application/grpc, or that with + or ; behind it")]
    NotGrpc,
    /// The request is none to be acted on: HTTP's other methods are sent again, or ahead, by whoever stands in between.
    #[error("a gRPC call is a POST")]
    NotPost,
    /// The call's metadata is larger than the proxy takes.
    #[error("the call's metadata is too large (server.max_metadata_bytes)")]
    HeadTooLarge,
    /// The caller's request is not as it must be.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// The task was created without `events_streaming`.
    #[error("the task was created without events_streaming and has no event stream")]
    NotStreaming,
    /// The caller has not proved who it is; the words say what is missing or wrong.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller is known, and may not call.
    #[error("this caller may not call this service")]
    CallerForbidden,
    /// The caller may not invoke this agent.
    #[error("this caller may not invoke this agent")]
    AgentForbidden,
    /// The task is of an agent that the caller may not invoke, or is not there.
    #[error("there is no such task, or it is of an agent that this caller may not invoke")]
    TaskForbidden,
    /// The caller may not see what others did; the words say which setting lets it.
    #[error("this caller may not list tasks: {0}")]
    ListsForbidden(&'static str),
    /// The proxy has as much to do as it may, of this.
    #[error("the proxy is at its limit: {}; come back a moment later", .0.setting())]
    Overloaded(Shed),
    /// The caller has as much as it may, of this; there may be more for it after this time, where that is known.
    #[error("this caller is at its limit: {}; come back when it says so", .0.setting())]
    Limited(Shed, Option<Duration>),
    /// The request's message did not arrive within `server.receive_timeout`.
    #[error("the request's message took too long to arrive (server.receive_timeout)")]
    Dawdling,
    /// The platform's event stream ended early and cannot be followed further.
    #[error("the platform's event stream was interrupted; follow the task again after the last event")]
    Interrupted,
    /// The proxy shuts down and has no more time for the call.
    #[error("the proxy is shutting down; call again, a stream after its last event")]
    Draining,
    /// The caller's connection is old and has no more time for the stream.
    #[error("the connection has reached its age; follow the task again after the last event")]
    Aged,
    /// The answer waited for its caller, who read nothing, while others needed the room.
    #[error("the answer was not read, and others need the room (server.max_buffered_bytes)")]
    Unread,
    /// The response is larger than the proxy sends.
    #[error("the response has {size} bytes; the limit is {limit} (server.max_response_bytes)")]
    TooLarge {
        /// The response's size in bytes.
        size: usize,
        /// The most that is sent.
        limit: usize,
    },
    /// The caller's deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// An earlier create with this request id may have made a task.
    #[error("an earlier call with this request_id may have created a task, or may still: {0}")]
    Earlier(Why),
    /// No more request ids can be remembered, for this long.
    #[error("the proxy remembers as many idempotency keys as it may (deduplication.memory_bytes); come back later")]
    Full(Duration),
    /// The store that all replicas share is away, so that nobody knows whether the create is another one's already.
    #[error(
        "idempotency keys cannot be compared with those of other replicas at the moment (deduplication.store); nothing was created"
    )]
    StoreAway,
    /// The exchange with the platform failed.
    #[error(transparent)]
    Platform(platform::Error),
    /// A bug of ours.
    #[error("internal error")]
    Internal,
}

/// Whether a call that failed may have created a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not.
    NotCreated,
    /// The task is there: an earlier call with the same idempotency key has made it, and this one could not read it; or its
    /// caller cannot be shown it.
    Created,
    /// It cannot be known.
    Unknown,
}

impl Error {
    /// An error with nothing more known about it.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, task_id: None, agent_id: None, outcome: None }
    }

    /// A request that is wrong in one field.
    #[must_use]
    pub fn invalid(field: &str, description: impl Into<String>) -> Self {
        let violation = Violation { field: field.to_owned(), description: description.into() };
        Self::new(Kind::Invalid(vec![violation]))
    }

    /// Adds the task it concerns.
    #[must_use]
    pub fn of_task(mut self, task_id: &str) -> Self {
        self.task_id = Some(task_id.into());
        self
    }

    /// Adds the agent it concerns.
    #[must_use]
    pub fn of_agent(mut self, agent_id: &str) -> Self {
        self.agent_id = Some(agent_id.into());
        self
    }

    /// Puts the violations of an invocation under the field that holds it.
    #[must_use]
    pub fn in_invocation(mut self) -> Self {
        let fields: Vec<&mut String> = match &mut self.kind {
            Kind::Invalid(violations) => violations.iter_mut().map(|violation| &mut violation.field).collect(),
            Kind::Platform(platform::Error::Refused(refusal)) => {
                refusal.violations.iter_mut().map(|violation| &mut violation.field).collect()
            }
            _ => Vec::new(),
        };
        for field in fields {
            field.insert_str(0, "invocation.");
        }
        self
    }

    /// Names the fields that the platform complains of as the request does.
    #[must_use]
    pub fn in_our_names(mut self) -> Self {
        if let Kind::Platform(platform::Error::Refused(refusal)) = &mut self.kind {
            for violation in &mut refusal.violations {
                violation.field = translate::request_field(&violation.field);
            }
        }
        self
    }

    /// Says what is known of the task that a create has, or may have, made.
    #[must_use]
    pub fn outcome(self, outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// Says whether the call may have created a task. Asked when nothing works on the call any more: a caller that leaves
    /// calls back what is not on its way.
    #[must_use]
    pub fn of_create(mut self, record: &Record) -> Self {
        let seen = || match record.task_id() {
            _ if !record.may_have_created() => Outcome::NotCreated,
            // A create's own: known, though its caller was not shown it.
            Some(_) => Outcome::Created,
            None => Outcome::Unknown,
        };
        self.outcome = Some(self.outcome.unwrap_or_else(seen));
        self
    }

    /// Whether a create that was on its way and failed so may have made a task all the same.
    pub(super) fn may_have_created(&self) -> bool {
        match &self.kind {
            Kind::Platform(error) => error.may_have_created(),
            _ => false,
        }
    }

    /// What it is, for the log: without the platform's own words, which may repeat what a caller asked.
    pub(super) fn summary(&self) -> String {
        match &self.kind {
            Kind::Platform(error) => error.summary(),
            kind => kind.to_string(),
        }
    }
}

impl From<platform::Error> for Kind {
    fn from(error: platform::Error) -> Self {
        match error {
            platform::Error::Deadline => Self::Deadline,
            error => Self::Platform(error),
        }
    }
}

impl From<platform::Error> for Error {
    fn from(error: platform::Error) -> Self {
        Self::new(error.into())
    }
}

impl From<Vec<Violation>> for Error {
    fn from(violations: Vec<Violation>) -> Self {
        Self::new(Kind::Invalid(violations))
    }
}
