//! A fast platform: answers from memory over HTTP/1.1 and HTTP/2 without TLS on one port, and counts. It checks nothing
//! that it is sent. It is the OTLP receiver too, and counts the spans.
//!
//! What it answers stands in the id that is asked for: agent `size-N` has a result of N bytes; the stream of task
//! `each-N` has N chunk events, each in an HTTP chunk of its own, `batch-N` 64 in each, `paced-N` one every millisecond,
//! its data the time; `large-N` has one of N bytes, and `idle-…` has one and then says nothing.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval};

use crate::{Outcome, process, samples};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How many events share a chunk in the streams called `batch`.
const BATCH: u32 = 64;

/// What has been asked for, and how many spans have come.
#[derive(Default)]
struct Counts {
    creates: AtomicU64,
    others: AtomicU64,
    spans: AtomicU64,
}

struct Platform {
    counts: Counts,
    task: Bytes,
}

/// Serves until the process is killed.
pub async fn serve() -> Outcome {
    let task = samples::task_json("task-1", "pending", None).into();
    let platform = Arc::new(Platform { counts: Counts::default(), task });
    let listener = process::listen().await?;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(20_000);
    let builder = Arc::new(builder);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (builder, platform) = (Arc::clone(&builder), Arc::clone(&platform));
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let platform = Arc::clone(&platform);
                async move { platform.answer(request).await.map_err(io::Error::other) }
            });
            // A peer that hangs up is no fault.
            let _ = builder.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

impl Platform {
    async fn answer(&self, request: Request<Incoming>) -> Outcome<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        // The events' root has the organization in front.
        let path = path.strip_prefix(&[samples::ORGANIZATION]).unwrap_or(&path);
        let counter = if head.method == Method::POST { &self.counts.creates } else { &self.counts.others };
        match *path {
            ["counts"] => {
                let Counts { creates, others, spans } = &self.counts;
                let counts = [creates, others, spans].map(|count| count.load(Relaxed).to_string());
                return json(counts.join(" "));
            }
            ["v1", "traces"] => {
                let export = ExportTraceServiceRequest::decode(body)?;
                let scopes = export.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
                self.counts.spans.fetch_add(scopes.map(|scope| scope.spans.len() as u64).sum(), Relaxed);
                return json("");
            }
            _ => counter.fetch_add(1, Relaxed),
        };
        match *path {
            ["agents", id] => json(agent(id)),
            ["agent-execution", id] => match number(id, "size-") {
                Some(size) => {
                    let result = "0123456789abcdef".repeat(size as usize / 16);
                    json(samples::task_json("task-1", "pending", Some(&result)))
                }
                None => json(self.task.clone()),
            },
            ["agent-execution", id, "status"] => json(samples::task_json(id, "executing", None)),
            ["agent-execution", id, "events"] => {
                let body = StreamBody::new(events(id.to_owned()));
                Ok(Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body.boxed_unsync())?)
            }
            _ => Ok(Response::builder().status(404).body(Full::default().boxed_unsync())?),
        }
    }
}

fn json(body: impl Into<Bytes>) -> Outcome<Response<Body>> {
    let body = Full::new(body.into()).boxed_unsync();
    Ok(Response::builder().header(header::CONTENT_TYPE, "application/json").body(body)?)
}

/// An agent with what it must have: the official client wants more than an id.
fn agent(id: &str) -> String {
    serde_json::json!({
        "id": id, "organization_id": samples::ORGANIZATION, "name": id, "unique_name": id, "framework": "agno",
        "model_provider": "openai", "model_name": "gpt-5", "version": 7, "graph": [], "tools": [],
    })
    .to_string()
}

fn number(id: &str, prefix: &str) -> Option<u32> {
    id.strip_prefix(prefix)?.parse().ok()
}

/// The pieces of a task's stream.
fn events(id: String) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream! {
        let piece = |text: String| Ok(Frame::data(text.into()));
        yield piece(sse(&samples::event_json("connected", &id, "null")));
        if id.starts_with("idle-") {
            std::future::pending::<()>().await;
        }
        if let Some(count) = number(&id, "each-") {
            for at in 0..count {
                yield piece(chunk(&id, at));
            }
        }
        if let Some(count) = number(&id, "batch-") {
            for first in (0..count).step_by(BATCH as usize) {
                yield piece((first..count.min(first + BATCH)).map(|at| chunk(&id, at)).collect());
            }
        }
        if let Some(size) = number(&id, "large-") {
            yield piece(sse(&samples::chunk_json(&id, &"0123456789abcdef".repeat(size as usize / 16))));
        }
        if let Some(count) = number(&id, "paced-") {
            let mut ticks = interval(Duration::from_millis(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for _ in 0..count {
                ticks.tick().await;
                yield piece(sse(&samples::chunk_json(&id, &now().as_nanos().to_string())));
            }
        }
        let task = samples::task_json(&id, "completed", None);
        yield piece(sse(&samples::event_json("task_finished", &id, &task)));
    }
}

fn chunk(id: &str, at: u32) -> String {
    sse(&samples::chunk_json(id, &format!("word {at} ")))
}

fn sse(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The time, as both ends of a stream read it.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
