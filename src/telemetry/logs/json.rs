//! A log line as JSON: one flat object.
//!
//! Not tracing-subscriber's own formatter, which hands the line on in more than a hundred pieces: that was a twelfth of a
//! call's instructions.

use std::fmt;

use jiff::Timestamp;
use serde::ser::{SerializeMap as _, Serializer as _};
use tracing::{Event, Subscriber};
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// About the length of a call's line, in bytes.
const LINE: usize = 512;

/// Writes events as JSON lines: `timestamp`, `level`, `message` and the other fields, `target`.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let line = line(event).map_err(|_| fmt::Error)?;
        writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

fn line(event: &Event<'_>) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(LINE);
    let mut json = serde_json::Serializer::new(&mut line);
    let mut fields = json.serialize_map(None)?;
    fields.serialize_entry("timestamp", &format_args!("{:.6}", Timestamp::now()))?;
    fields.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = SerdeMapVisitor::new(fields);
    event.record(&mut fields);
    let mut fields = fields.take_serializer()?;
    fields.serialize_entry("target", event.metadata().target())?;
    fields.end()?;
    line.push(b'\n');
    Ok(line)
}
