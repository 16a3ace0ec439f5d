//! The way to a running proxy: connection, deadline, calls. What is called is the commands' business.

use std::{error::Error as _, time::Duration};

use futures_util::TryFutureExt as _;
use tokio::time::{Instant, timeout_at};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::proto::agent_service_client::AgentServiceClient;

use super::{args::Connection, failure::Failure};

/// The largest message the proxy sends by default; the library's own limit is 4 MiB.
const MAX_MESSAGE: usize = 64 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after the deadline the proxy's own answer to its passing is awaited.
const GRACE: Duration = Duration::from_millis(500);

/// A client of agents.
pub type Agents = AgentServiceClient<Channel>;

/// A connected proxy, and what it is shown.
pub struct Proxy {
    channel: Channel,
    authorization: Option<MetadataValue<Ascii>>,
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
        let server = with_scheme(&connection.server);
        let mut endpoint = Endpoint::from_shared(server.clone())
            .and_then(|endpoint| endpoint.user_agent(concat!("xpander-grpc-proxy-cli/", env!("CARGO_PKG_VERSION"))))
            .map_err(|_| Failure::Usage(format!("--server: `{server}` is no URL, e.g. http://127.0.0.1:50051")))?;
        let authorization = connection.security.authorization(endpoint.uri())?;
        let tls = connection.security.tls(endpoint.uri())?;
        let is_secure = tls.is_some();
        if let Some(tls) = tls {
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|error| Failure::Usage(format!("TLS cannot be set up: {}", root_cause(&error))))?;
        }
        let limit = connection.timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
        let channel = endpoint
            .connect_timeout(limit)
            .connect()
            .await
            .map_err(|error| Status::unavailable(format!("cannot connect to {server}: {}", root_cause(&error))))?;
        Ok(Self { channel, authorization, is_secure, timeout: connection.timeout })
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
        let (request, deadline) = self.request(question);
        let answer = deadline.bound(rpc(self.agents(), request)).await;
        Ok(answer.map_err(|status| self.explained(status))?.into_inner())
    }

    /// Asks and awaits the beginning of the answers.
    pub async fn stream<Q, M>(
        &self,
        question: Q,
        rpc: impl AsyncFnOnce(Agents, Request<Q>) -> Result<Response<Streaming<M>>, Status>,
    ) -> Result<Messages<M>, Failure> {
        let (request, deadline) = self.request(question);
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

    fn request<Q>(&self, question: Q) -> (Request<Q>, Deadline) {
        let mut request = Request::new(question);
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        (request, Deadline(self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))))
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
        Connection { server: server.to_owned(), timeout: Some(Duration::from_secs(2)), json: false, security }
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
    async fn a_deadline_that_passes_is_told_as_one() {
        let deadline = Deadline(Instant::now().checked_sub(2 * GRACE));
        let silent = deadline.bound(std::future::pending::<Result<(), _>>()).await;
        assert_eq!(silent.map_err(|status| status.code()), Err(Code::DeadlineExceeded));
        let timer = deadline.bound(async { Err::<(), _>(Status::cancelled("Timeout expired")) }).await;
        assert_eq!(timer.map_err(|status| status.code()), Err(Code::DeadlineExceeded));
    }
}
