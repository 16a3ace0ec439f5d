//! The admin port: probes and metrics, never the API, on a few connections that have to be quick.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, routing::get};
use http::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{claims::Store, health::Readiness, telemetry::Metrics};

/// Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4";
/// How many connections may be open; the oldest gives way to the next, which may be a probe's.
const CONNECTIONS: usize = 16;
/// How old one becomes.
const AGE: Duration = Duration::from_mins(2);
/// The pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is dropped. A connection may be silent for so long before each of its requests.
pub async fn serve(listener: TcpListener, routes: Router, patience: Duration) {
    let mut open = VecDeque::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        open.retain(|connection: &AbortOnDropHandle<_>| !connection.is_finished());
        if open.len() == CONNECTIONS {
            open.pop_front();
        }
        let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(routes.clone()));
        open.push_back(AbortOnDropHandle::new(tokio::spawn(timeout(AGE, connection))));
    }
}

/// What the port has.
pub fn routes(readiness: Readiness, metrics: Metrics, store: Option<Arc<Store>>) -> Router {
    let ready = move || async move {
        let pending = readiness.pending();
        if pending.is_empty() {
            // Calls without a request id need no store: it holds nothing back.
            let trouble = store.and_then(|store| store.trouble());
            let trouble = trouble.map(|why| format!("deduplication.store is away: {why}\n")).unwrap_or_default();
            (StatusCode::OK, format!("ready\n{trouble}"))
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
