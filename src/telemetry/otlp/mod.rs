//! What is sent over OTLP, and how: exporters, as the `OTEL_*` variables say, and the last words at shutdown.
//!
//! A collector that is down or slow never holds a call up: the SDK exports on threads of its own, from bounded queues.

mod error;
mod http;

use std::{fs, io, path::PathBuf, sync::Arc, thread, time::Duration};

use ::http::header::AUTHORIZATION;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
    tonic_types::{
        metadata::MetadataMap,
        transport::{Certificate, ClientTlsConfig, Identity},
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::PeriodicReader,
    resource::{EnvResourceDetector, ResourceDetector as _, SdkProvidedResourceDetector, TelemetryResourceDetector},
    trace::SdkTracerProvider,
};
use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

pub use self::error::ExportError;
use crate::config::{Export, Otlp, OtlpProtocol};

/// How long the last export may take.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// Where spans go: to a collector, in batches, sampled as the variables say.
///
/// # Errors
/// When the `OTEL_*` variables cannot be followed.
pub(super) fn traces(export: &Export) -> Result<SdkTracerProvider, ExportError> {
    let exporter = span_exporter(export)?;
    Ok(SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build())
}

/// Where metrics go: to a collector, from time to time.
///
/// # Errors
/// When the `OTEL_*` variables cannot be followed.
pub(super) fn metrics(export: &Export) -> Result<PeriodicReader<MetricExporter>, ExportError> {
    Ok(PeriodicReader::builder(metric_exporter(export)?).build())
}

/// Finds what would keep both from being exported, and exports nothing.
///
/// # Errors
/// When the `OTEL_*` variables cannot be followed.
pub(super) fn check(otlp: &Otlp) -> Result<(), ExportError> {
    otlp.traces.as_ref().map(span_exporter).transpose()?;
    otlp.metrics.as_ref().map(metric_exporter).transpose()?;
    Ok(())
}

fn span_exporter(export: &Export) -> Result<SpanExporter, ExportError> {
    Ok(match export.protocol {
        OtlpProtocol::Grpc => {
            let Place { endpoint, metadata } = Place::of(export);
            let build =
                || SpanExporter::builder().with_tonic().with_endpoint(&endpoint).with_metadata(metadata.clone());
            let secure = build().with_tls_config(tls(export)?).build();
            // Where the system has no roots, cleartext still works.
            secure.or_else(|error| or_cleartext(export, error, || build().build())).map_err(refused(export))?
        }
        OtlpProtocol::HttpProtobuf => {
            let http = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            http.with_shared_http_client(Arc::new(http::client(export)?)).build().map_err(refused(export))?
        }
    })
}

fn metric_exporter(export: &Export) -> Result<MetricExporter, ExportError> {
    Ok(match export.protocol {
        OtlpProtocol::Grpc => {
            let Place { endpoint, metadata } = Place::of(export);
            let build =
                || MetricExporter::builder().with_tonic().with_endpoint(&endpoint).with_metadata(metadata.clone());
            let secure = build().with_tls_config(tls(export)?).build();
            secure.or_else(|error| or_cleartext(export, error, || build().build())).map_err(refused(export))?
        }
        OtlpProtocol::HttpProtobuf => {
            let http = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            http.with_shared_http_client(Arc::new(http::client(export)?)).build().map_err(refused(export))?
        }
    })
}

/// Where gRPC goes, and what is shown there.
struct Place {
    endpoint: String,
    metadata: MetadataMap,
}

impl Place {
    /// A user and a password in the endpoint become metadata, which no library logs.
    fn of(export: &Export) -> Self {
        let (endpoint, authorization) = http::apart(export.endpoint.expose());
        let headers = authorization.map(|value| (AUTHORIZATION, value)).into_iter().collect();
        Self { endpoint, metadata: MetadataMap::from_headers(headers) }
    }
}

/// What the exporter says, which may repeat its endpoint.
fn refused(export: &Export) -> impl FnOnce(ExporterBuildError) -> ExportError {
    let (endpoint, _) = http::apart(export.endpoint.expose());
    move |error| ExportError::Otlp(error.to_string().replace(&endpoint, "(not shown)"))
}

fn or_cleartext<T>(
    export: &Export,
    error: ExporterBuildError,
    cleartext: impl FnOnce() -> Result<T, ExporterBuildError>,
) -> Result<T, ExporterBuildError> {
    if export.ca_file.is_some() || export.identity.is_some() { Err(error) } else { cleartext() }
}

/// Says who exports: the variables, else this binary's name; and which of its replicas.
pub(super) fn resource() -> Resource {
    let name = Key::from_static_str("service.name");
    let named = SdkProvidedResourceDetector.detect().get(&name).filter(|name| !name.as_str().starts_with("unknown_"));
    let instance = KeyValue::new("service.instance.id", Uuid::now_v7().to_string());
    Resource::builder_empty()
        .with_attributes([KeyValue::new("service.version", env!("CARGO_PKG_VERSION")), instance])
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())])
        .with_attribute(KeyValue::new(name, named.unwrap_or_else(|| env!("CARGO_PKG_NAME").into())))
        .build()
}

/// Exports what is left, on a thread of its own: the SDK blocks, and a runtime would wait for it for ever.
pub(super) async fn finish(last_export: impl FnOnce(Duration) -> OTelSdkResult + Send + 'static) {
    let (done, is_done) = oneshot::channel();
    thread::spawn(move || {
        // The SDK tells of its failure by itself.
        drop(last_export(LAST_EXPORT));
        let _ = done.send(());
    });
    let _ = timeout(LAST_EXPORT + Duration::from_millis(500), is_done).await;
}

fn tls(export: &Export) -> Result<ClientTlsConfig, ExportError> {
    let read =
        |path: &PathBuf| fs::read(path).map_err(|error: io::Error| ExportError::File(path.clone(), error.to_string()));
    let tls = match &export.ca_file {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    Ok(match &export.identity {
        Some((certificate, key)) => tls.identity(Identity::from_pem(read(certificate)?, read(key)?)),
        None => tls,
    })
}
