//! The one place all parts meet: settings in, a bound server out.

mod admin;
mod jwks;
mod reload;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use self::{
    jwks::{FetchError, Fetcher},
    reload::Source,
};
use crate::{
    calls::Calls,
    claims::{EndpointError, Store},
    config::{self, Secret, Settings},
    grpc::{Auth, Parts, Server, Tls, TlsError},
    health::{Pending, Readiness},
    memory::Budget,
    platform::{Client, KeyError, Keys},
    shutdown::HangUps,
    telemetry::{self, ExportError, Metrics},
};

/// A server whose ports are bound, not serving yet.
pub struct Bound {
    grpc: TcpListener,
    admin: TcpListener,
    /// How long a connection of the admin port may be silent.
    patience: Duration,
    server: Server,
    /// Read again when they change.
    files: Vec<Source>,
    metrics: Metrics,
    store: Option<Arc<Store>>,
    readiness: Readiness,
    /// Held until the gRPC port is served.
    starting: Pending,
    /// What fetches the keys of JWTs; its guard is held until they are there.
    fetching: Option<(Fetcher, Pending)>,
}

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("{setting}: {}", cannot_listen(address, error))]
    Bind {
        /// The setting with the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The API key, or the connections it is used on, cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// TLS cannot be made from its files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store of idempotency keys cannot be used.
    #[error(transparent)]
    Store(#[from] EndpointError),
    /// The keys of JWTs could never be fetched.
    #[error(transparent)]
    Jwks(#[from] FetchError),
    /// A file with a secret cannot be used.
    #[error("{0}")]
    File(String),
    /// The API's descriptors cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Traces or metrics cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A bound socket does not know its address.
    #[error("a bound port has no address: {0}")]
    Address(io::Error),
}

impl StartError {
    /// Whether a setting, or a file that it names, is wrong; else it is the machine's state.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        match self {
            Self::Key(_) | Self::Tls(_) | Self::Store(_) | Self::File(_) | Self::Jwks(_) | Self::Export(_) => true,
            Self::Bind { .. } | Self::Reflection(_) | Self::Address(_) => false,
        }
    }
}

/// Why an address cannot be listened on, and what to do about it.
#[must_use]
pub fn cannot_listen(address: &SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "; something listens there already: end it, or choose another port",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address: 0.0.0.0 is all that it has",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a permission: choose a higher one",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{advice}")
}

/// What is made of settings and of the files that they name. Nothing here goes anywhere or listens.
struct Made {
    keys: Arc<Keys>,
    auth: Arc<Auth>,
    tls: Option<Arc<Tls>>,
}

impl Made {
    fn of(settings: &Settings) -> Result<Self, StartError> {
        Store::check(&settings.deduplication)?;
        Ok(Self {
            keys: Arc::new(Keys::new(&settings.platform)?),
            auth: Arc::new(Auth::new(&settings.auth, settings.server.tls_client_ca_file.is_some())),
            tls: Tls::new(&settings.server, &settings.auth)?.map(Arc::new),
        })
    }
}

/// Finds what would keep a server from starting with these settings, but for ports that are taken: by what
/// [`Bound::bind`] goes through, too.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(settings: &Settings) -> Result<(), StartError> {
    telemetry::check(settings)?;
    let made = Made::of(settings)?;
    Fetcher::new(settings, made.auth.jwt())?;
    files(settings, &made, None).map(drop).map_err(StartError::File)
}

impl Bound {
    /// Builds every part from checked settings and binds the ports; port 0 takes a free one.
    ///
    /// # Errors
    /// When a port is taken or a part refuses its settings.
    pub async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let made = Made::of(settings)?;
        let readiness = Readiness::default();
        let starting = readiness.wait_for("the gRPC port");
        let budget = Budget::new(settings.server.max_buffered_bytes);
        let client = Client::new(settings, Arc::clone(&budget));
        let metrics = Metrics::new(settings.otlp.metrics.as_ref(), &settings.telemetry)?;
        if settings.telemetry.caller_label {
            metrics.limits().name_callers(settings.callers());
        }
        let store = Store::start(&settings.deduplication, &metrics)?;
        let observed = store.clone();
        metrics.claims().observe_store(move || observed.as_ref().is_some_and(|store| store.trouble().is_some()));
        if !settings.users.metadata.is_empty() && settings.users.callers.is_empty() {
            warn!("users.metadata does nothing: users.callers names nobody whose metadata is believed");
        }
        if !settings.otlp.passed_over.is_empty() {
            let variables = settings.otlp.passed_over.join(" ");
            warn!(
                variables,
                "variables of OpenTelemetry that are not followed: docs/configuration.md has those that are"
            );
        }
        let files = files(settings, &made, store.as_ref()).map_err(StartError::File)?;
        let fetcher = Fetcher::new(settings, made.auth.jwt())?;
        let is_away = fetcher.as_ref().map(Fetcher::is_away);
        metrics.observe_keys(move || is_away.as_ref().is_some_and(|is_away| is_away()));
        let fetching = fetcher.map(|fetcher| (fetcher, readiness.wait_for("the keys of auth.jwt (auth.jwt.jwks_url)")));
        let Made { keys, auth, tls } = made;
        let calls = Calls::new(client, store.clone(), settings);
        let parts = Parts { calls, keys, auth, tls, metrics: metrics.clone(), budget };
        let server = Server::new(settings, parts).await?;
        let grpc = listen("server.listen", settings.server.listen).await?;
        let admin = listen("server.admin_listen", settings.server.admin_listen).await?;
        let patience = settings.server.handshake_timeout;
        Ok(Self { grpc, admin, patience, server, files, metrics, store, readiness, starting, fetching })
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
        let Self { grpc, admin, patience, server, files, metrics, store, readiness, starting, fetching } = self;
        let hang_ups = HangUps::catch().inspect_err(|error| warn!(%error, "SIGHUP cannot be caught")).ok();
        if let (Ok(grpc), Ok(admin)) = (grpc.local_addr(), admin.local_addr()) {
            info!(%grpc, %admin, tls = server.is_secure(), callers = server.callers(), "serving");
        }
        let routes = admin::routes(readiness.clone(), metrics.clone(), store);
        let probes = AbortOnDropHandle::new(tokio::spawn(admin::serve(admin, routes, patience)));
        let watching = tokio::spawn(reload::watch(files, hang_ups));
        let fetching = fetching.map(|(fetcher, pending)| AbortOnDropHandle::new(tokio::spawn(fetcher.run(pending))));
        drop(starting);
        let draining = async {
            shutdown.await;
            readiness.wait_for("the drain: the replica is shutting down")
        };
        let mut held = None;
        server.run(grpc, readiness.ready(), async { held = Some(draining.await) }).await;
        watching.abort();
        // A probe that does not hang up is not waited for.
        drop((probes, fetching));
        metrics.finish().await;
        info!("drained");
    }
}

/// What is read from files, now and again when they change.
fn files(settings: &Settings, parts: &Made, store: Option<&Arc<Store>>) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    if let Some(path) = settings.platform.api_key_file.clone() {
        let keys = Arc::clone(&parts.keys);
        sources.push(Source::new("platform.api_key_file", [path.clone()], move || {
            keys.replace_own(config::secret_from(&path)?).map_err(|error| error.to_string())
        })?);
    }
    if let Some(path) = settings.platform.ca_file.clone() {
        let keys = Arc::clone(&parts.keys);
        let reload = move || keys.reload_authorities().map_err(|error| error.to_string());
        sources.push(Source::new("platform.ca_file", [path], reload)?);
    }
    if let Some(path) = settings.auth.tokens_file.clone() {
        let auth = Arc::clone(&parts.auth);
        sources.push(Source::new("auth.tokens_file", [path.clone()], move || {
            auth.replace_tokens(&config::tokens_from(&path)?);
            Ok(())
        })?);
    }
    if let (Some(path), Some(jwt)) = (settings.auth.jwt.jwks_file.clone(), parts.auth.jwt().cloned()) {
        sources.push(Source::new("auth.jwt.jwks_file", [path.clone()], move || {
            jwt.keys.replace(config::keys_from(&path)?);
            Ok(())
        })?);
    }
    if let Some(tls) = parts.tls.clone() {
        let server = &settings.server;
        let paths = [&server.tls_cert_file, &server.tls_key_file, &server.tls_client_ca_file];
        let paths: Vec<_> = paths.into_iter().flatten().cloned().collect();
        let reload = move || tls.reload().map_err(|error| error.to_string());
        sources.push(Source::new("the files of server.tls", paths, reload)?);
    }
    if let Some(store) = store {
        let settings = settings.deduplication.clone();
        let paths: Vec<_> = [&settings.store_file, &settings.store_ca_file].into_iter().flatten().cloned().collect();
        let store = Arc::clone(store);
        if !paths.is_empty() {
            sources.push(Source::new("the files of deduplication.store", paths, move || {
                let url = match &settings.store_file {
                    Some(path) => config::store_from(path)?,
                    None => settings.store.clone().unwrap_or_else(|| Secret::new("")),
                };
                store.replace(&url, settings.store_ca_file.clone()).map_err(|error| error.to_string())
            })?);
        }
    }
    Ok(sources)
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { setting, address, error })
}
