//! A platform over TLS, or over HTTP/2 without it: one agent, one task, and event streams that stay open on demand.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::body::Body;
use http::{Request, Response, Version};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::generate_simple_self_signed;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::{
    live::finished,
    platform::{event, task},
};

/// What the platform speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TLS, with these protocols offered by ALPN.
    Tls(&'static [&'static [u8]]),
    /// HTTP/2 without TLS.
    ClearHttp2,
}

/// The platform; stops when it is dropped.
pub struct SecurePlatform {
    pub base_url: String,
    /// The certificate that it shows, for the proxy to trust.
    pub ca_file: PathBuf,
    pub seen: Arc<Mutex<Vec<(Version, String)>>>,
    /// Event streams that are open.
    pub streams: watch::Receiver<usize>,
    pub connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

#[derive(Clone)]
struct Answers {
    seen: Arc<Mutex<Vec<(Version, String)>>>,
    streams: watch::Sender<usize>,
}

/// Counts an open stream for as long as it lives.
struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl SecurePlatform {
    /// A platform whose certificate is for `name`.
    pub async fn start(speaks: Speaks, name: &str) -> Self {
        let key = generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        Self::showing(speaks, &key.cert.pem(), &key.signing_key.serialize_pem()).await
    }

    /// A platform with this certificate and key, in PEM.
    pub async fn showing(speaks: Speaks, certificate: &str, key: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = format!("platform-{}-{}.pem", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let ca_file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
        fs::write(&ca_file, certificate).expect("written");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (streams, open) = watch::channel(0);
        let answers = Answers { seen: Arc::default(), streams };
        let (seen, connections) = (Arc::clone(&answers.seen), Arc::new(AtomicUsize::new(0)));
        let tls = match speaks {
            Speaks::Tls(protocols) => Some(acceptor(certificate, key, protocols)),
            Speaks::ClearHttp2 => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = tokio::spawn(accept(listener, tls, answers, Arc::clone(&connections)));
        Self { base_url: format!("{scheme}://localhost:{port}"), ca_file, seen, streams: open, connections, accepting }
    }

    /// The HTTP versions that were spoken; each once.
    pub fn versions(&self) -> Vec<Version> {
        let mut versions: Vec<_> = self.seen.lock().expect("no panic").iter().map(|(version, _)| *version).collect();
        versions.sort();
        versions.dedup();
        versions
    }
}

impl Drop for SecurePlatform {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = fs::remove_file(&self.ca_file);
    }
}

/// What shows this certificate, both in PEM.
pub fn acceptor(certificate: &str, key: &str, protocols: &[&[u8]]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).expect("a good certificate");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, answers: Answers, connections: Arc<AtomicUsize>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, answers, connections) = (tls.clone(), answers.clone(), Arc::clone(&connections));
        tokio::spawn(async move {
            let Some(tls) = tls else { return serve(socket, true, answers).await };
            // A proxy that does not trust the certificate leaves here.
            let Ok(socket) = tls.accept(socket).await else { return };
            connections.fetch_add(1, Relaxed);
            let is_http2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
            serve(socket, is_http2, answers).await;
        });
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, is_http2: bool, answers: Answers) {
    let service = service_fn(move |request| {
        let answers = answers.clone();
        async move { Ok::<_, std::convert::Infallible>(answers.answer(&request)) }
    });
    let socket = TokioIo::new(socket);
    // An error is the proxy's leaving.
    let _ = if is_http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(socket, service).await
    } else {
        http1::Builder::new().serve_connection(socket, service).await
    };
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        self.seen.lock().expect("no panic").push((request.version(), format!("{} {path}", request.method())));
        let answer = Response::builder();
        if path.ends_with("/events") {
            let body = self.events(path.contains("endless"));
            return answer.header("content-type", "text/event-stream").body(body).expect("an answer");
        }
        let body = match path.strip_prefix("/agents/") {
            Some(id) => json!({ "id": id, "organization_id": "org-1" }),
            None if path.contains("endless") => task("endless", "executing"),
            None => task("task-1", "executing"),
        };
        answer.header("content-type", "application/json").body(body.to_string().into()).expect("an answer")
    }

    /// A chunk, then the end, or nothing more.
    fn events(&self, is_endless: bool) -> Body {
        self.streams.send_modify(|open| *open += 1);
        let open = Open(self.streams.clone());
        Body::from_stream(async_stream::stream! {
            let _open = open;
            yield Ok::<_, std::io::Error>(event("chunk", &json!("one")));
            if is_endless {
                std::future::pending::<()>().await;
            }
            yield Ok(event("task_finished", &finished("completed", "done")));
        })
    }
}
