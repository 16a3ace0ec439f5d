//! The settings: plain data, each key with its default. Not how they are named, read or checked: that is `keys`.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;

/// All settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The gRPC port and the admin port.
    pub server: Server,
    /// The platform and how it is reached.
    pub platform: Platform,
    /// The agents that calls may leave out or pin.
    pub agents: Agents,
    /// Event streams.
    pub events: Events,
    /// Logs.
    pub telemetry: Telemetry,
}

/// The gRPC port and the admin port.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served; never carries the API.
    pub admin_listen: SocketAddr,
    /// The largest request message in bytes, after decompression.
    pub max_request_bytes: usize,
    /// The largest response message in bytes.
    pub max_response_bytes: usize,
    /// The largest metadata of a call in bytes.
    pub max_metadata_bytes: u32,
    /// HTTP/2 streams one connection may have open.
    pub max_streams_per_connection: u32,
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
    /// Whether HTTP/2 is spoken.
    pub http2: Http2,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
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

/// Logs.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// JSON lines or text, on standard error.
    pub log_format: LogFormat,
    /// A level or `tracing` filter, e.g. `info` or `warn,xpander_grpc_proxy=debug`.
    pub log_filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A value that must not be seen: its Debug says so.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 50051)),
            admin_listen: SocketAddr::from(([0, 0, 0, 0], 9464)),
            max_request_bytes: 16 << 20,
            max_response_bytes: 64 << 20,
            max_metadata_bytes: 16 << 10,
            max_streams_per_connection: 1024,
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
            http2: Http2::Auto,
            ca_file: None,
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
        Self { log_format: LogFormat::Json, log_filter: "info".to_owned() }
    }
}
