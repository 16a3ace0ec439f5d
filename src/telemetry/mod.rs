//! Logs: JSON lines or text, on standard error.

use std::io;

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{LogFormat, Telemetry};

/// Starts logging for the process; a second start changes nothing.
///
/// # Errors
/// When `telemetry.log_filter` cannot be read.
pub fn start(settings: &Telemetry) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&settings.log_filter)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match settings.log_format {
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Text => logs.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
    };
    Ok(())
}
