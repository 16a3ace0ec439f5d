//! The gRPC port: its services, its connections from the first to the last, and the drain at the end.
//!
//! Not tonic's own server: that one answers CANCELLED where a deadline passes, and cuts sockets to age connections.

use std::{future::pending, io::ErrorKind, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    codec::CompressionEncoding,
    service::{Routes, RoutesBuilder},
};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};
use tracing::warn;

use super::{
    connection::tls::Tls,
    door::Door,
    layers::Edge,
    request::{attach::Attach, auth::Auth, limits::Limits},
    service::{SERVICE, Service},
    serving,
};
use crate::{
    calls::Calls,
    config::{self, Settings},
    memory::Budget,
    platform::Keys,
    proto::{self, agent_service_server::AgentServiceServer},
    telemetry::Metrics,
};

/// The whole server's name, for health checks.
const ALL: &str = "";

/// The largest message that asks for health or reflection, in bytes: a name, which nobody counts.
const LARGEST_OTHER: usize = 4 << 10;
/// Why connections are refused.
const REFUSED: &str = "server.max_connections are open, or as many files as may be";
/// The pause after an accept that failed, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last statuses of a drain have to reach their callers: longer than one call's, so that each call whose
/// caller reads nothing leaves its line in the log.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// The gRPC port's server.
pub struct Server {
    edge: Arc<Edge>,
    health: HealthReporter,
    calls: Calls,
    drain_delay: Duration,
    drain_timeout: Duration,
}

/// What a server is made of beside its settings.
pub struct Parts {
    /// What the calls do.
    pub calls: Calls,
    /// Whose key the platform sees.
    pub keys: Arc<Keys>,
    /// Who may call.
    pub auth: Arc<Auth>,
    /// TLS; without it the port speaks cleartext.
    pub tls: Option<Arc<Tls>>,
    /// What is counted.
    pub metrics: Metrics,
    /// The bytes that all answers may hold.
    pub budget: Arc<Budget>,
}

impl Server {
    /// A server that is not ready yet: its health says `NOT_SERVING`.
    ///
    /// # Errors
    /// When the compiled descriptors cannot be read.
    pub async fn new(settings: &Settings, parts: Parts) -> Result<Self, tonic_reflection::server::Error> {
        let Parts { calls, keys, auth, tls, metrics, budget } = parts;
        let (health, health_service) = health_reporter();
        // tonic-health begins with SERVING.
        health.set_service_status(ALL, ServingStatus::NotServing).await;
        health.set_service_status(SERVICE, ServingStatus::NotServing).await;
        let door = Door {
            keys,
            pass_through: settings.auth.pass_through,
            auth: Arc::clone(&auth),
            tasks: settings.auth.tasks,
            attach: Attach::new(&settings.users),
            list_tasks: settings.auth.list_tasks.clone(),
            default_agent: settings.agents.default_id.clone(),
            max_response_bytes: settings.server.max_response_bytes,
        };
        let service = Service { calls: calls.clone(), door };
        let mut others = Routes::builder();
        others.add_service(health_service.max_decoding_message_size(LARGEST_OTHER));
        add_reflection(&mut others)?;
        let used = Arc::clone(&budget);
        let requests = Budget::new(settings.server.max_receiving_bytes);
        let held = Arc::clone(&requests);
        metrics.observe_sizes(move || used.used() as u64, move || held.used() as u64);
        let remembering = calls.clone();
        metrics.claims().observe_names(move || remembering.remembered());
        let edge = Edge {
            agent: agent_service(service, &settings.server),
            others: others.routes().prepare(),
            limits: Limits::new(settings, auth.names_callers()),
            auth,
            tls,
            metrics,
            budget,
            requests,
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
            settings: settings.server.clone(),
        };
        let (drain_delay, drain_timeout) = (settings.server.drain_delay, settings.server.drain_timeout);
        Ok(Self { edge: Arc::new(edge), health, calls, drain_delay, drain_timeout })
    }

    /// Whether the port speaks TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.edge.tls.is_some()
    }

    /// Who may call, in words.
    #[must_use]
    pub fn callers(&self) -> &'static str {
        self.edge.auth.callers()
    }

    /// Serves until `shutdown` comes; its health says so from when `ready` has come. Then it drains: goes on serving while
    /// balancers learn of it, takes no more connections, lets calls finish, and ends what is left with a status.
    pub async fn run(self, listener: TcpListener, ready: impl Future<Output = ()>, shutdown: impl Future<Output = ()>) {
        let connections = TaskTracker::new();
        {
            let serving = async {
                ready.await;
                self.set_health(ServingStatus::Serving).await;
                pending::<()>().await;
            };
            let draining = async {
                tokio::select! {
                    biased;
                    () = serving => {}
                    () = shutdown => {}
                }
                self.set_health(ServingStatus::NotServing).await;
                sleep(self.drain_delay).await;
            };
            tokio::select! {
                biased;
                () = draining => {}
                () = self.accept(&listener, &connections) => {}
            }
        }
        drop(listener);
        self.edge.draining.cancel();
        connections.close();
        let drained = async {
            connections.wait().await;
            self.calls.finish().await;
        };
        let mut drained = std::pin::pin!(drained);
        if timeout(self.drain_timeout, &mut drained).await.is_err() {
            self.edge.closing.cancel();
            // A caller that does not read its last status is not waited for.
            let _ = timeout(LAST_WORDS, drained).await;
            let _ = timeout(LAST_WORDS, self.calls.end()).await;
        }
    }

    async fn set_health(&self, status: ServingStatus) {
        self.health.set_service_status(ALL, status).await;
        self.health.set_service_status(SERVICE, status).await;
    }

    async fn accept(&self, listener: &TcpListener, connections: &TaskTracker) {
        let mut told = Told::default();
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    let Some(place) = self.edge.limits.connection(&socket) else {
                        self.edge.metrics.connection_refused();
                        told.once(|| warn!("connections are refused: {REFUSED}"));
                        continue;
                    };
                    told = Told::default();
                    let serving = serving::serve(socket, Arc::clone(&self.edge));
                    connections.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                // It left while it waited.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    told.once(|| warn!(%error, "connections cannot be accepted"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether a trouble was told already: not twenty times a second.
#[derive(Default)]
struct Told(bool);

impl Told {
    fn once(&mut self, tell: impl FnOnce()) {
        if !std::mem::replace(&mut self.0, true) {
            tell();
        }
    }
}

fn agent_service(service: Service, settings: &config::Server) -> AgentServiceServer<Service> {
    let agent_service = AgentServiceServer::new(service)
        .max_decoding_message_size(settings.max_request_bytes)
        .max_encoding_message_size(settings.max_response_bytes);
    [CompressionEncoding::Gzip, CompressionEncoding::Zstd]
        .into_iter()
        .fold(agent_service, |service, encoding| service.accept_compressed(encoding).send_compressed(encoding))
}

/// Both versions list both: each knows only itself by default.
fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), tonic_reflection::server::Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .include_reflection_service(false)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that clients that know the API by reflection alone can read the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    routes
        .add_service(v1.max_decoding_message_size(LARGEST_OTHER))
        .add_service(v1alpha.max_decoding_message_size(LARGEST_OTHER));
    Ok(())
}
