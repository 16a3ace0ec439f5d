//! Why telemetry cannot be exported.

use std::path::PathBuf;

use opentelemetry_sdk::error::OTelSdkError;

/// Telemetry that cannot be exported as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The `OTEL_*` variables cannot be followed.
    #[error("OTLP: {0}")]
    Otlp(String),
    /// The metrics cannot be gathered.
    #[error("metrics: {0}")]
    Metrics(#[from] OTelSdkError),
    /// A file of certificates or a key cannot be used.
    #[error("OTLP: {0}: {1}")]
    File(PathBuf, String),
    /// The HTTP client or its TLS cannot be made.
    #[error("OTLP over HTTP: {0}")]
    Http(String),
}
