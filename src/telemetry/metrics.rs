//! The metrics: one set of instruments, read as Prometheus text and, where set, sent over OTLP.
//!
//! One registry per running proxy, no globals. Labels come from closed sets: never an id, a key, a version, a prompt or
//! a caller's name, unless the settings name it and ask for that.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, MeterProvider as _, UpDownCounter},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

use super::{
    claims::Claims,
    cost::{Cost, Costs},
    gen_ai::GenAi,
    logs,
    method::{Kind, Method},
    otlp::{self, ExportError},
    route::Route,
    shed::Limits,
};
use crate::{
    config::{self, Export},
    proto::{EventType, Task},
};

/// Upper ends of the durations' buckets, in seconds: from answers out of a cache to streams of half an hour.
const BUCKETS: [f64; 19] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    1800.0,
];

/// The instruments of one proxy. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
    instruments: Arc<Instruments>,
}

struct Instruments {
    call_duration: Histogram<f64>,
    request_duration: Histogram<f64>,
    first_event: Histogram<f64>,
    calls: UpDownCounter<i64>,
    waits: UpDownCounter<i64>,
    streams: UpDownCounter<i64>,
    events: Counter<u64>,
    /// The label of each event type, by its number; the first one is for those this version does not know.
    event_types: Vec<[KeyValue; 1]>,
    skipped: Counter<u64>,
    gaps: Counter<u64>,
    reconnects: Counter<u64>,
    retries: Counter<u64>,
    limits: Limits,
    lookups: Counter<u64>,
    unknown_creates: Counter<u64>,
    refused_connections: Counter<u64>,
    malformed_requests: Counter<u64>,
    claims: Claims,
    costs: Costs,
    gen_ai: Option<GenAi>,
}

impl Metrics {
    /// The metrics of a proxy, which are sent over OTLP too where `otlp` says how.
    ///
    /// # Errors
    /// When the `OTEL_*` variables cannot be followed.
    pub fn new(otlp: Option<&Export>, settings: &config::Telemetry) -> Result<Self, ExportError> {
        let registry = Registry::new();
        let text = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let mut provider = SdkMeterProvider::builder().with_resource(otlp::resource()).with_reader(text);
        if let Some(export) = otlp {
            provider = provider.with_reader(otlp::metrics(export)?);
        }
        let provider = provider.build();
        let instruments = Arc::new(Instruments::new(&provider.meter(env!("CARGO_PKG_NAME")), settings));
        Ok(Self { provider, registry, instruments })
    }

    /// All metrics in Prometheus' text format; None when they cannot be gathered any more.
    #[must_use]
    pub fn text(&self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).ok()?;
        Some(text)
    }

    /// Sends what is left over OTLP, for a few seconds at the most. Nothing is counted after this.
    pub async fn finish(self) {
        otlp::finish(move |time| self.provider.shutdown_with_timeout(time)).await;
    }

    /// Has the bytes told that answers and requests hold, read whenever the metrics are.
    pub fn observe_sizes(
        &self,
        answers: impl Fn() -> u64 + Send + Sync + 'static,
        requests: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let meter = self.provider.meter(env!("CARGO_PKG_NAME"));
        let gauge = meter.u64_observable_gauge("xpander.answers.size").with_unit("By");
        let what = "Bytes of answers that are being read or wait for their callers (server.max_buffered_bytes).";
        gauge.with_description(what).with_callback(move |gauge| gauge.observe(answers(), &[])).build();
        let gauge = meter.u64_observable_gauge("xpander.requests.size").with_unit("By");
        let what = "Bytes of requests that are on their way in or being worked on (server.max_receiving_bytes).";
        gauge.with_description(what).with_callback(move |gauge| gauge.observe(requests(), &[])).build();
    }

    /// Has it told whether the keys of JWTs cannot be fetched, read whenever the metrics are.
    pub fn observe_keys(&self, is_away: impl Fn() -> bool + Send + Sync + 'static) {
        let meter = self.provider.meter(env!("CARGO_PKG_NAME"));
        let gauge = meter.u64_observable_gauge("xpander.jwt.keys.away");
        let what = "1 while the keys of those who make JWTs (auth.jwt.jwks_url) cannot be fetched.";
        gauge.with_description(what).with_callback(move |gauge| gauge.observe(is_away().into(), &[])).build();
    }

    /// Counts a connection that was closed because too many were open.
    pub fn connection_refused(&self) {
        self.instruments.refused_connections.add(1, &[]);
    }

    /// Counts a request that HTTP/2 itself refused.
    pub fn request_malformed(&self) {
        self.instruments.malformed_requests.add(1, &[]);
    }

    /// Those of creates with a request id.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.instruments.claims
    }

    pub(super) fn call_begun(&self, method: &Method) {
        self.under_way(method, 1);
    }

    pub(super) fn call_ended(
        &self,
        method: &'static Method,
        code: &'static str,
        is_our_failure: bool,
        duration: Duration,
    ) {
        self.under_way(method, -1);
        let attributes = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method.name),
            KeyValue::new("rpc.response.status_code", code),
            KeyValue::new("error.type", code),
        ];
        let known = if is_our_failure { &attributes[..] } else { &attributes[..3] };
        self.instruments.call_duration.record(duration.as_secs_f64(), known);
    }

    fn under_way(&self, method: &Method, change: i64) {
        match method.kind {
            Kind::Unary | Kind::Stopping => self.instruments.calls.add(change, &[]),
            Kind::Waiting => self.instruments.waits.add(change, &[]),
            Kind::Streaming => self.instruments.streams.add(change, &[]),
            Kind::Health | Kind::Reflection | Kind::Nothing => {}
        }
    }

    pub(super) fn request_ended(&self, attributes: &[KeyValue], duration: Duration) {
        self.instruments.request_duration.record(duration.as_secs_f64(), attributes);
    }

    pub(super) fn first_event(&self, method: &'static Method, after: Duration) {
        self.instruments.first_event.record(after.as_secs_f64(), &[KeyValue::new("rpc.method", method.name)]);
    }

    pub(super) fn events(&self, number: i32, count: u64) {
        let types = &self.instruments.event_types;
        let known = usize::try_from(number).ok().and_then(|number| types.get(number)).unwrap_or(&types[0]);
        self.instruments.events.add(count, known);
    }

    pub(super) fn skipped(&self, count: u64) {
        self.instruments.skipped.add(count, &[]);
    }

    pub(super) fn gap(&self) {
        self.instruments.gaps.add(1, &[]);
    }

    pub(super) fn reconnect(&self) {
        self.instruments.reconnects.add(1, &[]);
    }

    pub(super) fn retry(&self, route: Route) {
        self.instruments.retries.add(1, &route.attributes());
    }

    /// Those of calls that met a limit.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.instruments.limits
    }

    pub(super) fn lookup(&self, is_known: bool) {
        self.instruments.lookups.add(1, &[found(is_known)]);
    }

    /// Counts a task that is over, unless it was counted before.
    pub(super) fn task_ended(&self, task: &Task, cost: &Cost) {
        if self.instruments.costs.ended(task, cost)
            && let Some(gen_ai) = self.gen_ai()
        {
            gen_ai.task_ended(cost);
        }
    }

    /// Those of the conventions for generative AI, where these are followed.
    pub(super) fn gen_ai(&self) -> Option<&GenAi> {
        self.instruments.gen_ai.as_ref()
    }

    pub(super) fn unknown_create(&self) {
        self.instruments.unknown_creates.add(1, &[]);
    }
}

impl Instruments {
    fn new(meter: &Meter, settings: &config::Telemetry) -> Self {
        let seconds = |name: &'static str, what: &'static str| {
            meter.f64_histogram(name).with_unit("s").with_description(what).with_boundaries(BUCKETS.to_vec()).build()
        };
        let gauge = |name: &'static str, unit: &'static str, what: &'static str| {
            meter.i64_up_down_counter(name).with_unit(unit).with_description(what).build()
        };
        let counter = |name: &'static str, unit: &'static str, what: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(what).build()
        };
        let instruments = Self {
            call_duration: seconds("rpc.server.call.duration", "How long calls took, streams to their end."),
            request_duration: seconds(
                "http.client.request.duration",
                "How long requests to the platform took, each attempt by itself, to the end of the answer; event streams as long as they were open.",
            ),
            first_event: seconds("xpander.first_event.duration", "How long streaming calls took to their first event."),
            calls: gauge("xpander.calls.active", "{call}", "Short calls under way: unary ones but WaitTask."),
            waits: gauge("xpander.waits.active", "{call}", "Calls of WaitTask under way."),
            streams: gauge("xpander.streams.active", "{call}", "Streaming calls under way."),
            events: counter("xpander.events", "{event}", "Events sent to callers, by type."),
            event_types: event_types(),
            skipped: counter(
                "xpander.events.skipped",
                "{event}",
                "Events of the platform that were omitted: too large, or none.",
            ),
            gaps: counter("xpander.stream.gaps", "{gap}", "Gaps told to callers: events may be missing there."),
            reconnects: counter(
                "xpander.stream.reconnects",
                "{attempt}",
                "Attempts to open a broken event stream again.",
            ),
            retries: counter("xpander.platform.retries", "{request}", "Requests to the platform that were sent again."),
            limits: Limits::new(meter),
            lookups: counter("xpander.agent.lookups", "{lookup}", "Agents looked up, by whether they were remembered."),
            unknown_creates: counter(
                "xpander.creates.unknown",
                "{create}",
                "Creates that may or may not have made a task.",
            ),
            refused_connections: counter(
                "xpander.connections.refused",
                "{connection}",
                "Connections closed at once because too many were open.",
            ),
            malformed_requests: counter(
                "xpander.requests.malformed",
                "{request}",
                "Requests that HTTP/2 itself refused, by resetting their streams.",
            ),
            claims: Claims::new(
                meter,
                seconds("xpander.deduplication.claim.duration", "How long the store took for a claim."),
            ),
            costs: Costs::new(
                meter,
                seconds("xpander.task.duration", "How long tasks ran whose end was seen, by final status."),
                &settings.agents,
            ),
            gen_ai: settings.gen_ai.then(|| GenAi::new(meter)),
        };
        meter
            .u64_observable_counter("xpander.log.lines.dropped")
            .with_unit("{line}")
            .with_description("Log lines of the replica that were omitted, since nobody took them in time.")
            .with_callback(|count| count.observe(logs::lines_left_out(), &[]))
            .build();
        instruments.begin_at_zero();
        instruments
    }

    /// A counter that is not there until it counts hides its first step from whoever computes rates.
    fn begin_at_zero(&self) {
        self.calls.add(0, &[]);
        self.waits.add(0, &[]);
        self.streams.add(0, &[]);
        let events = [&self.skipped, &self.gaps, &self.reconnects, &self.unknown_creates];
        for counter in events.into_iter().chain([&self.refused_connections, &self.malformed_requests]) {
            counter.add(0, &[]);
        }
        for event_type in &self.event_types {
            self.events.add(0, event_type);
        }
        for route in Route::ALL {
            self.retries.add(0, &route.attributes());
        }
        for is_known in [true, false] {
            self.lookups.add(0, &[found(is_known)]);
        }
    }
}

fn found(is_known: bool) -> KeyValue {
    KeyValue::new("xpander.result", if is_known { "hit" } else { "miss" })
}

/// The platform's word for each type, by number.
fn event_types() -> Vec<[KeyValue; 1]> {
    let known = (1..).map_while(|number| EventType::try_from(number).ok());
    let words = known.map(|kind| kind.as_str_name().trim_start_matches("EVENT_TYPE_").to_lowercase());
    let words = std::iter::once("other".to_owned()).chain(words);
    words.map(|word| [KeyValue::new("xpander.event.type", word)]).collect()
}
