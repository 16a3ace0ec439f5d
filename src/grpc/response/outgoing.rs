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
use crate::{memory, telemetry::Record};

/// What a call has still to send.
#[derive(Default)]
pub struct Outgoing {
    source: Source,
    /// What has been encoded and not been handed out.
    pub rest: Bytes,
    /// How much of what was encoded with it has been handed out, in bytes.
    handed: usize,
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

    /// The next piece to hand out, of at most this many bytes. With the last one, the record knows where the caller stands.
    pub fn hand_out(&mut self, most: usize, record: &Record) -> Bytes {
        let piece = self.rest.split_to(self.rest.len().min(most));
        self.handed += piece.len();
        if self.rest.is_empty() {
            self.stands(record);
            self.handed = 0;
        }
        piece
    }

    /// Drops what has not been handed out, but for the rest of a stream's message that has begun; whether there was
    /// something.
    pub fn give_up(&mut self, record: &Record) -> bool {
        let end = if self.rest.is_empty() { None } else { self.stands(record) };
        self.source = Source::Nothing;
        let left = self.rest.len();
        self.rest.truncate(end.map_or(0, |end| end - self.handed));
        self.rest.len() < left
    }

    /// Has the record know the last event that is handed out whole, and says where its message, or the one that has begun,
    /// ends.
    fn stands(&self, record: &Record) -> Option<usize> {
        let Source::Messages(messages, _) = &self.source else { return None };
        let (end, id) = messages.border(self.handed);
        if !id.is_empty() {
            record.delivered(id);
        }
        Some(end)
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
