//! What can go wrong between the proxy and the platform, by what it proves about the request.

pub mod refusal;
pub mod retry_after;

use std::{error::Error as _, iter, time::Duration};

use self::refusal::Refusal;

/// A failed exchange with the platform.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No connection could be made.
    #[error("the platform cannot be reached")]
    Connect(Cause),
    /// HTTP/2 proves that the request was not processed.
    #[error("the platform cannot be reached")]
    Unprocessed(Cause),
    /// The connection was lost after the request was sent, or while it was.
    #[error("the connection to the platform was lost")]
    Lost(Cause),
    /// The platform did not answer within the proxy's own time limit.
    #[error("the platform did not answer within {0:?}")]
    Timeout(Duration),
    /// The caller's deadline passed.
    #[error("the deadline passed before the platform answered")]
    Deadline,
    /// Nothing was sent: the platform wants to be left alone, or fails too often.
    #[error("the platform wants to be left alone, so that nothing was sent to it; come back when it says so")]
    Braked {
        /// The HTTP status by which it has asked for that, if it has.
        status: Option<u16>,
        /// How long it is to be left alone.
        left: Duration,
    },
    /// The platform refused, with an HTTP status.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The platform's answer is not the JSON that was expected.
    #[error("the platform's answer to {what} cannot be read: {why}")]
    Unreadable {
        /// What was asked, e.g. "read a task".
        what: &'static str,
        /// What is wrong with the answer; never a part of it.
        why: String,
        /// The answer's HTTP status.
        status: u16,
    },
    /// The platform's answer was there, and no room for it among all answers.
    #[error(
        "there is no room for the platform's answer: server.max_buffered_bytes are taken; come back a moment later"
    )]
    NoRoom,
}

/// Why a connection failed: for the log, not for callers, since it may name addresses.
#[derive(Debug, Clone)]
pub struct Cause(pub String);

impl Error {
    /// A connection that was lost after the answer had begun, or after who knows what.
    pub(in crate::platform) fn lost(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let cause = sources(&error).fold(error.to_string(), |cause, source| format!("{cause}: {source}"));
        Self::Lost(Cause(cause))
    }

    /// The HTTP status of the platform's answer, when it answered.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Connect(_)
            | Self::Unprocessed(_)
            | Self::Lost(_)
            | Self::Timeout(_)
            | Self::Deadline
            | Self::NoRoom => None,
            Self::Braked { status, .. } => *status,
        }
    }

    /// Whether the platform answered, whatever became of it here.
    pub(in crate::platform) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreadable { .. } | Self::NoRoom)
    }

    /// The kind of failure, out of a closed set, for metrics and spans.
    pub(in crate::platform) fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Unprocessed(_) => "connect",
            Self::Lost(_) => "connection_lost",
            Self::Timeout(_) => "timeout",
            Self::Deadline => "deadline_exceeded",
            Self::Braked { .. } => "braked",
            Self::Refused(_) => "refused",
            Self::Unreadable { .. } => "unreadable",
            Self::NoRoom => "no_room",
        }
    }

    /// Why the connection failed, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Connect(Cause(cause)) | Self::Unprocessed(Cause(cause)) | Self::Lost(Cause(cause)) => Some(cause),
            _ => None,
        }
    }

    /// What it is, for the log: without the platform's own words, which may repeat what a caller asked.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Refused(refusal) => format!("the platform answered with HTTP status {}", refusal.status),
            error => error.to_string(),
        }
    }

    /// Whether a create that was on its way and failed so may have made a task all the same.
    #[must_use]
    pub fn may_have_created(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Unprocessed(_) | Self::Braked { .. } => false,
            Self::Lost(_) | Self::Timeout(_) | Self::Deadline | Self::Unreadable { .. } | Self::NoRoom => true,
            Self::Refused(refusal) => refusal.status >= 500 && !matches!(refusal.status, 501 | 503),
        }
    }

    /// Whether a request that failed so was not processed: no connection could be made, or HTTP/2 proves it.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Unprocessed(_))
    }

    /// The failure of a request of which nothing had been sent.
    pub(in crate::platform) fn before_sending(self) -> Self {
        match self {
            Self::Lost(cause) => Self::Connect(cause),
            error => error,
        }
    }

    /// Whether a read that failed so is worth sending again.
    #[must_use]
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Unprocessed(_) | Self::Lost(_) => true,
            Self::Refused(refusal) => matches!(refusal.status, 429 | 502..=504),
            Self::Timeout(_) | Self::Deadline | Self::Unreadable { .. } | Self::Braked { .. } | Self::NoRoom => false,
        }
    }

    /// How long the platform wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Braked { left, .. } => Some(*left),
            _ => None,
        }
    }

    /// Whether the same read may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Braked { .. } | Self::NoRoom => true,
            error => error.is_worth_repeating(),
        }
    }
}

/// What caused it, and what caused that, to the end.
pub(in crate::platform) fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    iter::successors(error.source(), |source: &&(dyn std::error::Error + 'static)| (*source).source())
}
