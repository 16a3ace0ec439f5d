//! What every exchange with the platform shares: headers, limits of time and size, errors.
//!
//! Sends each request once: reqwest repeats one by itself only where HTTP/2 proves that it was not processed.

use std::{error::Error as _, io, iter, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{RequestBuilder, Response};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout, timeout_at},
};

use super::{
    buffer::make_room,
    credentials::Credentials,
    error::{Cause, Error},
    events::EventStream,
    lanes::Share,
    refusal::Refusal,
    wire::{self, Wire},
};
use crate::{
    config,
    telemetry::{Attempt, Record, Sending},
};

// Names made once: one that comes as a text is checked, and copied, for each request.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How much of a refusal's body is read, in bytes, and for how long: its status says the most. JSON is read to its end,
/// since the platform's framework echoes the request beside its complaint.
const MAX_REFUSAL: usize = 64 << 10;
const MAX_JSON_REFUSAL: usize = 32 << 20;
const REFUSAL_TIME: Duration = Duration::from_secs(2);
/// The longest wait that an answer may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The limits of every exchange. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
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
    /// What is told of the call, and by whom it is made.
    pub record: Arc<Record>,
    /// The call's share of the proxy, given back when all that it began is over, a create without its caller too.
    pub permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl Context {
    /// The same call with all the time it needs, for work that may outlive it.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        Self { deadline: None, ..self.clone() }
    }

    /// Whether the caller has stopped waiting.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

impl Transport {
    /// What the settings bound.
    pub fn new(platform: &config::Platform, events: &config::Events) -> Self {
        let limits = Limits {
            request_timeout: platform.request_timeout,
            max_answer_bytes: platform.max_answer_bytes,
            idle_timeout: events.idle_timeout,
            max_event_bytes: events.max_event_bytes,
        };
        Self { limits: Arc::new(limits) }
    }

    /// Sends a request and gives the events of its answer, whose head is checked.
    pub async fn events(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
        check: impl Fn(&Response) -> Result<(), &'static str>,
    ) -> Result<EventStream, Error> {
        let read = async |response: Response| match check(&response) {
            Ok(()) => Ok(response),
            Err(why) => Err(unreadable(sending, &response, why.to_owned())),
        };
        let (response, attempt, share) = Box::pin(self.exchange(context, request, sending, read)).await?;
        Ok(EventStream::new(response, share, attempt, self.limits.idle_timeout, self.limits.max_event_bytes))
    }

    /// Sends a request and has the JSON of its answer parsed, both within the time limit.
    pub async fn json<T: Wire>(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
    ) -> Result<T, Error> {
        let request = request.header(header::ACCEPT, "application/json");
        let read = async |mut response: Response| {
            let body = read_body(&mut response, self.limits.max_answer_bytes).await?;
            let body = body.map_err(|why| unreadable(sending, &response, why))?;
            wire::read(&body).map_err(|error| unreadable(sending, &response, error.to_string()))
        };
        // Boxed, or every call's future would be as large as this.
        let (answer, ..) = Box::pin(self.exchange(context, request, sending, read)).await?;
        Ok(answer)
    }

    /// Sends a request once and reads its answer, within the time limit; tells how that went.
    async fn exchange<T>(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
        read: impl AsyncFnOnce(Response) -> Result<T, Error>,
    ) -> Result<(T, Attempt, Share), Error> {
        if context.is_late() {
            return Err(Error::Deadline);
        }
        let request = request.header(X_API_KEY, context.credentials.key.clone());
        let request = request.header(X_REQUEST_ID, context.request_id.clone());
        let mut request = request.build().map_err(lost)?;
        let (host, port) = (request.url().host_str().unwrap_or_default(), request.url().port_or_known_default());
        let mut attempt = Attempt::begin(&context.record, sending, host, port.unwrap_or_default());
        attempt.propagate(request.headers_mut());
        let (http, share) = context.credentials.http.next();
        let exchange = async {
            let response = http.execute(request).await.map_err(unanswered)?;
            attempt.answered(response.status().as_u16());
            read(accepted(context, response, sending).await?).await
        };
        match self.in_time(context, exchange).await {
            Ok(answer) => {
                attempt.succeeded();
                Ok((answer, attempt, share))
            }
            Err(error) => {
                attempt.failed(error.name());
                Err(error)
            }
        }
    }

    /// Bounds an exchange by the proxy's own limit and by the caller's deadline.
    async fn in_time<T>(
        &self,
        context: &Context,
        exchange: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = Instant::now() + self.limits.request_timeout;
        match context.deadline {
            Some(deadline) if deadline < limit => until(Some(deadline), exchange).await.unwrap_or(Err(Error::Deadline)),
            _ => until(Some(limit), exchange).await.unwrap_or(Err(Error::Timeout(self.limits.request_timeout))),
        }
    }
}

/// A success with a body; any other answer is an error.
async fn accepted(context: &Context, mut response: Response, sending: Sending) -> Result<Response, Error> {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        // A refusal is one however little of its body can be read.
        let _ = timeout(REFUSAL_TIME, read_head(&mut response, &mut body)).await;
        let refusal = Refusal::read(status.as_u16(), &body, retry_after, context.credentials.secret());
        return Err(Error::Refused(Box::new(refusal)));
    }
    if !status.is_success() || status == StatusCode::NO_CONTENT {
        return Err(unreadable(sending, &response, "it is no success with a body".to_owned()));
    }
    Ok(response)
}

fn unreadable(sending: Sending, response: &Response, why: String) -> Error {
    Error::Unreadable { what: sending.route.what(), why, status: response.status().as_u16() }
}

/// What the future gives, or None once the time has come.
pub async fn until<T>(time: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match time {
        Some(time) => timeout_at(time, future).await.ok(),
        None => Some(future.await),
    }
}

/// The whole body, unless it is larger than `most` or its compression is broken. One that comes in one piece, as most
/// do, is not copied.
async fn read_body(response: &mut Response, most: usize) -> Result<Result<Bytes, String>, Error> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => {
                return Ok(Err(format!("it is larger than {most} bytes")));
            }
            Ok(Some(chunk)) if body.is_empty() => body = chunk.into(),
            Ok(Some(chunk)) => {
                make_room(&mut body, chunk.len(), most);
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(Ok(body.freeze())),
            Err(error) if is_garbled(&error) => return Ok(Err("its compression is broken".to_owned())),
            Err(error) => return Err(lost(error)),
        }
    }
}

/// Whether a decoder, and not the connection, failed: reqwest itself calls both the same.
fn is_garbled(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other};
    // What fails below hyper is wrapped by it.
    let cause = sources(error).find(|source| source.is::<hyper::Error>() || source.is::<io::Error>());
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|io| matches!(io.kind(), InvalidData | InvalidInput | Other))
}

/// The body's first bytes, as far as they come.
async fn read_head(response: &mut Response, body: &mut Vec<u8>) {
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        let is_json = body.trim_ascii_start().starts_with(b"{");
        if body.len() > if is_json { MAX_JSON_REFUSAL } else { MAX_REFUSAL } {
            return;
        }
    }
}

/// A request that got no answer: not processed where no connection could be made, or where HTTP/2 proves it.
fn unanswered(error: reqwest::Error) -> Error {
    let is_unsent =
        error.is_connect() || sources(&error).filter_map(|source| source.downcast_ref()).any(is_unprocessed);
    match lost(error) {
        Error::Lost(cause) if is_unsent => Error::Connect(cause),
        error => error,
    }
}

/// A connection that was lost after the answer had begun, or after who knows what.
pub fn lost(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let cause = sources(&error).fold(error.to_string(), |cause, source| format!("{cause}: {source}"));
    Error::Lost(Cause(cause))
}

/// The platform refused the stream, or went away before it: what reqwest itself sends again for.
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
            || error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    iter::successors(error.source(), |source: &&(dyn std::error::Error + 'static)| (*source).source())
}

/// `retry-after`, in seconds or as an HTTP date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = rfc2822::parse(value).ok()?.timestamp();
        // A date that has passed asks for no wait.
        date.duration_since(Timestamp::now()).try_into().unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}
