//! A request's body that must arrive in time, so that a caller that sends byte by byte holds nothing for long.
//!
//! Not the call's deadline: that one is the caller's own, and may be far away.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::status::{note, status};
use crate::{
    calls::{Error, Kind},
    telemetry::Record,
};

/// A body with its time limit.
pub struct Receive {
    body: Incoming,
    record: Arc<Record>,
    limit: Duration,
    /// Set when the body is waited for the first time: most have arrived by then.
    time: Option<Pin<Box<Sleep>>>,
    creates: bool,
}

impl Receive {
    /// A body that has to be complete within `limit`.
    pub fn new(body: Incoming, record: Arc<Record>, limit: Duration, creates: bool) -> Self {
        Self { body, record, limit, time: None, creates }
    }

    fn too_slow(&self) -> Status {
        let error = Error::new(Kind::Dawdling);
        note(&self.record, &error.kind);
        status(&if self.creates { error.or_not_created() } else { error })
    }
}

impl http_body::Body for Receive {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                self.record.received(frame.data_ref().map_or(0, |data| data.len() as u64));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(Box::new(error)))));
        }
        let limit = self.limit;
        let time = self.time.get_or_insert_with(|| Box::pin(sleep(limit)));
        if time.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(self.too_slow())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
