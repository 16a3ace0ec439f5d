//! The platform's routes over one pool of connections: loads agents, creates, reads and stops tasks, opens event streams.
//!
//! Sends each request once: reqwest repeats one by itself only where HTTP/2 proves that it was not processed.

use std::{error::Error as _, fs, io, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{RequestBuilder, Response, redirect, tls};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::{
    agents::Agents,
    credentials::Credentials,
    error::{Cause, Error, Refusal},
    events::EventStream,
    wire,
};
use crate::config::{self, Http2};

/// How much of a refusal's body is read, in bytes.
const MAX_REFUSAL: usize = 64 << 10;
/// The longest wait that an answer may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Speaks to the platform. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    agents: Agents,
    limits: Arc<Limits>,
}

struct Limits {
    request_timeout: Duration,
    max_answer_bytes: usize,
    idle_timeout: Duration,
    max_event_bytes: usize,
}

/// What every request of one call shares.
#[derive(Clone, Debug)]
pub struct Context {
    /// On whose behalf.
    pub credentials: Arc<Credentials>,
    /// Sent on as `x-request-id`; printable ASCII.
    pub request_id: HeaderValue,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file of certificate authorities cannot be read.
    #[error("platform.ca_file {0}: {1}")]
    CaFile(PathBuf, io::Error),
    /// The HTTP client refuses its settings.
    #[error("the platform's HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

impl Context {
    /// Whether the caller has stopped waiting.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

impl Client {
    /// Makes the process's one client.
    ///
    /// # Errors
    /// When the CA file cannot be read or the TLS library refuses the settings.
    pub fn new(platform: &config::Platform, events: &config::Events) -> Result<Self, BuildError> {
        // One TLS provider for the process; a second client finds it there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("xpander-grpc-proxy/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(platform.connect_timeout)
            .pool_idle_timeout(platform.pool_idle_timeout)
            .tcp_nodelay(true)
            .tls_version_min(tls::Version::TLS_1_2);
        if let Some(path) = &platform.ca_file {
            let pem = fs::read(path).map_err(|error| BuildError::CaFile(path.clone(), error))?;
            http = http.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?);
        }
        http = match platform.http2 {
            Http2::Auto => http,
            Http2::PriorKnowledge => http.http2_prior_knowledge(),
            Http2::Off => http.http1_only(),
        };
        let limits = Limits {
            request_timeout: platform.request_timeout,
            max_answer_bytes: platform.max_answer_bytes,
            idle_timeout: events.idle_timeout,
            max_event_bytes: events.max_event_bytes,
        };
        Ok(Self {
            http: http.build()?,
            agents: Agents::new(platform.agent_cache_ttl),
            limits: Arc::new(limits),
        })
    }

    /// The id to create tasks under for an agent that is asked for by id or name. Remembered for a few seconds; many
    /// calls at once make one request.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn agent_id(&self, context: &Context, agent: &str, version: Option<&str>) -> Result<Arc<str>, Error> {
        let load = async {
            // The lookup serves other calls too: it does not end with this one's deadline.
            let context = Context {
                deadline: None,
                ..context.clone()
            };
            let url = format!("{}/agents/{agent}", context.credentials.roots.rest);
            let agent: wire::Agent = self.json(&context, self.http.get(url), "load an agent").await?;
            Ok(agent.id.into())
        };
        let loading = self.agents.get_or_load(&context.credentials, agent, version, load);
        until(context.deadline, loading).await.unwrap_or(Err(Error::Deadline))
    }

    /// Creates a task from an encoded [`wire::CreateTask`].
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::may_have_created`] tells whether there may be a task all the same.
    pub async fn create_task(
        &self,
        context: &Context,
        agent_id: &str,
        version: Option<&str>,
        body: Vec<u8>,
    ) -> Result<wire::Task, Error> {
        let url = format!("{}/agent-execution/{agent_id}", context.credentials.roots.rest);
        let mut request = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(version) = version {
            request = request.header("x-agent-version", version);
        }
        self.task_of(context, request, "create a task").await
    }

    /// Reads a task.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn task(&self, context: &Context, task_id: &str) -> Result<wire::Task, Error> {
        let url = format!("{}/agent-execution/{task_id}/status", context.credentials.roots.rest);
        self.task_of(context, self.http.get(url), "read a task").await
    }

    /// Stops a task.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn stop_task(&self, context: &Context, task_id: &str) -> Result<wire::Task, Error> {
        let url = format!("{}/agent-execution/{task_id}", context.credentials.roots.rest);
        self.task_of(context, self.http.request(Method::DELETE, url), "stop a task")
            .await
    }

    /// Opens a task's event stream, after the event `last_event_id` where there is one. Dropping it closes it.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn events(
        &self,
        context: &Context,
        task_id: &str,
        last_event_id: Option<&HeaderValue>,
    ) -> Result<EventStream, Error> {
        const WHAT: &str = "open an event stream";
        let url = format!("{}/agent-execution/{task_id}/events", context.credentials.roots.events);
        let mut request = self.http.get(url).header(header::ACCEPT, "text/event-stream");
        // A compressed stream would be held back until a block is full.
        request = request
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CACHE_CONTROL, "no-cache");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.clone());
        }
        let response = self.in_time(context, self.answer(context, request)).await?;
        let is = |name, start: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.is_some_and(|value| {
                value
                    .get(..start.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(start))
            })
        };
        let unreadable = |why: &str| Error::Unreadable {
            what: WHAT,
            why: why.to_owned(),
            status: response.status().as_u16(),
        };
        if !is(header::CONTENT_TYPE, "text/event-stream") {
            return Err(unreadable("it is no event stream"));
        }
        if response.headers().contains_key(header::CONTENT_ENCODING) && !is(header::CONTENT_ENCODING, "identity") {
            return Err(unreadable("it is compressed, which was not asked for"));
        }
        Ok(EventStream::new(
            response,
            self.limits.idle_timeout,
            self.limits.max_event_bytes,
        ))
    }

    async fn task_of(
        &self,
        context: &Context,
        request: RequestBuilder,
        what: &'static str,
    ) -> Result<wire::Task, Error> {
        let task: wire::Task = self.json(context, request, what).await?;
        if task.id.as_ref().is_none_or(String::is_empty) {
            return Err(Error::Unreadable {
                what,
                why: "it is no task: it has no id".to_owned(),
                status: 200,
            });
        }
        Ok(task)
    }

    /// Sends a request and reads the JSON of its answer, both within the time limit.
    async fn json<T: DeserializeOwned>(
        &self,
        context: &Context,
        request: RequestBuilder,
        what: &'static str,
    ) -> Result<T, Error> {
        let request = request.header(header::ACCEPT, "application/json");
        let exchange = async {
            let mut response = self.answer(context, request).await?;
            let status = response.status().as_u16();
            let unreadable = |why| Error::Unreadable { what, why, status };
            let body = body(&mut response, self.limits.max_answer_bytes).await?;
            let body =
                body.ok_or_else(|| unreadable(format!("it is larger than {} bytes", self.limits.max_answer_bytes)))?;
            // serde_json's own message quotes the value.
            serde_json::from_slice(&body).map_err(|error| {
                unreadable(format!(
                    "{:?} error at line {}, column {}",
                    error.classify(),
                    error.line(),
                    error.column()
                ))
            })
        };
        self.in_time(context, exchange).await
    }

    /// Sends a request; anything but a success is an error.
    async fn answer(&self, context: &Context, request: RequestBuilder) -> Result<Response, Error> {
        let request = request.header("x-api-key", context.credentials.key.clone());
        let request = request.header("x-request-id", context.request_id.clone());
        let mut response = request.send().await.map_err(lost)?;
        if response.status().is_success() && response.status() != StatusCode::NO_CONTENT {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        // A refusal is one however little of its body can be read.
        let body = head(&mut response, MAX_REFUSAL).await;
        Err(Error::Refused(Refusal::read(
            status,
            &body,
            retry_after,
            context.credentials.secret(),
        )))
    }

    /// Bounds an exchange by the proxy's own limit and by the caller's deadline.
    async fn in_time<T>(
        &self,
        context: &Context,
        exchange: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = Instant::now() + self.limits.request_timeout;
        if context.is_late() {
            return Err(Error::Deadline);
        }
        match context.deadline {
            Some(deadline) if deadline < limit => until(Some(deadline), exchange).await.unwrap_or(Err(Error::Deadline)),
            _ => until(Some(limit), exchange)
                .await
                .unwrap_or(Err(Error::Timeout(self.limits.request_timeout))),
        }
    }
}

/// What the future gives, or None once the time has come.
async fn until<T>(time: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match time {
        Some(time) => timeout_at(time, future).await.ok(),
        None => Some(future.await),
    }
}

/// The whole body; None where it is larger than `most`.
async fn body(response: &mut Response, most: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The body's first bytes, as far as they come.
async fn head(response: &mut Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= most {
            body.truncate(most);
            break;
        }
    }
    body
}

/// What a failure of the HTTP client proves about the request.
pub(super) fn lost(error: reqwest::Error) -> Error {
    let is_connect = error.is_connect();
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        cause.push_str(": ");
        cause.push_str(&inner.to_string());
        source = inner.source();
    }
    if is_connect {
        Error::Connect(Cause(cause))
    } else {
        Error::Lost(Cause(cause))
    }
}

/// `retry-after`, in seconds or as an HTTP date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = rfc2822::parse(value).ok()?.timestamp();
            date.duration_since(Timestamp::now()).try_into().unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}
