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

/// Begins a call; its record goes along with the request, in the extensions. What is returned watches the response.
pub fn begin<B>(
    metrics: &Metrics,
    request: Request<B>,
) -> (Request<Body>, impl FnOnce(Response<Body>) -> Response<Body> + use<B>)
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    let mut call = Call::begin(metrics, request.uri().path(), request.headers());
    let record = Arc::clone(call.record());
    let mut request = request.map(|body| Body::new(Received { body, record }));
    request.extensions_mut().insert(Arc::clone(call.record()));
    let watch = move |response: Response<Body>| {
        if let Some(status) = Status::from_header_map(response.headers()) {
            call.answered(code_name(status.code()));
        }
        response.map(|body| Body::new(Sent { body, call }))
    };
    (request, watch)
}

/// A request's body, counted.
struct Received<B> {
    body: B,
    record: Arc<Record>,
}

/// A response's body, watched to its end.
struct Sent {
    body: Body,
    call: Call,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Received<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.record.received(size(frame));
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

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.call.record().sent(size(frame));
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

fn size(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

fn code(trailers: &HeaderMap) -> Option<Code> {
    trailers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
