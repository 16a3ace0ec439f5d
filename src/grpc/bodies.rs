//! The bodies of a call, watched on their way: a request's must arrive in time, a response's end is the call's.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status, body::Body};

use super::{
    limits::Hold,
    status::{code_name, refuse_at_the_door},
};
use crate::{
    calls::{Error, Kind},
    telemetry::{Call, MethodKind, Record},
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

/// A response's body. What a stream holds is given back with its last word, or when it is reset; what a unary call holds
/// with its answer, or a caller that opens no window could keep all shares there are.
pub struct Sent {
    body: Body,
    call: Call,
    hold: Arc<Hold>,
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

impl Sent {
    /// Holds these as long as the body is sent, or as long as they are needed.
    pub fn new(body: Body, mut call: Call, hold: Arc<Hold>, head: &HeaderMap) -> Self {
        if let Some(code) = code(head) {
            call.answered(code_name(code));
        }
        if body.is_end_stream() || call.record().method().kind == MethodKind::Unary {
            hold.release();
        }
        Self { body, call, hold }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.call.record().sent(size(frame));
                // Trailers are the last thing that is sent.
                if let Some(trailers) = frame.trailers_ref() {
                    if let Some(code) = code(trailers) {
                        self.call.answered(code_name(code));
                    }
                    self.hold.release();
                }
            }
            Poll::Ready(_) => self.hold.release(),
            Poll::Pending => {}
        }
        frame
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

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
