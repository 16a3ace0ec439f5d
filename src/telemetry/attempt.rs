//! One request to the platform, sent once: its part of the metrics, its span, and the trace headers it carries.

use std::{borrow::Cow, sync::Arc, time::Instant};

use http::HeaderMap;
use opentelemetry::KeyValue;
use tracing::Span;

use super::{record::Record, route::Route, trace};

/// The statuses that metrics know; any other counts as its class. Whoever answers chooses from nine hundred.
const STATUSES: [u16; 30] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409, 410, 412, 413, 415,
    422, 429, 500, 501, 502, 503, 504,
];

/// A request that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// Where to.
    pub route: Route,
    /// How often it was sent before.
    pub repeats: u32,
}

/// A request under way; told of when it is dropped.
pub struct Attempt {
    record: Arc<Record>,
    route: Route,
    address: String,
    port: u16,
    begun: Instant,
    span: Span,
    status: Option<u16>,
    /// None while it is under way; a request that is given up then has failed.
    outcome: Option<Result<(), &'static str>>,
}

impl Attempt {
    /// A request that is sent now, to this host and port.
    #[must_use]
    pub fn begin(record: &Arc<Record>, Sending { route, repeats }: Sending, address: &str, port: u16) -> Self {
        record.platform_asked();
        let span = tracing::info_span!(
            target: trace::TARGET,
            parent: None,
            "request",
            otel.name = route.name(),
            otel.kind = "client",
            http.request.method = route.method(),
            url.template = route.template(),
            server.address = address,
            server.port = i64::from(port),
            http.request.resend_count = (repeats > 0).then_some(i64::from(repeats)),
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        record.trace.adopt(&span);
        let (record, address) = (Arc::clone(record), address.to_owned());
        Self { record, route, address, port, begun: Instant::now(), span, status: None, outcome: None }
    }

    /// Adds the headers by which the platform's own spans join the trace.
    pub fn propagate(&self, headers: &mut HeaderMap) {
        self.record.trace.propagate(&self.span, headers);
    }

    /// The platform answers, with this status.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
        self.record.platform_answered(status);
    }

    /// All is well so far; for an event stream, whatever ends it without a failure.
    pub fn succeeded(&mut self) {
        self.outcome = Some(Ok(()));
    }

    /// It failed, for a reason out of a closed set; a refusal's status says more, and where its connection failed, the cause.
    pub fn failed(&mut self, why: &'static str, cause: Option<&str>) {
        self.outcome = Some(Err(why));
        if let Some(cause) = cause {
            self.record.lost_connection(cause);
        }
    }

    /// What the failure is called, where there is one.
    fn error(&self) -> Option<Cow<'static, str>> {
        match (self.outcome, self.status) {
            (Some(Ok(())), _) => None,
            (_, Some(status @ 400..)) => Some(match status {
                _ if STATUSES.contains(&status) => status.to_string().into(),
                400..500 => "4xx".into(),
                500..600 => "5xx".into(),
                _ => "_OTHER".into(),
            }),
            (Some(Err(why)), _) => Some(why.into()),
            (None, _) => Some("cancelled".into()),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let error = self.error();
        if !self.span.is_disabled() {
            if let Some(status) = self.status {
                self.span.record("http.response.status_code", i64::from(status));
            }
            if let Some(error) = &error {
                self.span.record("error.type", &**error);
                self.span.record("otel.status_code", "ERROR");
            }
        }
        let [method, template] = self.route.attributes();
        let address = KeyValue::new("server.address", std::mem::take(&mut self.address));
        let mut attributes = vec![method, template, address, KeyValue::new("server.port", i64::from(self.port))];
        let known = self.status.filter(|status| STATUSES.contains(status));
        attributes.extend(known.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
        self.record.metrics.request_ended(&attributes, self.begun.elapsed());
    }
}
