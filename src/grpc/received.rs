//! A request's body, watched on its way: it must arrive in time.

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

use super::status::refuse_at_the_door;
use crate::{
    calls::{Error, Kind},
    telemetry::Record,
};

/// A request's body, counted, and given up when it takes too long: a caller that sends byte by byte holds nothing for
/// long. Not the call's deadline: that one is the caller's own, and may be far away.
pub struct Received {
    body: Incoming,
    record: Arc<Record>,
    limit: Option<Duration>,
    /// Set when the body is waited for the first time: most have arrived by then.
    time: Option<Pin<Box<Sleep>>>,
}

impl Received {
    /// A body that has to be complete within `limit`, if there is one.
    pub fn new(body: Incoming, record: Arc<Record>, limit: Option<Duration>) -> Self {
        Self { body, record, limit, time: None }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(limit) = self.limit else { return false };
        self.time.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx).is_ready()
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame {
                    self.record.received(size(frame));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(Box::new(error)))))
            }
            Poll::Pending if self.is_late(cx) => {
                Poll::Ready(Some(Err(refuse_at_the_door(&self.record, Error::new(Kind::Dawdling)))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn size(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
