//! The access log's place at the edge: around everything, it sees each call's first byte and its last.
//!
//! What is told of a call, and in which words, is telemetry's business.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};

use super::status::code_name;
use crate::telemetry::{Call, Metrics, Record};

/// Begins a call: what is told of it, and what watches its response.
pub fn begin<B>(
    metrics: &Metrics,
    request: &Request<B>,
) -> (Arc<Record>, impl FnOnce(Response<Body>) -> Response<Body> + use<B>) {
    let mut call = Call::begin(metrics, request.uri().path(), request.headers());
    let record = Arc::clone(call.record());
    let watch = move |response: Response<Body>| {
        if let Some(status) = Status::from_header_map(response.headers()) {
            call.answered(code_name(status.code()));
        }
        response.map(|body| Body::new(Sent { body, call }))
    };
    (record, watch)
}

/// A response's body, watched to its end.
struct Sent {
    body: Body,
    call: Call,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.call.record().sent(frame.data_ref().map_or(0, |data| data.len() as u64));
            if let Some(code) = frame.trailers_ref().and_then(code) {
                self.call.answered(code_name(code));
            }
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

fn code(trailers: &HeaderMap) -> Option<Code> {
    trailers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
