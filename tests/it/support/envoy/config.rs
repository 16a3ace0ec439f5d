//! What Envoy is told: HTTP/2 on both sides, replicas asked for their health by gRPC, and retries that never create a
//! task twice.

use std::{net::SocketAddr, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{HEALTH_INTERVAL, MutualTls};

/// How long a replica may take to say that it serves.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// The replicas' name in Envoy's statistics.
pub const CLUSTER: &str = "proxy";

const SERVICE: &str = "xpander.agent.v1.AgentService";
/// The calls that change nothing: whatever became of one, it may be sent again, until its first answer went through.
const READS: [&str; 3] = ["GetTask", "WaitTask", "StreamEvents"];
const RETRY_READS: &str = "unavailable,connect-failure,refused-stream,reset";
/// What proves that a call was not processed. Not `reset` nor `unavailable`: the task may exist.
const RETRY_CREATES: &str = "connect-failure,refused-stream";

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// How often Envoy pings a replica on each connection, and how long an answer may take: then the connection is closed, and
/// the calls on it are over. Health checks alone do not end them.
pub const PINGED_EVERY: Duration = Duration::from_secs(1);
pub const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Where meshes differ.
#[derive(Clone, Debug, Default)]
pub struct Mesh {
    /// What Envoy shows to the replicas; none: cleartext.
    pub tls: Option<MutualTls>,
    /// How long a call may be silent both ways; none: for ever, as Istio has it.
    pub stream_idle_timeout: Option<Duration>,
}

/// What Envoy reads when it starts. The replicas are in a file that it watches.
pub fn bootstrap(mesh: &Mesh, endpoints: &Path) -> Value {
    json!({
        "node": { "id": "envoy", "cluster": "mesh" },
        "admin": { "address": address(([127, 0, 0, 1], 0).into()) },
        "static_resources": { "listeners": [listener(mesh)], "clusters": [cluster(mesh, endpoints)] },
    })
}

/// The replicas, as a mesh's control plane tells them.
pub fn endpoints(replicas: &[SocketAddr]) -> Value {
    let host = |replica: &SocketAddr| json!({ "endpoint": { "address": address(*replica) } });
    let hosts: Vec<_> = replicas.iter().map(host).collect();
    json!({
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": CLUSTER,
            "endpoints": [{ "lb_endpoints": hosts }],
        }],
    })
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn listener(mesh: &Mesh) -> Value {
    let manager = json!({
        "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "callers",
        "codec_type": "HTTP2",
        // A stream may be silent for long; heartbeats are the caller's choice.
        "stream_idle_timeout": seconds(mesh.stream_idle_timeout.unwrap_or_default()),
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes() }] },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": format!("{TYPES}.filters.http.router.v3.Router") },
        }],
    });
    json!({
        "name": "callers",
        "address": address(([127, 0, 0, 1], 0).into()),
        "filter_chains": [{
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
        }],
    })
}

fn routes() -> Vec<Value> {
    let route = |path: Value, retry_on: &str| {
        json!({
            "match": path,
            "route": {
                "cluster": CLUSTER,
                // The proxy keeps the deadline of `grpc-timeout`, and streams have none but that.
                "timeout": "0s",
                "retry_policy": {
                    "retry_on": retry_on,
                    "num_retries": 5,
                    "retry_back_off": { "base_interval": "0.010s", "max_interval": "0.200s" },
                    "retry_host_predicate": [{
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": {
                            "@type": format!("{TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
                        },
                    }],
                    "host_selection_retry_max_attempts": 5,
                },
            },
        })
    };
    let reads = READS.iter().map(|call| route(json!({ "path": format!("/{SERVICE}/{call}") }), RETRY_READS));
    // `Invoke`, `InvokeStream`, `StopTask`, and whatever there will be.
    reads.chain([route(json!({ "prefix": "/" }), RETRY_CREATES)]).collect()
}

fn cluster(mesh: &Mesh, endpoints: &Path) -> Value {
    let http = json!({
        "@type": format!("{TYPES}.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {
            "http2_protocol_options": {
                "connection_keepalive": { "interval": seconds(PINGED_EVERY), "timeout": seconds(PING_TIMEOUT) },
            },
        },
    });
    let interval = seconds(HEALTH_INTERVAL);
    let mut cluster = json!({
        "name": CLUSTER,
        "type": "EDS",
        "eds_cluster_config": { "eds_config": { "path_config_source": { "path": endpoints } } },
        "connect_timeout": "2s",
        "lb_policy": "ROUND_ROBIN",
        "common_lb_config": {
            // Never a call to a replica that drains, even where all do.
            "healthy_panic_threshold": { "value": 0 },
            // Or what Envoy says of a replica's health is up to a second ahead of what it does.
            "update_merge_window": "0s",
        },
        // Three by default, too few for the reads that a lost replica had under way.
        "circuit_breakers": { "thresholds": [{ "max_retries": 1024 }] },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http },
        "health_checks": [{
            "timeout": seconds(HEALTH_TIMEOUT),
            "interval": interval,
            "no_traffic_interval": interval,
            "unhealthy_interval": interval,
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
            "grpc_health_check": { "service_name": SERVICE },
        }],
        // A replica that is taken away gets no new call from then on, whatever it says of its health.
        "ignore_health_on_host_removal": true,
    });
    if let Some(tls) = &mesh.tls {
        cluster["transport_socket"] = transport(tls);
    }
    cluster
}

/// Mutual TLS to the replicas.
fn transport(tls: &MutualTls) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": format!("{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": tls.name,
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_certificates": [{
                    "certificate_chain": { "filename": tls.cert_file },
                    "private_key": { "filename": tls.key_file },
                }],
                "validation_context": {
                    "trusted_ca": { "filename": tls.ca_file },
                    "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": tls.name } }],
                },
            },
        },
    })
}
