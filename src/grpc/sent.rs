//! An answer on its way out: in pieces, so that what its caller does not take stays here, where it is counted and can be
//! given up.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Code, Status, body::Body};

use super::{
    guard::{Guard, catch},
    response::{
        outgoing::{Outgoing, trailers},
        status::code_name,
    },
};
use crate::telemetry::Call;

/// The largest piece that is handed out at once, in bytes: as large as a frame.
const PIECE: usize = 16 << 10;

/// An answer's body. It is over with its trailers, or when its caller leaves.
pub struct Sent {
    guard: Arc<Guard>,
    call: Call,
    is_over: bool,
}

impl Sent {
    /// The body behind this head.
    pub fn new(guard: Arc<Guard>, mut call: Call, head: &HeaderMap, body: Body) -> Self {
        if let Some(code) = code(head) {
            call.answered(code_name(code));
        }
        let is_over = body.is_end_stream();
        guard.answer().begin(head, body);
        if is_over {
            guard.release();
        } else if call.record().method().is_unary() {
            guard.finished();
        }
        Self { guard, call, is_over }
    }

    /// The next frame of what there is to send, or the status of what ended it.
    fn poll_source(&mut self, cx: &mut Context<'_>, answer: &mut Outgoing) -> Poll<Option<Frame<Bytes>>> {
        if let Some(status) = self.guard.ended() {
            return Poll::Ready(Some(Frame::trailers(trailers(&status))));
        }
        let Some(polled) = catch(|| answer.poll(cx)) else {
            answer.give_up(self.call.record());
            return Poll::Ready(Some(Frame::trailers(trailers(&self.guard.panicked()))));
        };
        let frame = ready!(polled).map(|frame| frame.unwrap_or_else(|status| Frame::trailers(trailers(&status))));
        Poll::Ready(frame)
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        if let Some(code) = trailers.and_then(code) {
            self.call.answered(code_name(code));
        }
        self.is_over = true;
        self.guard.account.set(0);
        self.guard.release();
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let guard = Arc::clone(&self.guard);
        // Whoever asks for more has taken what there was.
        guard.account.taken();
        let mut answer = guard.answer();
        let is_more = !answer.rest.is_empty();
        if !is_more {
            let frame = match self.poll_source(cx, &mut answer) {
                Poll::Pending => {
                    guard.account.set(0);
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => answer.rest = data,
                Some(Err(trailers)) => {
                    drop(answer);
                    self.end(trailers.trailers_ref());
                    return Poll::Ready(Some(Ok(trailers)));
                }
                None => {
                    drop(answer);
                    self.end(None);
                    return Poll::Ready(None);
                }
            }
            self.call.record().sent(answer.rest.len() as u64);
        }
        if is_more {
            // A download that goes on is not idle.
            guard.connection.traffic.moved();
        }
        guard.account.offer(answer.rest.len());
        let piece = answer.hand_out(PIECE, self.call.record());
        if answer.rest.is_empty() && self.call.record().method().is_unary() {
            guard.release();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
