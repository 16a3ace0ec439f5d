//! The log: JSON lines or text on standard error. What the lines say is their writers' business.

mod json;
mod together;

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Level, Metadata, Subscriber, callsite::Identifier};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, LevelFilter, ParseError, dynamic_filter_fn, filter_fn},
    registry::LookupSpan,
};

use self::{json::Json, together::Together};
use super::trace;
use crate::config::{LogFormat, Telemetry};

/// How often the exporters may say the same thing.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// The most lines that wait for somebody to take them, about 10 MB; further ones are left out.
const WAITING_LINES: usize = 16_384;

/// Counts what is left out. The process's, as its log is.
static LEFT_OUT: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines were left out so far, since nobody took them.
pub(super) fn lines_left_out() -> u64 {
    LEFT_OUT.get().map_or(0, |count| u64::try_from(count.dropped_lines()).unwrap_or(u64::MAX))
}

/// The layer that writes lines, and what has them all written when it is dropped.
///
/// Lines are written by a thread of their own: whoever reads the log and stops reading must not stop the calls.
///
/// # Errors
/// When `telemetry.log_filter` cannot be read.
pub(super) fn layer<S>(
    settings: &Telemetry,
    is_coloured: bool,
) -> Result<(impl Layer<S> + use<S>, WorkerGuard), ParseError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let chosen = EnvFilter::builder().parse(&settings.log_filter)?;
    // Filters without a hint would have every callsite of every library asked, down to trace level.
    let spans = filter_fn(|metadata| metadata.target() != trace::TARGET).with_max_level_hint(LevelFilter::TRACE);
    let out = Together::new(io::stderr());
    let (writer, written) = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).finish(out);
    let _ = LEFT_OUT.set(writer.error_counter());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match settings.log_format {
        LogFormat::Json => lines.event_format(Json).boxed(),
        LogFormat::Text => lines.with_ansi(is_coloured).boxed(),
    };
    let exporters = Exporters::default();
    let exporters = dynamic_filter_fn(move |metadata, _| exporters.let_through(metadata));
    let exporters = exporters.with_max_level_hint(LevelFilter::TRACE);
    Ok((lines.with_filter(chosen.and(spans).and(exporters)), written))
}

/// What the exporters say of themselves: nothing below a warning, since there they name the headers they send, which may
/// hold a token; and the same thing now and then only, since a collector that is down fails every batch.
#[derive(Default)]
struct Exporters {
    told: Mutex<HashMap<Identifier, Instant>>,
}

impl Exporters {
    fn let_through(&self, metadata: &Metadata<'_>) -> bool {
        if !metadata.target().starts_with("opentelemetry") {
            return true;
        }
        if *metadata.level() > Level::WARN {
            return false;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_news = told.get(&metadata.callsite()).is_none_or(|told| now - *told >= TOLD_EVERY);
        if is_news {
            told.insert(metadata.callsite(), now);
        }
        is_news
    }
}
