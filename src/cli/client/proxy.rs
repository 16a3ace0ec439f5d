//! The way to a running proxy: connection, deadline, calls. What is called is the commands' business.

use std::{error::Error as _, time::Duration};

use http::Uri;
use tokio::time::{Instant, timeout_at};
use tonic::{
    Code, ConnectError, Request, Response, Status, Streaming,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

use super::{
    super::failure::Failure,
    connection::Connection,
    security::Security,
    socket::{self, Finding, Found},
};
use crate::proto::agent_service_client::AgentServiceClient;

/// The largest message the proxy sends by default; the library's own limit is 4 MiB.
const MAX_MESSAGE: usize = 64 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("xpander-grpc-proxy-cli/", env!("CARGO_PKG_VERSION"));
const REQUEST_ID: &str = "x-request-id";
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
    finding: Finding,
    /// What names the command's calls in the logs of all who see them: ours, so that it is known also where no answer comes.
    request_id: String,
    timeout: Option<Duration>,
}

/// The messages of a streaming call.
pub struct Messages<M> {
    stream: Streaming<M>,
    deadline: Deadline,
    request_id: String,
}

/// When a call must be over, if ever.
#[derive(Clone, Copy)]
pub struct Deadline(Option<Instant>);

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
        let limit = connection.timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
        let finding = Finding::default();
        let channel = socket::connect(endpoint, tls, |endpoint| prepared(endpoint, limit), &finding).await;
        let channel = channel
            .map_err(|error| Status::unavailable(format!("cannot connect to {server}: {}", root_cause(&error))))?;
        let request_id = Uuid::now_v7().to_string();
        Ok(Self { channel, server: server_uri, security, finding, request_id, timeout: connection.timeout })
    }

    /// When a call that begins now must be over.
    pub fn deadline(&self) -> Deadline {
        Deadline(self.timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The `x-request-id` of the command's calls.
    pub fn request_id(&self) -> &str {
        &self.request_id
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
        self.call_until(self.deadline(), question, rpc).await
    }

    /// The same, where the call is one of several that have a deadline together.
    pub async fn call_until<Q, A>(
        &self,
        deadline: Deadline,
        question: Q,
        rpc: impl AsyncFnOnce(Agents, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let request = self.request(deadline, question)?;
        let answer = deadline.bound(Box::pin(rpc(self.agents(), request))).await;
        Ok(answer.map_err(|status| self.failed(status))?.into_inner())
    }

    /// Asks and awaits the beginning of the answers.
    pub async fn stream<Q, M>(
        &self,
        deadline: Deadline,
        question: Q,
        rpc: impl AsyncFnOnce(Agents, Request<Q>) -> Result<Response<Streaming<M>>, Status>,
    ) -> Result<Messages<M>, Failure> {
        let request = self.request(deadline, question)?;
        let stream = deadline.bound(Box::pin(rpc(self.agents(), request))).await;
        let stream = stream.map_err(|status| self.failed(status))?.into_inner();
        Ok(Messages { stream, deadline, request_id: self.request_id.clone() })
    }

    /// As [`Proxy::call`], for services other than the agents'.
    pub async fn call_other<Q, A>(
        &self,
        question: Q,
        rpc: impl AsyncFnOnce(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        self.call(question, async |_, request| rpc(request).await).await
    }

    /// Says why a connection ends before the answer, where that can be known.
    fn failed(&self, status: Status) -> Failure {
        let (is_our_own, was_sent) = (status.source().is_some(), !was_not_sent(&status));
        if let (Some(Some(Found { what, is_certain })), true) = (self.finding.get(), is_our_own) {
            // To try again would be in vain where it is certain.
            let code = if *is_certain { Code::FailedPrecondition } else { Code::Unavailable };
            return call(Status::new(code, *what), (was_sent && !is_certain).then_some(&self.request_id));
        }
        call(status, was_sent.then_some(&self.request_id))
    }

    fn agents(&self) -> Agents {
        Agents::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn request<Q>(&self, deadline: Deadline, question: Q) -> Result<Request<Q>, Failure> {
        let mut request = Request::new(question);
        if let Some(left) = deadline.left() {
            request.set_timeout(left);
        }
        if let Some(value) = self.security.authorization(&self.server)? {
            request.metadata_mut().insert("authorization", value);
        }
        if let Ok(value) = MetadataValue::try_from(&*self.request_id) {
            request.metadata_mut().insert(REQUEST_ID, value);
        }
        Ok(request)
    }
}

/// Whether a call of ours never left, so that the proxy has done nothing of it.
fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() || error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The failure of a call that was sent under this id; a gateway may have given it another one.
fn call(status: Status, request_id: Option<&String>) -> Failure {
    let told = status.metadata().get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);
    Failure::Call(Box::new(status), told.or(request_id.cloned()))
}

impl<M> Messages<M> {
    /// The next message, or none at the end.
    pub async fn next(&mut self) -> Result<Option<M>, Failure> {
        self.deadline.bound(self.stream.message()).await.map_err(|status| call(status, Some(&self.request_id)))
    }
}

impl Deadline {
    /// The time that is left, where there is an end to it.
    pub fn left(&self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }

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
        let Some(Failure::Call(status, None)) = failure else { panic!("a call that failed is expected") };
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
