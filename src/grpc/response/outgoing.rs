//! What a call has still to send: where it comes from, and what of it is encoded already.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body};

use super::frames::{Encoding, Messages};
use crate::memory;

/// What a call has still to send.
#[derive(Default)]
pub struct Outgoing {
    source: Source,
    /// What has been encoded and not been handed out.
    pub rest: Bytes,
    /// How large a unary answer's message is, in bytes.
    pub size: usize,
}

#[derive(Default)]
enum Source {
    /// There is nothing more.
    #[default]
    Nothing,
    /// A unary answer, or what is no call of the API.
    Body(Body),
    Messages(Box<dyn Messages>, Option<Encoding>),
}

impl Outgoing {
    /// Sends these, in place of the body that comes with the head.
    pub fn stream(&mut self, messages: impl Messages + 'static) {
        self.source = Source::Messages(Box::new(messages), None);
    }

    /// Sends this body, in the encoding that its head names; with a head that says all, nothing.
    pub fn begin(&mut self, head: &HeaderMap, body: Body) {
        match &mut self.source {
            Source::Messages(_, encoding) if !body.is_end_stream() => *encoding = Encoding::of(head),
            source => *source = Source::Body(body),
        }
    }

    /// Drops what has not been handed out; whether there was something.
    pub fn give_up(&mut self) -> bool {
        !std::mem::take(self).rest.is_empty()
    }

    /// The next that it brings; what fails is a status.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.source {
            Source::Nothing => Poll::Ready(None),
            // Encoded and compressed in there.
            Source::Body(body) => memory::aside(self.size, || Pin::new(body).poll_frame(cx)),
            Source::Messages(messages, encoding) => match ready!(messages.poll(cx, *encoding)) {
                Ok(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(status) => Poll::Ready(Some(Ok(Frame::trailers(trailers(&status))))),
            },
        }
    }
}

/// A status as trailers.
pub fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // It fails for a message that no header can hold; what is there by then says the code.
    let _ = status.add_header(&mut trailers);
    trailers
}
