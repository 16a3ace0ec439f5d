//! Connections: accepting them, reading a request, sending its answer, closing them when a fault says so.
//!
//! It knows no route. It drives hyper itself because axum's own server has no way to close a connection unanswered.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    platform::Platform,
    reply::{Answer, Problem},
    routes,
};

/// The largest request body taken.
const BODY_BYTES: usize = 32 << 20;
/// How long to wait after a failed accept: the usual cause, no file descriptors left, does not go away at once.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Accepts connections for ever; each is served until its client leaves or `stop` is cancelled.
pub async fn accept(listener: TcpListener, platform: Arc<Platform>, stop: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, Arc::clone(&platform));
                tokio::spawn(stop.clone().run_until_cancelled_owned(connection));
            }
            Err(error) => {
                tracing::warn!(%error, "the sandbox cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, platform: Arc<Platform>) {
    // An event has to leave at once; should the option fail, it leaves a little later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(Arc::clone(&platform), request));
    let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the sandbox ended early");
    }
}

/// Answers one request. An error closes its connection without an answer, which is what some faults are for.
async fn answer(platform: Arc<Platform>, request: Request<Incoming>) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), BODY_BYTES).await else {
        platform.seen.record(&parts, &[]);
        return Ok(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large").into());
    };
    platform.seen.record(&parts, &body);
    respond(&platform, &parts, body).await
}

async fn respond(platform: &Arc<Platform>, parts: &http::request::Parts, body: Bytes) -> io::Result<Answer> {
    let target = match routes::recognise(&parts.method, &parts.uri) {
        Ok(target) => target,
        Err(problem) => return Ok(problem.into()),
    };
    let fault = platform.faults.take(target.route);
    if let Some(instead) = fault.as_ref().and_then(crate::sandbox::Fault::instead) {
        return Ok(instead);
    }
    let answer = routes::answer(platform, &target, &parts.headers, &body, fault.as_ref());
    match fault {
        Some(fault) => fault.spoil(answer).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted)),
        None => Ok(answer),
    }
}
