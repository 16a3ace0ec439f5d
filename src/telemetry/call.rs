//! A call from its first byte to its last: when it is over, its log line, its metrics and its span are told from its record.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Span, debug, field::Empty, info};

use super::{
    Metrics,
    cost::Cost,
    gen_ai,
    method::{Kind, Method},
    record::{Attached, End, Failure, Record},
    trace,
};
use crate::proto::TaskStatus;

/// The header that carries a call's request id, to callers and to the platform.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How much earlier than ours a caller's clock may say that its deadline has passed.
const CLOCKS: Duration = Duration::from_millis(20);

/// A call under way; over when it is dropped, which is when the last byte is sent or the caller leaves.
pub struct Call {
    record: Arc<Record>,
    span: Span,
    /// As gRPC spells it.
    code: Option<&'static str>,
}

impl Call {
    /// Begins with the head of a request.
    #[must_use]
    pub fn begin(metrics: &Metrics, path: &str, headers: &HeaderMap) -> Self {
        let method = Method::of(path);
        let mut record = Record::new(metrics, method, headers);
        let span = if method.is_of_the_api() { span(method) } else { Span::none() };
        record.trace.enter(&span);
        metrics.call_begun(method);
        Self { record: Arc::new(record), span, code: None }
    }

    /// What is noted of it.
    #[must_use]
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Notes the status that is sent, as gRPC spells its code.
    pub fn answered(&mut self, code: &'static str) {
        self.code = Some(code);
    }

    /// How it ended. A call that never got as far as a status was given up by its caller, in time or not.
    fn end(&self) -> (&'static str, End) {
        let record = &self.record;
        let is_late = record.deadline.get().is_some_and(|at| *at <= tokio::time::Instant::now() + CLOCKS);
        let (code, end) = match self.code {
            Some(code) => (code, End::Finished),
            None if is_late => ("DEADLINE_EXCEEDED", End::Deadline),
            None => ("CANCELLED", End::CallerLeft),
        };
        (code, record.end.get().copied().unwrap_or(end))
    }

    /// What its caller was told of its failure, or would have been.
    fn failure(&self) -> Option<Failure> {
        *self.record.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it failed for a reason of the proxy's or the platform's. Not by its code alone: of two deadlines that pass
    /// one is its caller's, and a key that the platform refuses is not.
    fn is_our_failure(&self) -> bool {
        let is_by_code = |code| matches!(code, "UNKNOWN" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS");
        match self.code {
            None | Some("OK") => false,
            Some(code) => self.failure().map_or_else(|| is_by_code(code), |failure| failure.is_ours),
        }
    }

    /// Whether there is a task, of a call that creates one and did not bring it. Who has left is not told.
    fn outcome(&self) -> Option<&'static str> {
        let record = &self.record;
        let has_left = record.method.creates && self.code.is_none() && record.task_id.get().is_none();
        let left = has_left.then(|| if record.may_have_created() { "unknown" } else { "not_created" });
        self.failure().and_then(|failure| failure.outcome).or(left)
    }

    fn log(&self, code: &str, end: End, duration: Duration) {
        let record = &*self.record;
        let (method, duration_ms) = (record.method.name, milliseconds(duration));
        let reason = self.failure().map(|failure| failure.reason);
        if record.method.is_beside_the_api() {
            debug!(target: "xpander_grpc_proxy::access", method, code, duration_ms, reason, end = end.word(), "call");
            return;
        }
        let count = |count: u64| (count > 0).then_some(count);
        let status = record.platform_status.load(Relaxed);
        let cost = record.cost.get();
        info!(
            target: "xpander_grpc_proxy::access",
            method,
            code,
            duration_ms,
            caller = record.caller.get().map(|name| &**name),
            agent_id = record.agent_id.get(),
            task_id = record.task_id.get(),
            request_id = text(record.request_id.get()),
            idempotency_key = record.idempotency_key(),
            trace_id = record.trace.id(),
            platform_status = (status > 0).then_some(status),
            platform_attempts = record.attempts.load(Relaxed),
            retries = count(record.retries.load(Relaxed).into()),
            events = record.events.load(Relaxed),
            first_event_ms = record.first_event.get().copied().map(milliseconds),
            skipped = count(record.skipped.load(Relaxed)),
            gaps = count(record.gaps.load(Relaxed)),
            reconnects = count(record.reconnects.load(Relaxed).into()),
            task_status = cost.map(Cost::word),
            task_duration_ms = cost.and_then(|cost| cost.duration).map(milliseconds),
            tokens_input = cost.and_then(|cost| cost.input),
            tokens_output = cost.and_then(|cost| cost.output),
            tokens_cache_read = cost.and_then(|cost| cost.cache_read),
            tokens_cache_write = cost.and_then(|cost| cost.cache_write),
            bytes_in = record.bytes_in.load(Relaxed),
            bytes_out = record.bytes_out.load(Relaxed),
            attached = Attached::words(record.attached.load(Relaxed)),
            reason,
            outcome = self.outcome(),
            cause = record.cause.lock().unwrap_or_else(PoisonError::into_inner).take(),
            limit = match end {
                End::Shed(shed) => Some(shed.setting()),
                _ => None,
            },
            observed = record.observed.get().map(|shed| shed.setting()),
            end = end.word(),
            "call"
        );
    }

    /// What a failure is called by the conventions for generative AI: the call's, or the task's.
    fn error(&self, code: &'static str) -> Option<&'static str> {
        let failed =
            self.record.cost.get().filter(|cost| matches!(cost.status, TaskStatus::Error | TaskStatus::Failed));
        if code == "OK" { failed.map(Cost::word) } else { Some(code) }
    }

    fn trace(&self, code: &'static str, end: End) {
        let (record, span) = (&*self.record, &self.span);
        if span.is_disabled() {
            return;
        }
        span.record("rpc.response.status_code", code);
        if self.is_our_failure() {
            span.record("error.type", code);
            // Sets the status too.
            span.record("otel.status_description", self.failure().map_or(end.word(), |failure| failure.reason));
        }
        span.record("xpander.end", end.word());
        let texts = [
            ("xpander.caller", record.caller.get().map(|name| &**name)),
            ("xpander.agent.id", record.agent_id.get().map(String::as_str)),
            ("xpander.task.id", record.task_id.get().map(String::as_str)),
            ("xpander.request.id", text(record.request_id.get())),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                span.record(name, value);
            }
        }
        if record.follows_gen_ai() {
            let loaded = record.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let loaded = loaded.as_ref().map(|(id, name)| (&**id, &**name));
            let facts = record.facts.lock().unwrap_or_else(PoisonError::into_inner);
            gen_ai::tell(span, &facts, loaded, record.cost.get(), self.error(code));
        }
        if record.method.kind == Kind::Streaming {
            span.record("xpander.events", i64::try_from(record.events.load(Relaxed)).unwrap_or(i64::MAX));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (code, end) = self.end();
        let duration = self.record.begun.elapsed();
        self.record.metrics.call_ended(self.record.method, code, self.is_our_failure(), duration);
        if self.record.follows_gen_ai()
            && let Some(gen_ai) = self.record.metrics.gen_ai()
        {
            gen_ai.call_ended(duration, self.error(code));
        }
        self.trace(code, end);
        self.log(code, end, duration);
    }
}

fn span(method: &Method) -> Span {
    tracing::info_span!(
        target: trace::TARGET,
        parent: None,
        "call",
        otel.name = method.name,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method.name,
        rpc.response.status_code = Empty,
        error.type = Empty,
        otel.status_description = Empty,
        xpander.caller = Empty,
        xpander.agent.id = Empty,
        xpander.task.id = Empty,
        xpander.request.id = Empty,
        xpander.events = Empty,
        xpander.end = Empty,
    )
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

/// Milliseconds to three places.
#[expect(clippy::cast_precision_loss, reason = "a call takes less than 285 years")]
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}
