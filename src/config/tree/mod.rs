//! The settings: plain data, each key with its default. Not how they are named, read or checked: that is `keys`.

pub mod callers;
pub mod deduplication;
pub mod limits;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::ValueEnum;

use self::{
    callers::{Auth, Users},
    deduplication::Deduplication,
    limits::Limits,
};
use super::{otel::Otlp, proxies::Proxies, secret::Secret};

/// All settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The gRPC port and the admin port.
    pub server: Server,
    /// The platform and how it is reached.
    pub platform: Platform,
    /// The agents that calls may leave out or pin.
    pub agents: Agents,
    /// Who may call.
    pub auth: Auth,
    /// How callers share a replica.
    pub limits: Limits,
    /// What is said of the people and services behind a call.
    pub users: Users,
    /// Event streams.
    pub events: Events,
    /// Creates with a request id.
    pub deduplication: Deduplication,
    /// Logs.
    pub telemetry: Telemetry,
    /// What is exported over OTLP, by the `OTEL_*` variables.
    pub otlp: Otlp,
}

/// The gRPC port and the admin port.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are served; never carries the API.
    pub admin_listen: SocketAddr,
    /// A PEM file with the certificate chain of the gRPC port; without one it speaks cleartext. Re-read when it changes.
    pub tls_cert_file: Option<PathBuf>,
    /// A PEM file with the certificate's private key. Re-read when it changes.
    pub tls_key_file: Option<PathBuf>,
    /// A PEM file with the authorities that callers' certificates must come from (mTLS). Re-read when it changes.
    pub tls_client_ca_file: Option<PathBuf>,
    /// Short calls under way at once, over all connections; a create counts until it is answered, also without its caller.
    pub max_calls: u32,
    /// `WaitTask` under way at once, over all connections.
    pub max_waits: u32,
    /// Streaming calls under way at once, over all connections.
    pub max_streams: u32,
    /// The largest request message in bytes, after decompression.
    pub max_request_bytes: usize,
    /// The largest response message in bytes.
    pub max_response_bytes: usize,
    /// Bytes of answers that are being read or wait for their callers, over all calls together.
    pub max_buffered_bytes: usize,
    /// Bytes of requests that are on their way in or being worked on, heads and messages, over all calls together.
    pub max_receiving_bytes: usize,
    /// `Health.Watch` and reflection at once, over all connections, and as many `Health.Check`.
    pub max_other_streams: u32,
    /// Connections at once, in their handshakes or after them.
    pub max_connections: u32,
    /// The largest metadata of a call in bytes.
    pub max_metadata_bytes: u32,
    /// HTTP/2 streams one connection may have open.
    pub max_streams_per_connection: u32,
    /// Calls younger than a second that a connection's caller may reset within ten seconds; one that resets more is closed.
    pub max_resets_per_connection: u32,
    /// How long a new connection may take for its TLS handshake and its first words of HTTP/2.
    pub handshake_timeout: Duration,
    /// How long a request's message may take to arrive.
    pub receive_timeout: Duration,
    /// How often a connection is pinged.
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take; then the connection is closed.
    pub keepalive_timeout: Duration,
    /// How long a connection may be without a call; then it is closed.
    pub max_connection_idle: Duration,
    /// How old a connection becomes, give or take a tenth, before its caller is told to open another (GOAWAY).
    pub max_connection_age: Duration,
    /// How long the calls of such a connection may go on; then its streams end with UNAVAILABLE. Zero: for ever.
    pub max_connection_age_grace: Duration,
    /// How long serving goes on after SIGTERM, while balancers learn of it.
    pub drain_delay: Duration,
    /// How long calls in flight then may take to finish.
    pub drain_timeout: Duration,
}

/// The platform and how it is reached.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The base URL, `XPANDER_BASE_URL`; without a scheme it gets `https://`.
    pub base_url: String,
    /// The API key, `XPANDER_API_KEY`.
    pub api_key: Option<Secret>,
    /// The file that `api_key` was read from, `XPANDER_API_KEY_FILE`, when it came from one.
    pub api_key_file: Option<PathBuf>,
    /// The organization, `XPANDER_ORGANIZATION_ID`.
    pub organization_id: Option<String>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a request may take, connection and body included; event streams: until their headers.
    pub request_timeout: Duration,
    /// The largest answer in bytes, after decompression.
    pub max_answer_bytes: usize,
    /// How long an unused connection is kept; below the platform's own keep-alive.
    pub pool_idle_timeout: Duration,
    /// How long nothing may be heard on an HTTP/2 connection before it is pinged.
    pub keepalive_interval: Duration,
    /// How long the answer to such a ping may take; then the connection is closed.
    pub keepalive_timeout: Duration,
    /// Whether HTTP/2 is spoken.
    pub http2: Http2,
    /// How many requests share a connection over HTTP/2.
    pub http2_streams: u32,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The forward proxies on the way, by `HTTPS_PROXY` and the like; no key of the file.
    pub proxies: Proxies,
    /// How often a read is sent again, and a create that could not be sent at all; zero: never.
    pub retries: u32,
    /// How long a loaded agent is remembered; zero: not at all.
    pub agent_cache_ttl: Duration,
}

/// Whether HTTP/2 is spoken to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Http2 {
    /// Where ALPN offers it.
    Auto,
    /// Always, also without TLS.
    PriorKnowledge,
    /// Never.
    Off,
}

/// The agents that calls may leave out or pin.
#[derive(Debug, Clone, Default)]
pub struct Agents {
    /// The agent of calls that name none, `XPANDER_AGENT_ID`.
    pub default_id: Option<String>,
    /// The version that an agent's tasks are pinned to, by agent id; a call's own `agent_version` wins.
    pub pins: BTreeMap<String, String>,
    /// Whether a task is stopped whose caller left before it was created.
    pub stop_abandoned: bool,
}

/// Event streams.
#[derive(Debug, Clone)]
pub struct Events {
    /// How long the platform's stream may be silent before it counts as broken; comments count as life.
    pub idle_timeout: Duration,
    /// How long reconnecting to a broken stream goes on without a new event, before its caller is told.
    pub reconnect_budget: Duration,
    /// The largest event in bytes; a larger one is skipped, counted and logged.
    pub max_event_bytes: usize,
    /// Whether access tokens inside auth events reach callers.
    pub forward_access_tokens: bool,
}

/// Logs, and what is told of agents.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// JSON lines or text, on standard error.
    pub log_format: LogFormat,
    /// A level or `tracing` filter, e.g. `info` or `warn,xpander_grpc_proxy=debug`.
    pub log_filter: String,
    /// The agents that metrics name; all others are one.
    pub agents: BTreeSet<String>,
    /// Whether OpenTelemetry's conventions for generative AI are followed, too.
    pub gen_ai: bool,
    /// Whether refused calls are counted by caller, for those that the settings name.
    pub caller_label: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Settings {
    /// The names of all callers that are named.
    #[must_use]
    pub fn callers(&self) -> BTreeSet<String> {
        let Self { auth, users, limits, .. } = self;
        let rates = limits.creates_per_second.keys().chain(limits.burst.keys());
        let rights = auth.tokens.keys().chain(auth.agents.keys()).chain(&auth.allowed_clients).chain(&users.callers);
        rights.chain(limits.shares.keys()).chain(rates).filter(|name| *name != "*").cloned().collect()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 50051)),
            admin_listen: SocketAddr::from(([0, 0, 0, 0], 9464)),
            tls_cert_file: None,
            tls_key_file: None,
            tls_client_ca_file: None,
            max_calls: 5_000,
            max_waits: 5_000,
            max_streams: 10_000,
            max_request_bytes: 16 << 20,
            max_response_bytes: 64 << 20,
            max_buffered_bytes: 32 << 20,
            max_receiving_bytes: 32 << 20,
            max_other_streams: 2_000,
            max_connections: 10_000,
            max_metadata_bytes: 16 << 10,
            max_streams_per_connection: 1024,
            max_resets_per_connection: 500,
            handshake_timeout: Duration::from_secs(10),
            receive_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_mins(1),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_idle: Duration::from_mins(15),
            max_connection_age: Duration::from_mins(30),
            max_connection_age_grace: Duration::from_hours(1),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            base_url: "https://inbound.xpander.ai".to_owned(),
            api_key: None,
            api_key_file: None,
            organization_id: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_mins(1),
            max_answer_bytes: 64 << 20,
            pool_idle_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            http2: Http2::Auto,
            http2_streams: 100,
            ca_file: None,
            proxies: Proxies::default(),
            retries: 3,
            agent_cache_ttl: Duration::from_secs(5),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(90),
            reconnect_budget: Duration::from_mins(2),
            max_event_bytes: 16 << 20,
            forward_access_tokens: false,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Json,
            log_filter: "info".to_owned(),
            agents: BTreeSet::new(),
            gen_ai: false,
            caller_label: false,
        }
    }
}
