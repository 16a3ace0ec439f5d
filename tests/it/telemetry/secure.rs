//! OTLP over TLS, to a real receiver, by the certificates that the variables name; and why an export fails.

use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore,
        pki_types::{PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};
use xpander_grpc_proxy::proto::GetTaskRequest;

use super::client;
use crate::support::{
    binary::{Serving, run},
    collector::Collector,
    folder::Folder,
    live::within,
    platform::{Platform, Reply, task},
    secure_caller::{Authority, Identity},
};

const GET: &str = "xpander.agent.v1.AgentService/GetTask";
const PROTOCOLS: [(bool, &str); 2] = [(true, "grpc"), (false, "http/protobuf")];

/// TLS with this certificate; for clients of `clients` alone, where there are any.
fn tls(identity: &Identity, clients: Option<&Authority>) -> TlsAcceptor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = match clients {
        None => rustls::ServerConfig::builder().with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der()).expect("an authority");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
            rustls::ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_single_cert(vec![identity.der()], key).expect("a good certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Reads a task before a proxy with this environment.
async fn serving(environment: &[(&str, &str)]) -> (Platform, Serving) {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "20"), ("OTEL_METRIC_EXPORT_INTERVAL", "50")];
    let serving = Serving::before(&platform.base_url(), &[&soon, environment].concat()).await;
    let get = GetTaskRequest { task_id: "task-1".to_owned() };
    within("a task", client(&serving).get_task(get)).await.expect("OK");
    (platform, serving)
}

#[tokio::test]
async fn traces_and_metrics_reach_a_receiver_over_tls_that_the_variables_vouch_for() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let ca_file = folder.write("ca.pem", &authority.pem);
    let ca_file = ca_file.to_str().expect("UTF-8");
    for (is_grpc, protocol) in PROTOCOLS {
        for name in ["OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"] {
            let collector = Collector::secure(is_grpc, tls(&authority.issue(&["localhost"]), None)).await;
            let certificate = format!("{name}CERTIFICATE");
            let _running = serving(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                (&certificate, ca_file),
            ])
            .await;
            collector.spans([GET]).await;
            if name == "OTEL_EXPORTER_OTLP_" {
                collector.once(|received| !received.metrics.is_empty()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_is_shown_the_one_that_the_variables_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let identity = authority.issue(&["proxy.test"]);
    let files = [("ca.pem", &authority.pem), ("tls.crt", &identity.chain), ("tls.key", &identity.key)];
    let [ca, cert, key] = files.map(|(name, pem)| folder.write(name, pem).to_str().expect("UTF-8").to_owned());
    for (is_grpc, protocol) in PROTOCOLS {
        let server = authority.issue(&["localhost"]);
        let collector = Collector::secure(is_grpc, tls(&server, Some(&authority))).await;
        let _running = serving(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &cert),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
        ])
        .await;
        collector.spans([GET]).await;
        collector.once(|received| !received.metrics.is_empty()).await;
    }
}

#[tokio::test]
async fn why_an_export_fails_is_in_the_log_without_the_address() {
    let (folder, authority, other) = (Folder::new(), Authority::new(), Authority::new());
    let ca_file = folder.write("other.pem", &other.pem);
    for (is_grpc, protocol) in PROTOCOLS {
        let collector = Collector::secure(is_grpc, tls(&authority.issue(&["localhost"]), None)).await;
        let untrusted = [("OTEL_EXPORTER_OTLP_CERTIFICATE", ca_file.to_str().expect("UTF-8"))];
        let closed = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@127.0.0.1:1")];
        for (more, reason) in [(&untrusted, "invalid peer certificate"), (&closed, "Connection refused")] {
            let environment = [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ];
            let (_platform, serving) = serving(&[&environment, &more[..]].concat()).await;
            let log = serving.log_with(reason).await;
            assert!(!log.contains("hunter2"), "{log}");
        }
        assert!(collector.received().spans.is_empty());
    }
}

#[tokio::test]
async fn an_endpoint_or_a_file_that_cannot_be_used_stops_check_as_it_stops_the_start() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        for command in [&["check", "--sandbox"][..], &["serve", "--sandbox", "--listen", "127.0.0.1:0"]] {
            let run = run(command, &[endpoint, (name, value)]).await;
            assert_eq!((run.code, run.err.lines().count()), (Some(2), 1), "{run:?}");
            assert!(run.err.contains(name), "{run:?}");
        }
    }
}

#[tokio::test]
async fn variables_that_nothing_follows_are_named_at_the_start() {
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_LOGS_EXPORTER", "hunter2"),
    ];
    let log = Serving::sandbox(&environment).await.log_with("OTEL_PROPAGATORS OTEL_LOGS_EXPORTER").await;
    assert!(log.lines().any(|line| line.contains("OTEL_PROPAGATORS") && line.contains("WARN")), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}
