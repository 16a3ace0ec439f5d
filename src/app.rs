//! The one place all parts meet: settings in, a bound server out.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, http::StatusCode, routing::get};
use http::header::{CONTENT_TYPE, InvalidHeaderValue};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    calls::Calls,
    config::{Secret, Settings},
    grpc::Server,
    health::{Pending, Readiness},
    platform::{BuildError, Client, Credentials},
    telemetry::{ExportError, Metrics},
};

/// Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4";

/// A server whose ports are bound, not serving yet.
pub struct Bound {
    grpc: TcpListener,
    admin: TcpListener,
    server: Server,
    metrics: Metrics,
    readiness: Readiness,
    /// Held until the gRPC port is served.
    starting: Pending,
}

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("{setting}: cannot listen on {address}: {error}")]
    Bind {
        /// The setting with the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The API key cannot be sent as a header.
    #[error("platform.api_key: {0}")]
    Key(#[from] InvalidHeaderValue),
    /// The platform client cannot be made.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The API's descriptors cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The metrics cannot be exported.
    #[error(transparent)]
    Metrics(#[from] ExportError),
    /// A bound socket does not know its address.
    #[error("a bound port has no address: {0}")]
    Address(io::Error),
}

impl Bound {
    /// Builds every part from checked settings and binds the ports; port 0 takes a free one.
    ///
    /// # Errors
    /// When a port is taken or a part refuses its settings.
    pub async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let readiness = Readiness::default();
        let starting = readiness.wait_for("the gRPC port");
        let platform = &settings.platform;
        let key = platform.api_key.clone().unwrap_or_else(|| Secret::new(""));
        let organization = platform.organization_id.as_deref().unwrap_or_default();
        let credentials = Arc::new(Credentials::new(&platform.base_url, organization, key)?);
        let client = Client::new(platform, &settings.events)?;
        let calls = Calls::new(client, &settings.agents, &settings.events);
        let metrics = Metrics::new(settings.otlp.metrics)?;
        let server = Server::new(&settings.server, calls, credentials, metrics.clone()).await?;
        let grpc = listen("server.listen", settings.server.listen).await?;
        let admin = listen("server.admin_listen", settings.server.admin_listen).await?;
        Ok(Self { grpc, admin, server, metrics, readiness, starting })
    }

    /// Where gRPC will be served.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn grpc_address(&self) -> Result<SocketAddr, StartError> {
        self.grpc.local_addr().map_err(StartError::Address)
    }

    /// Where probes and metrics will be served.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn admin_address(&self) -> Result<SocketAddr, StartError> {
        self.admin.local_addr().map_err(StartError::Address)
    }

    /// Serves until `shutdown` comes and the drain after it is over.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { grpc, admin, server, metrics, readiness, starting } = self;
        if let (Ok(grpc), Ok(admin)) = (grpc.local_addr(), admin.local_addr()) {
            info!(%grpc, %admin, "serving");
        }
        let over = CancellationToken::new();
        let admin_is_over = over.clone();
        let probes = axum::serve(admin, admin_routes(readiness.clone(), metrics.clone()))
            .with_graceful_shutdown(async move { admin_is_over.cancelled().await })
            .into_future();
        let probes = tokio::spawn(probes);
        drop(starting);
        let draining = async {
            shutdown.await;
            readiness.wait_for("the drain: the process is shutting down")
        };
        let mut held = None;
        server.run(grpc, async { held = Some(draining.await) }).await;
        over.cancel();
        // A probe that does not hang up is not waited for.
        probes.abort();
        metrics.finish().await;
        info!("drained");
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { setting, address, error })
}

/// The admin port: probes and metrics, never the API.
fn admin_routes(readiness: Readiness, metrics: Metrics) -> Router {
    let ready = move || async move {
        let pending = readiness.pending();
        if pending.is_empty() {
            (StatusCode::OK, "ready\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready, pending: {}\n", pending.join(", ")))
        }
    };
    let metrics = move || async move {
        let text = metrics.text().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok::<_, StatusCode>(([(CONTENT_TYPE, PROMETHEUS)], text))
    };
    Router::new()
        .route("/livez", get(|| async { "live\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}
