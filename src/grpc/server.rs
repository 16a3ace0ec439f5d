//! The gRPC port: accepts connections, answers requests through the layers in order, closes gracefully.
//!
//! Not tonic's own server: that one answers CANCELLED where a deadline passes, and cuts sockets to age connections.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, codec::CompressionEncoding, service::Routes};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};
use tower::Service as _;
use tracing::debug;

use super::{access, service::Service, status};
use crate::{
    calls::Calls,
    config,
    platform::Credentials,
    proto::{self, agent_service_server::AgentServiceServer},
    telemetry::Metrics,
};

/// The service's name, for health checks.
pub const SERVICE: &str = "xpander.agent.v1.AgentService";
/// The whole server's name, for health checks.
const ALL: &str = "";

/// How long a new connection may take to say its first words, and an idle one to answer a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often an idle connection is pinged.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
/// The pause after an accept that failed, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The gRPC port's server.
pub struct Server {
    routes: Routes,
    metrics: Metrics,
    health: HealthReporter,
    http2: http2::Builder<TokioExecutor>,
    closing: CancellationToken,
    calls: Calls,
    drain_delay: Duration,
    drain_timeout: Duration,
}

impl Server {
    /// A server that is not ready yet: its health says `NOT_SERVING`.
    ///
    /// # Errors
    /// When the compiled descriptors cannot be read.
    pub async fn new(
        settings: &config::Server,
        calls: Calls,
        credentials: Arc<Credentials>,
        metrics: Metrics,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let (health, health_service) = health_reporter();
        // tonic-health begins with SERVING.
        health.set_service_status(ALL, ServingStatus::NotServing).await;
        health.set_service_status(SERVICE, ServingStatus::NotServing).await;
        let closing = CancellationToken::new();
        let max_response_bytes = settings.max_response_bytes;
        let service = Service { calls: calls.clone(), credentials, max_response_bytes, closing: closing.clone() };
        let mut agent_service = AgentServiceServer::new(service)
            .max_decoding_message_size(settings.max_request_bytes)
            .max_encoding_message_size(max_response_bytes);
        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            agent_service = agent_service.accept_compressed(encoding).send_compressed(encoding);
        }
        let reflection = || {
            // Both versions list both: each knows only itself by default.
            tonic_reflection::server::Builder::configure()
                .include_reflection_service(false)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // So that clients that know the API by reflection alone can read the details of errors.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let routes = Routes::new(agent_service)
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .prepare();
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.max_streams_per_connection)
            .max_header_list_size(settings.max_metadata_bytes)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let (drain_delay, drain_timeout) = (settings.drain_delay, settings.drain_timeout);
        Ok(Self { routes, metrics, health, http2, closing, calls, drain_delay, drain_timeout })
    }

    /// Serves until `shutdown` comes, then drains: goes on serving while balancers learn of it, takes no more
    /// connections, lets calls finish, and ends the streams that are left.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let connections = GracefulShutdown::new();
        self.set_health(ServingStatus::Serving).await;
        {
            let draining = async {
                shutdown.await;
                self.set_health(ServingStatus::NotServing).await;
                sleep(self.drain_delay).await;
            };
            tokio::select! {
                () = draining => {}
                () = self.accept(&listener, &connections) => {}
            }
        }
        drop(listener);
        let closing = self.closing.clone();
        let drained = async {
            connections.shutdown().await;
            self.calls.finish().await;
        };
        let mut drained = std::pin::pin!(drained);
        if timeout(self.drain_timeout, &mut drained).await.is_err() {
            closing.cancel();
            // The last statuses are on their way; a caller that does not read them is not waited for.
            let _ = timeout(Duration::from_secs(1), drained).await;
        }
    }

    async fn set_health(&self, status: ServingStatus) {
        self.health.set_service_status(ALL, status).await;
        self.health.set_service_status(SERVICE, status).await;
    }

    async fn accept(&self, listener: &TcpListener, connections: &GracefulShutdown) {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => self.serve(socket, connections),
                Err(error) => {
                    debug!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, socket: TcpStream, connections: &GracefulShutdown) {
        let _ = socket.set_nodelay(true);
        let (routes, metrics) = (self.routes.clone(), self.metrics.clone());
        let service = service_fn(move |request| answer(routes.clone(), metrics.clone(), request));
        let connection = connections.watch(self.http2.serve_connection(TokioIo::new(socket), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection broke");
            }
        });
    }
}

/// One request through the layers: the access log around everything, tonic's own refusals put into this API's terms,
/// then the services.
async fn answer(
    mut routes: Routes,
    metrics: Metrics,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (request, logged) = access::begin(&metrics, request);
    let uri = request.uri().clone();
    let response = routes.call(request).await?;
    let response = match status::of_tonic(uri.path(), response.headers()) {
        Some(status) => status.into_http(),
        None => response,
    };
    Ok(logged(response))
}
