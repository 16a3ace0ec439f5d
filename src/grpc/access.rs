//! One log line for each finished call.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tracing::{debug, info};

use super::{server::SERVICE, status::code_name};

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
    let mut line = Line { path: request.uri().path().to_owned(), begun: Instant::now(), record, code: None };
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
    trailers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { path, begun, record, code } = self;
        let text = |value: &OnceLock<HeaderValue>| value.get().and_then(|value| value.to_str().ok().map(str::to_owned));
        let method = path.trim_start_matches('/');
        // A call that never got as far as a status was given up by its caller.
        let (code, end) = code.map_or((Code::Cancelled, "caller left"), |code| (code, "finished"));
        let (code, duration_ms) = (code_name(code), milliseconds(begun.elapsed()));
        if !method.starts_with(SERVICE) {
            // Probes and reflection: many, and of little interest.
            debug!(method, code, duration_ms, end, "call");
            return;
        }
        info!(
            method,
            code,
            duration_ms,
            request_id = text(&record.request_id),
            agent_id = record.agent_id.get(),
            task_id = record.task_id.get(),
            events = record.events.load(Relaxed),
            end,
            "call"
        );
    }
}

/// Milliseconds to three places.
#[expect(clippy::cast_precision_loss, reason = "a call takes less than 285 years")]
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}
