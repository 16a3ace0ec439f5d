//! Event streams: a turn's events as server-sent events, live or replayed.
//!
//! It makes no events, and it keeps none: each stream reads the turn's log at its client's pace.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::{
    faults::{self, Begin, End, Fault},
    reply::{self, Answer},
};
use crate::sandbox::tasks::turn::Turn;

/// How long a stream stays without a byte.
const PING_AFTER: Duration = Duration::from_secs(15);
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// How many events are taken out of a log at a time.
const BATCH: usize = 64;

/// Counts an open stream for as long as it lives.
#[derive(Debug)]
struct Open(watch::Sender<usize>);

impl Open {
    fn new(streams: &watch::Sender<usize>) -> Self {
        streams.send_modify(|open| *open += 1);
        Self(streams.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl Begin {
    /// The id to go on after, where a client names this one (0: none).
    fn instead_of(self, last_event_id: u64) -> u64 {
        match self {
            Self::AsAsked => last_event_id,
            Self::First => 0,
            Self::Early(events) => last_event_id.saturating_sub(events),
            Self::Present if last_event_id == 0 => 0,
            Self::Present => u64::MAX,
        }
    }
}

impl End {
    /// The most events to send.
    fn most(self) -> usize {
        match self {
            Self::AsAsked => usize::MAX,
            Self::Clean(events) | Self::Torn(events) | Self::Silent(events) => events,
        }
    }
}

/// An answer that follows the turn from after `last_event_id` on (0: from its first event) to its end.
pub fn follow(turn: Arc<Turn>, last_event_id: u64, fault: Option<&Fault>, streams: &watch::Sender<usize>) -> Answer {
    let open = Open::new(streams);
    let body = match fault {
        Some(Fault::Raw(bytes)) => counted(open, bytes.clone()),
        Some(Fault::Silent) => silent(open, turn.subject().connected()),
        Some(Fault::CloseInBody) => faults::broken_after(turn.subject().connected()),
        Some(Fault::EndAfter(events)) => live(open, turn, last_event_id, End::Clean(*events)),
        Some(Fault::Course(begin, end)) => {
            let last_event_id = begin.instead_of(last_event_id);
            live(open, turn, last_event_id, *end)
        }
        _ => live(open, turn, last_event_id, End::AsAsked),
    };
    let mut answer = reply::with_body(StatusCode::OK, "text/event-stream; charset=utf-8", body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// `connected`, then the turn's events, to this end.
fn live(open: Open, turn: Arc<Turn>, last_event_id: u64, end: End) -> Body {
    Body::from_stream(async_stream::stream! {
        let _open = open;
        let mut changes = turn.changes();
        let mut cursor = turn.cursor(last_event_id);
        let mut left = end.most();
        yield Ok::<_, io::Error>(turn.subject().connected());
        while left > 0 {
            // Before the log is read: a change after this line is then never missed.
            changes.borrow_and_update();
            let (events, done) = turn.events_after(cursor, BATCH.min(left));
            if done {
                return;
            }
            if events.is_empty() && timeout(PING_AFTER, changes.changed()).await.is_err() {
                yield Ok(PING);
            }
            for event in events {
                cursor += 1;
                left -= 1;
                yield Ok(event);
            }
        }
        match end {
            End::AsAsked | End::Clean(_) => {}
            End::Torn(_) => {
                let (next, _) = turn.events_after(cursor, 1);
                for event in next {
                    yield Ok(event.slice(..event.len() / 2));
                }
                // As in `broken_after`.
                yield_now().await;
                yield Err(io::ErrorKind::ConnectionReset.into());
            }
            End::Silent(_) => pending().await,
        }
    })
}

/// These bytes, and the end.
fn counted(open: Open, bytes: Bytes) -> Body {
    Body::from_stream(async_stream::stream! {
        let _open = open;
        yield Ok::<_, io::Error>(bytes);
    })
}

/// These bytes, and then nothing until the client leaves.
fn silent(open: Open, bytes: Bytes) -> Body {
    Body::from_stream(async_stream::stream! {
        let _open = open;
        yield Ok::<_, io::Error>(bytes);
        pending::<()>().await;
    })
}
