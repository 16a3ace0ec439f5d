//! Logs, metrics and traces. What is told of one call is noted in its [`Record`]; its log line, its metrics and its span
//! all come from there.
//!
//! Metrics belong to one running proxy; logs and traces to the process.

mod attempt;
mod call;
mod claims;
mod cost;
mod gen_ai;
mod logs;
mod method;
mod metrics;
mod otlp;
mod record;
mod route;
mod shed;
mod trace;

use std::panic::{self, PanicHookInfo};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::error;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, ParseError, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use self::{
    attempt::{Attempt, Sending},
    call::{Call, X_REQUEST_ID},
    claims::{Claimed, Claims},
    cost::Cost,
    method::{Kind as MethodKind, Method},
    metrics::Metrics,
    otlp::ExportError,
    record::{Attached, End, Failure, Record},
    route::Route,
    shed::{Limits, Shed},
};
use crate::config::Settings;

/// Telemetry that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log filter cannot be read.
    #[error("telemetry.log_filter: {0}")]
    Filter(#[from] ParseError),
    /// Traces cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// The process's logs and traces, started.
#[must_use = "spans that are not flushed are lost"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    /// Writes the last lines when it is dropped.
    _lines: WorkerGuard,
}

/// Finds what would keep [`start`] and [`Metrics`] from exporting; starts and sends nothing.
///
/// # Errors
/// When the `OTEL_*` variables cannot be followed.
pub fn check(settings: &Settings) -> Result<(), ExportError> {
    otlp::check(&settings.otlp)
}

/// Starts logging and, where an OTLP endpoint is set, tracing for the process; a second start changes nothing. Text is
/// coloured where that is wanted.
///
/// # Errors
/// When `telemetry.log_filter` cannot be read or the `OTEL_*` variables cannot be followed.
pub fn start(settings: &Settings, is_coloured: bool) -> Result<Telemetry, StartError> {
    let traces = settings.otlp.traces.as_ref().map(otlp::traces).transpose()?;
    let spans = traces.as_ref().map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(
                filter_fn(|metadata| metadata.target() == trace::TARGET).with_max_level_hint(LevelFilter::INFO),
            )
    });
    let (logs, lines) = logs::layer(&settings.telemetry, is_coloured)?;
    // A list, not an `Option`: a layer that may be there would have every span made, whether it is or not.
    let layers = [Some(logs.boxed()), spans.map(Layer::boxed)].into_iter().flatten().collect::<Vec<_>>();
    let _ = tracing_subscriber::registry().with(layers).try_init();
    panic::set_hook(Box::new(tell_panic));
    Ok(Telemetry { traces, _lines: lines })
}

/// A panic is a line of the log like any other, with its place and without its words, which may hold what a caller sent.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    error!(place = panic.location().map(tracing::field::display), "a bug: the code panicked");
}

impl Telemetry {
    /// Exports the spans that are left, for a few seconds at the most. None are exported after this.
    pub async fn finish(self) {
        if let Some(traces) = self.traces {
            otlp::finish(move |time| traces.shutdown_with_timeout(time)).await;
        }
    }
}
