//! The way to a running proxy: connection, deadline, calls. What is called is the commands' business.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use futures_util::TryFutureExt as _;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::proto::agent_service_client::AgentServiceClient;

use super::{
    args::Connection,
    failure::Failure,
    security::{Security, Tls},
};

/// The largest message the proxy sends by default; the library's own limit is 4 MiB.
const MAX_MESSAGE: usize = 64 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("xpander-grpc-proxy-cli/", env!("CARGO_PKG_VERSION"));
/// How much of a stream may be unread, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
/// The largest there is: enough for that much in frames of one byte, each of which counts as 256.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// How long after the deadline the proxy's own answer to its passing is awaited.
const GRACE: Duration = Duration::from_millis(500);

/// A client of agents.
pub type Agents = AgentServiceClient<Channel>;

/// A connected proxy, and what it is shown.
pub struct Proxy {
    channel: Channel,
    server: Uri,
    security: Security,
    is_secure: bool,
    timeout: Option<Duration>,
}

/// The messages of a streaming call.
pub struct Messages<M> {
    stream: Streaming<M>,
    deadline: Deadline,
}

/// When a call must be over, if ever.
struct Deadline(Option<Instant>);

impl Proxy {
    /// Connects, so that a proxy that is not there is told apart from one that fails.
    pub async fn connect(connection: &Connection) -> Result<Self, Failure> {
        let Some(server) = connection.server.to_str().map(with_scheme) else {
            return Err(Failure::Usage("--server: the value (not shown) is no UTF-8".to_owned()));
        };
        // What stands before it may be a password.
        if server.contains('@') {
            let why = "--server: the value (not shown) has a user name or a password; they have no use here";
            return Err(Failure::Usage(why.to_owned()));
        }
        let no_url = || Failure::Usage(format!("--server: `{server}` is no URL, e.g. http://127.0.0.1:50051"));
        let endpoint = Endpoint::from_shared(server.clone()).map_err(|_| no_url())?;
        let (security, server_uri) = (connection.security.clone(), endpoint.uri().clone());
        // Before anything is connected: what is wrong with it is wrong usage.
        security.authorization(&server_uri)?;
        let tls = security.tls(&server_uri)?;
        let is_secure = tls.is_some();
        let limit = connection.timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
        let channel = match tls {
            None => prepared(endpoint, limit).connect().await,
            Some(tls) => secure(&endpoint, limit, tls).await,
        };
        let channel = channel
            .map_err(|error| Status::unavailable(format!("cannot connect to {server}: {}", root_cause(&error))))?;
        Ok(Self { channel, server: server_uri, security, is_secure, timeout: connection.timeout })
    }

    /// The connection, for services other than the agents'.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Asks and awaits the answer.
    pub async fn call<Q, A>(
        &self,
        question: Q,
        rpc: impl AsyncFnOnce(Agents, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let (request, deadline) = self.request(question)?;
        let answer = deadline.bound(rpc(self.agents(), request)).await;
        Ok(answer.map_err(|status| self.explained(status))?.into_inner())
    }

    /// Asks and awaits the beginning of the answers.
    pub async fn stream<Q, M>(
        &self,
        question: Q,
        rpc: impl AsyncFnOnce(Agents, Request<Q>) -> Result<Response<Streaming<M>>, Status>,
    ) -> Result<Messages<M>, Failure> {
        let (request, deadline) = self.request(question)?;
        let stream = deadline.bound(rpc(self.agents(), request)).await;
        let stream = stream.map_err(|status| self.explained(status))?.into_inner();
        Ok(Messages { stream, deadline })
    }

    /// As [`Proxy::call`], for services other than the agents'.
    pub async fn call_other<Q, A>(
        &self,
        question: Q,
        rpc: impl AsyncFnOnce(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        self.call(question, async |_, request| rpc(request).await).await
    }

    /// Says why a TLS connection ends before the answer. A proxy that wants another certificate, or one at all, hangs up
    /// only when the handshake is over for its client, and tonic's word for it is "canceled".
    fn explained(&self, status: Status) -> Status {
        let is_our_own = status.source().is_some();
        match status.code() {
            Code::Cancelled | Code::Unknown | Code::Unavailable if self.is_secure && is_our_own => Status::unavailable(
                "the proxy hung up before it answered; it may want a certificate that it trusts (--cert-file, --key-file)",
            ),
            _ => status,
        }
    }

    fn agents(&self) -> Agents {
        Agents::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn request<Q>(&self, question: Q) -> Result<(Request<Q>, Deadline), Failure> {
        let mut request = Request::new(question);
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        if let Some(value) = self.security.authorization(&self.server)? {
            request.metadata_mut().insert("authorization", value);
        }
        Ok((request, Deadline(self.timeout.and_then(|timeout| Instant::now().checked_add(timeout)))))
    }
}

impl<M> Messages<M> {
    /// The next message, or none at the end.
    pub async fn next(&mut self) -> Result<Option<M>, Failure> {
        self.deadline.bound(self.stream.message()).map_err(Failure::from).await
    }
}

impl Deadline {
    /// Ends a wait that the deadline has passed, also where the proxy has stopped answering. tonic's own timer, which
    /// covers only the head of an answer, says CANCELLED then; callers of gRPC expect `DEADLINE_EXCEEDED`.
    async fn bound<T>(&self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let Some(end) = self.0 else { return answer.await };
        let passed = || Status::deadline_exceeded("the deadline passed");
        match timeout_at(end + GRACE, answer).await {
            Ok(Err(status)) if status.code() == Code::Cancelled && Instant::now() >= end => Err(passed()),
            Ok(answer) => answer,
            Err(_) => Err(passed()),
        }
    }
}

/// What every connection has. Its windows bear a reader who stops for minutes, such as a pager: the library closes a
/// connection whose unread frames are many and small, by half the connection's window; the stream's bounds what is unread.
fn prepared(endpoint: Endpoint, limit: Duration) -> Endpoint {
    let endpoint = endpoint.connect_timeout(limit);
    let endpoint = endpoint.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    // It is a header's value.
    endpoint.clone().user_agent(USER_AGENT).unwrap_or(endpoint)
}

/// Connects over TLS by our own hand: the library's refuses a certificate that is its own authority.
async fn secure(endpoint: &Endpoint, limit: Duration, tls: Tls) -> Result<Channel, tonic::transport::Error> {
    let uri = endpoint.uri().clone();
    let place = (uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(443));
    let (connector, name) = (TlsConnector::from(Arc::new(tls.config)), tls.name);
    let connect = tower::service_fn(move |_: Uri| {
        let (connector, name, place) = (connector.clone(), name.clone(), place.clone());
        async move {
            let socket = TcpStream::connect(place).await?;
            socket.set_nodelay(true)?;
            Ok::<_, io::Error>(TokioIo::new(connector.connect(name, socket).await?))
        }
    });
    // With TLS in its address the library would insist on its own.
    let outside = Endpoint::from_static("http://proxy").origin(uri);
    prepared(outside, limit).connect_with_connector(connect).await
}

fn with_scheme(server: &str) -> String {
    if server.contains("://") { server.to_owned() } else { format!("http://{server}") }
}

/// The last link of the chain: tonic's own words are "transport error".
fn root_cause(error: &tonic::transport::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::{super::security::Security, *};

    fn connection(server: &str) -> Connection {
        let security = Security::default();
        Connection { server: server.into(), timeout: Some(Duration::from_secs(2)), json: false, security }
    }

    #[test]
    fn a_server_without_a_scheme_is_http() {
        assert_eq!(with_scheme("localhost:50051"), "http://localhost:50051");
        assert_eq!(with_scheme("http://localhost:50051"), "http://localhost:50051");
    }

    #[tokio::test]
    async fn a_proxy_that_is_not_there_is_unavailable_and_named() {
        let failure = Proxy::connect(&connection("127.0.0.1:1")).await.err();
        let Some(Failure::Call(status)) = failure else { panic!("a call that failed is expected") };
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("cannot connect to http://127.0.0.1:1: Connection refused"));
    }

    #[tokio::test]
    async fn a_server_that_is_no_url_is_wrong_usage() {
        for wrong in ["http://", "not a url"] {
            assert!(matches!(Proxy::connect(&connection(wrong)).await, Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_password_in_a_server_is_not_repeated() {
        for wrong in ["http://me:s3cret@127.0.0.1:1", "me:s3cret@127.0.0.1", "https://s3cret@h", "http://me:s3 cret@h"]
        {
            let failure = Proxy::connect(&connection(wrong)).await.err();
            let Some(Failure::Usage(why)) = failure else { panic!("wrong usage is expected") };
            assert!(!why.contains("cret"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_deadline_that_passes_is_told_as_one() {
        let deadline = Deadline(Instant::now().checked_sub(2 * GRACE));
        let silent = deadline.bound(std::future::pending::<Result<(), _>>()).await;
        assert_eq!(silent.map_err(|status| status.code()), Err(Code::DeadlineExceeded));
        let timer = deadline.bound(async { Err::<(), _>(Status::cancelled("Timeout expired")) }).await;
        assert_eq!(timer.map_err(|status| status.code()), Err(Code::DeadlineExceeded));
    }
}
