//! One log line for each finished call.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tracing::info;

/// What the call itself adds to its line; shared by way of the request's extensions.
#[derive(Default)]
pub struct Record {
    pub request_id: OnceLock<HeaderValue>,
    pub agent_id: OnceLock<String>,
    pub task_id: OnceLock<String>,
    pub events: AtomicU64,
}

/// A call under way; writes its line when it is dropped, which is when the last byte is sent or the caller leaves.
struct Line {
    path: String,
    begun: Instant,
    record: Arc<Record>,
    code: Option<Code>,
}

/// Puts a record into the request.
pub fn begin<B>(request: &mut Request<B>) -> impl FnOnce(Response<Body>) -> Response<Body> + use<B> {
    let record = Arc::new(Record::default());
    request.extensions_mut().insert(Arc::clone(&record));
    let mut line = Line {
        path: request.uri().path().to_owned(),
        begun: Instant::now(),
        record,
        code: None,
    };
    move |response| {
        line.code = Status::from_header_map(response.headers()).map(|status| status.code());
        response.map(|body| Body::new(Logged { body, line }))
    }
}

struct Logged {
    body: Body,
    line: Line,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(code) = frame.trailers_ref().and_then(code)
        {
            self.line.code = Some(code);
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
    trailers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self {
            path,
            begun,
            record,
            code,
        } = self;
        let text = |value: &OnceLock<HeaderValue>| value.get().and_then(|value| value.to_str().ok().map(str::to_owned));
        info!(
            method = path.trim_start_matches('/'),
            // A call that never got as far as a status was given up by its caller.
            code = ?code.unwrap_or(Code::Cancelled),
            duration_ms = begun.elapsed().as_secs_f64() * 1e3,
            request_id = text(&record.request_id),
            agent_id = record.agent_id.get(),
            task_id = record.task_id.get(),
            events = record.events.load(Relaxed),
            end = if code.is_some() { "finished" } else { "caller left" },
            "call"
        );
    }
}
