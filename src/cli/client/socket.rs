//! A connection to the proxy, in cleartext or over TLS, and what is found out of a port that speaks something else.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint, Error};

use super::security::Tls;

const TLS: &str = "the port speaks TLS; call it by https://, with --ca-file where the authority is your own";
const HTTP_1: &str =
    "what listens there speaks HTTP/1.1 and no gRPC; it may be the admin port, or a gateway; gRPC is on server.listen";
const NO_TLS: &str = "the port speaks no TLS; call it by http://";
const SILENT: &str =
    "the port hung up without a word; it may speak TLS (https://), or be another one than server.listen";
const HUNG_UP: &str = "the port hung up in the TLS handshake; where it speaks no TLS, call it by http://";
/// A proxy that wants another certificate, or one at all, hangs up only when the handshake is over for its client.
const UNTRUSTED: &str =
    "the proxy hung up before it answered; it may want a certificate that it trusts (--cert-file, --key-file)";

/// What was found out of the port, once it has spoken: nothing, where it speaks HTTP/2.
pub type Finding = Arc<OnceLock<Option<Found>>>;

/// What a port is that is no gRPC port.
#[derive(Clone, Copy)]
pub struct Found {
    /// What it is, and what to do.
    pub what: &'static str,
    /// Whether it cannot have done anything of a call.
    pub is_certain: bool,
}

/// Connects, by our own hand: the library's TLS refuses a certificate that is its own authority, and tells no port that
/// speaks TLS from one that is broken.
pub async fn connect(
    endpoint: Endpoint,
    tls: Option<Tls>,
    prepared: impl FnOnce(Endpoint) -> Endpoint,
    finding: &Finding,
) -> Result<Channel, Error> {
    let uri = endpoint.uri().clone();
    let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    let place = (uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(), port);
    // With TLS in its address the library would insist on its own.
    let endpoint = if tls.is_some() { Endpoint::from_static("http://proxy").origin(uri) } else { endpoint };
    let tls = tls.map(|Tls { config, name }| (TlsConnector::from(Arc::new(config)), name));
    let finding = Arc::clone(finding);
    let connect = tower::service_fn(move |_: Uri| {
        let (tls, place, finding) = (tls.clone(), place.clone(), Arc::clone(&finding));
        async move {
            let socket = TcpStream::connect(place).await?;
            socket.set_nodelay(true)?;
            let socket = match tls {
                None => Either::Left(socket),
                Some((tls, name)) => Either::Right(tls.connect(name, socket).await.map_err(told)?),
            };
            Ok::<_, io::Error>(TokioIo::new(Heard { socket, has_spoken: false, finding }))
        }
    });
    prepared(endpoint).connect_with_connector(connect).await
}

/// Says of a handshake that failed what it says of the port.
fn told(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match (cause, error.kind()) {
        (Some(rustls::Error::InvalidMessage(_)), _) => io::Error::other(NO_TLS),
        (None, io::ErrorKind::UnexpectedEof) => io::Error::other(HUNG_UP),
        _ => error,
    }
}

/// A connection whose first bytes are looked at: over TLS, those that come after the handshake.
struct Heard {
    socket: Either<TcpStream, TlsStream<TcpStream>>,
    has_spoken: bool,
    finding: Finding,
}

impl Heard {
    /// Finds out by the first bytes what the port is. Told by whoever hears of the broken connection: the library loses the
    /// error of its own task. A port that has spoken HTTP/2 once is the right one.
    fn look(&mut self, first: &[u8]) {
        if !std::mem::replace(&mut self.has_spoken, true) {
            let silent = if matches!(self.socket, Either::Left(_)) { SILENT } else { UNTRUSTED };
            let _ = self.finding.set(match first {
                // Also where it was reset.
                [] => Some(Found { what: silent, is_certain: false }),
                // How a TLS server refuses what is no TLS: an alert.
                [21, 3, ..] => Some(Found { what: TLS, is_certain: true }),
                first if first.starts_with(b"HTTP/1") => Some(Found { what: HTTP_1, is_certain: true }),
                _ => None,
            });
        }
    }
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, buffer));
        self.look(&buffer.filled()[before..]);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes));
        if written.is_err() && !self.has_spoken {
            // It may have said why before it hung up.
            let mut first = [0; 8];
            let mut first = ReadBuf::new(&mut first);
            let _ = Pin::new(&mut self.socket).poll_read(cx, &mut first);
            self.look(first.filled());
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
