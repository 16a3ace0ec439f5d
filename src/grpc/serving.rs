//! One connection on the gRPC port: its handshakes, its calls, and how it leaves: told first, never cut.
//!
//! It is told to leave (GOAWAY) when the process drains, when it is old, when its caller's certificate comes to its end,
//! when it has been idle, and when its caller resets too much or was refused much and others were later; calls under way go
//! on. What ends its streams is a status, with which their callers can go on elsewhere.

use std::{pin::pin, sync::Arc, time::Duration};

use hyper::{
    rt::{Read, Write},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tracing::debug;

use super::{
    attendance::Attendance,
    connection::{Connection, gathered::Gathered, malformed::Malformed, patience::Patience, peer::Peer, turn::Turns},
    guard::LAST_WORD,
    layers::{self, Arrival, Edge},
};
use crate::config;

/// The largest head that is read to its end, in bytes, whatever `server.max_metadata_bytes` says: twice as large as Envoy
/// lets through by itself. HTTP/2 has to know all of it before the one request can be refused; beyond it the library answers
/// HTTP 431, which callers cannot tell from other failures.
const LARGEST_HEAD: u32 = 128 << 10;
/// The window of all bodies of a connection, in bytes. Half of it is what h2 bears of small frames that were not taken yet,
/// each counted as 256 bytes: eighty turns of the connection's task, in which those who take them have theirs.
const WINDOW: u32 = 64 << 20;
/// The requests that may be reset before anybody here hears of them: more than one turn of the connection's task brings.
const UNHEARD: usize = 2048;

/// Why a connection leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    Drain,
    Age,
    Certificate,
    Idle,
    Resets,
    Refusals,
}

/// Serves a new connection to its end.
pub async fn serve(socket: TcpStream, edge: Arc<Edge>) {
    let _ = socket.set_nodelay(true);
    let by = Instant::now() + edge.settings.handshake_timeout;
    let Some(tls) = &edge.tls else {
        return serve_http2(TokioIo::new(socket), by, Peer::default(), edge).await;
    };
    let handshake = tokio::select! {
        handshake = timeout_at(by, tls.acceptor().accept(socket)) => handshake,
        // It has not asked for anything yet.
        () = edge.draining.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            let peer = Peer::of(stream.get_ref().1);
            serve_http2(TokioIo::new(stream), by, peer, edge).await;
        }
        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
        Err(_) => debug!("a TLS handshake took too long"),
    }
}

async fn serve_http2(io: impl Read + Write + Unpin, by: Instant, peer: Peer, edge: Arc<Edge>) {
    let max_resets = edge.settings.max_resets_per_connection;
    let connection = Connection::new(peer, max_resets, edge.draining.clone(), edge.closing.clone());
    let connection = Arc::new(connection);
    let attendance = Attendance::default();
    let http2 = http2(&edge.settings, attendance.clone());
    let service = {
        let (edge, connection) = (Arc::clone(&edge), Arc::clone(&connection));
        service_fn(move |request| {
            let arrival = Arrival::new(&edge, &connection, request);
            attendance.announce(&arrival.guard);
            layers::answer(Arc::clone(&edge), arrival)
        })
    };
    // As long as the answer to a ping.
    let most = edge.settings.keepalive_interval + edge.settings.keepalive_timeout;
    let metrics = edge.metrics.clone();
    let malformed = Malformed::new(move || metrics.request_malformed());
    let turns = Turns::new(&connection.traffic);
    let io = Gathered::new(Patience::new(io, by, most), malformed, turns.turn());
    let mut http2 = pin!(http2.serve_connection(io, service));
    let leave = tokio::select! {
        result = turns.each(http2.as_mut()) => return note(result),
        leave = leave(&edge, &connection) => leave,
    };
    debug!(?leave, "a connection is told to leave");
    http2.as_mut().graceful_shutdown();
    let end = async {
        let grace =
            Some(edge.settings.max_connection_age_grace).filter(|grace| leave == Leave::Age && !grace.is_zero());
        let good = connection.peer.time_left().filter(|_| matches!(leave, Leave::Age | Leave::Certificate));
        if let Some(time) = grace.into_iter().chain(good).min() {
            sleep(time).await;
            connection.end_streams();
        }
        // A caller that goes on answering pings, but does not take the rest of what it is sent, is not waited for.
        idle(|| connection.traffic.idle_since(), edge.settings.max_connection_idle).await;
    };
    // A drain waits for calls, and not for whoever has none and does not answer.
    let drained = async {
        edge.draining.cancelled().await;
        idle(|| connection.traffic.empty_since(), LAST_WORD).await;
    };
    tokio::select! {
        result = turns.each(http2.as_mut()) => note(result),
        () = end => {}
        () = drained => {}
    }
}

/// Comes when the connection has to leave.
async fn leave(edge: &Edge, connection: &Connection) -> Leave {
    // A tenth more or less, so that connections made together do not leave together.
    let age = edge.settings.max_connection_age.mul_f64(0.9 + 0.2 * fastrand::f64());
    let good = connection.peer.time_left().unwrap_or(Duration::MAX);
    tokio::select! {
        () = edge.draining.cancelled() => Leave::Drain,
        () = sleep(age) => Leave::Age,
        // A little before, so that its caller has time to come back with its next one.
        () = sleep(good.mul_f64(0.9)) => Leave::Certificate,
        () = idle(|| connection.traffic.idle_since(), edge.settings.max_connection_idle) => Leave::Idle,
        () = connection.traffic.resets_too_much() => Leave::Resets,
        () = connection.traffic.gives_way() => Leave::Refusals,
    }
}

/// Comes when it has been idle for so long, counted from now on.
async fn idle(idle_since: impl Fn() -> Option<Instant>, most: Duration) {
    let begun = Instant::now();
    loop {
        let since = idle_since().unwrap_or_else(Instant::now).max(begun);
        if since.elapsed() >= most {
            return;
        }
        sleep_until(since + most).await;
    }
}

/// With each of h2's guards that end a connection above what our own limits refuse; ARCHITECTURE.md lists them.
fn http2(settings: &config::Server, attendance: Attendance) -> http2::Builder<Attendance> {
    let mut http2 = http2::Builder::new(attendance);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_header_list_size(settings.max_metadata_bytes.saturating_mul(2).max(LARGEST_HEAD))
        .max_pending_accept_reset_streams(UNHEARD)
        // Over a connection's life: what comes for a stream that is over here counts, also when nobody is to blame.
        .max_local_error_reset_streams(None)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout);
    http2
}

fn note(result: hyper::Result<()>) {
    if let Err(error) = result {
        debug!(%error, "a connection broke");
    }
}
