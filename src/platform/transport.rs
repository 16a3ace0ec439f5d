//! What every exchange with the platform shares: headers, limits of time and size, errors.
//!
//! Sends each request once: reqwest repeats one by itself only where HTTP/2 proves that it was not processed, and a create
//! not even then, whose body it cannot copy.

use std::{fmt::Debug, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    codings,
    error::{Cause, Error, refusal::Refusal, retry_after::retry_after, sources},
    events::EventStream,
    pool::{
        credentials::Credentials,
        lanes::{Need, Share},
    },
    whole::{Bodies, piece},
    wire::{self, Wire},
};
use crate::{
    config,
    memory::{self, Account, Budget, Growing},
    telemetry::{Attempt, MethodKind, Record, Route, Sending, Shed, X_REQUEST_ID},
};

// Made once: what comes as a text is checked, and copied, for each request.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How much of a refusal's body is read, in bytes, and for how long: its status says the most. JSON is read to its end,
/// since the platform's framework echoes the request beside its complaint.
const MAX_REFUSAL: usize = 64 << 10;
const MAX_JSON_REFUSAL: usize = 32 << 20;
const REFUSAL_TIME: Duration = Duration::from_secs(2);

/// What an operator has to know of one: nobody else can mend it.
const REDIRECT: &str = "it is a redirect, and none is followed; platform.base_url is not the platform's own address, or \
                        begins with http:// where it should with https://";

/// A call's share of the proxy, whatever that is made of.
pub type Permit = Arc<dyn Debug + Send + Sync>;

/// The limits of every exchange. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    limits: Arc<Limits>,
}

struct Limits {
    request_timeout: Duration,
    bodies: Bodies,
    idle_timeout: Duration,
    max_event_bytes: usize,
    /// Whether a brake that holds is only told of.
    observes: bool,
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
    pub permit: Option<Permit>,
    /// What the call's answer holds; none for work that serves several calls.
    pub account: Option<Arc<Account>>,
}

impl Context {
    /// The same call with all the time it needs, for work that may outlive it.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        Self { deadline: None, ..self.clone() }
    }

    /// Gives back what the call's request holds: nothing of it is needed any more, however long the call goes on.
    pub fn request_is_over(&self) {
        drop(self.account.as_ref().and_then(|account| account.request()));
    }

    /// Whether the caller has stopped waiting.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

impl Transport {
    /// What the settings bound.
    pub fn new(settings: &config::Settings, budget: Arc<Budget>) -> Self {
        let config::Settings { platform, events, limits, .. } = settings;
        let limits = Limits {
            request_timeout: platform.request_timeout,
            bodies: Bodies::new(platform.max_answer_bytes, budget, platform.request_timeout),
            idle_timeout: events.idle_timeout,
            max_event_bytes: events.max_event_bytes,
            observes: limits.mode == config::Mode::Observe,
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
        let read = async |response: Response, _: &Share| match check(&response) {
            Ok(()) => Ok(response),
            Err(why) => Err(unreadable(sending, &response, why.to_owned())),
        };
        let (response, attempt, share) = Box::pin(self.exchange(context, request, sending, read)).await?;
        let limits = &self.limits;
        let room = Growing::new(Arc::clone(&limits.bodies.budget));
        Ok(EventStream::new(response, share, attempt, room, limits.idle_timeout, limits.max_event_bytes))
    }

    /// Sends a request and has the JSON of its answer parsed, both within the time limit. What `check` does not take is
    /// another request's answer, for all that is known: its connection serves no more.
    pub async fn json<T: Wire>(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
        check: impl Fn(&T) -> Result<(), &'static str>,
    ) -> Result<Box<T>, Error> {
        let request = request.header(header::ACCEPT, JSON);
        let request = request.header(header::ACCEPT_ENCODING, codings::ACCEPTED);
        // A moment sooner than the exchange's: that there was no room is not told as the platform's silence.
        let end = Instant::now() + self.limits.request_timeout;
        let read = async |mut response: Response, share: &Share| {
            let (body, held) = self.limits.bodies.read(&mut response, sending.route, end).await?;
            if let Some(account) = &context.account {
                account.keep(held);
            }
            let body = body.map_err(|why| unreadable(sending, &response, why))?;
            // Boxed where it is made: a task is large, and would be moved from one future into the next.
            let read = memory::aside(body.len(), || wire::read(&body).map(Box::new));
            let answer = read.map_err(|error| unreadable(sending, &response, error.to_string()))?;
            check(&answer).map_err(|why| {
                context.credentials.http.leave(share);
                unreadable(sending, &response, why.to_owned())
            })?;
            Ok(answer)
        };
        // Boxed, or every call's future would be as large as this.
        let (answer, ..) = Box::pin(self.exchange(context, request, sending, read)).await?;
        Ok(answer)
    }

    /// Asks the brake of the call's key whether a request may be sent.
    ///
    /// # Errors
    /// For one that is held.
    pub fn ask(&self, context: &Context, route: Route) -> Result<(), Error> {
        let record = &context.record;
        // What ends spending is not held up by a read that it needs.
        if record.method().kind == MethodKind::Stopping {
            return Ok(());
        }
        context.credentials.brakes.ask(route).or_else(|error| {
            record.braked(route);
            if !self.limits.observes {
                return Err(error);
            }
            record.observed(Shed::Platform);
            Ok(())
        })
    }

    /// Sends a request once and reads its answer, within the time limit; tells how that went.
    pub(super) async fn exchange<T>(
        &self,
        context: &Context,
        request: RequestBuilder,
        sending: Sending,
        read: impl AsyncFnOnce(Response, &Share) -> Result<T, Error>,
    ) -> Result<(T, Attempt, Share), Error> {
        if context.is_late() {
            return Err(Error::Deadline);
        }
        // A create asks before all that leads to it.
        if sending.route != Route::CreateTask {
            self.ask(context, sending.route)?;
        }
        let request = request.header(X_API_KEY, context.credentials.key.clone());
        let request = request.header(X_REQUEST_ID, context.request_id.clone());
        let mut request = request.build().map_err(Error::lost)?;
        let (host, port) = (request.url().host_str().unwrap_or_default(), request.url().port_or_known_default());
        let mut attempt = Attempt::begin(&context.record, sending, host, port.unwrap_or_default());
        attempt.propagate(request.headers_mut());
        let is_proxied = context.credentials.forward.is_on_the_way(request.url());
        let (http, share) = context.credentials.http.next(Need::of(sending.route)).map_err(Error::lost)?;
        let mut sent = context.credentials.brakes.send(sending.route);
        let exchange = async {
            let response = http.execute(request).await.map_err(|error| unanswered(error, is_proxied))?;
            sent.answered();
            share.heard(Some(response.version()));
            attempt.answered(response.status().as_u16());
            let response = decoded(response, sending)?;
            read(self.accepted(context, response, sending).await?, &share).await
        };
        let exchanged = self.in_time(context, exchange).await;
        sent.hear(exchanged.as_ref().err());
        match exchanged {
            Ok(answer) => {
                share.answered();
                attempt.succeeded();
                Ok((answer, attempt, share))
            }
            Err(error) => {
                if error.is_answer() {
                    share.answered();
                }
                attempt.failed(error.name(), error.cause());
                Err(error)
            }
        }
    }

    /// A success with a body; any other answer is an error.
    async fn accepted(&self, context: &Context, mut response: Response, sending: Sending) -> Result<Response, Error> {
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            let retry_after = retry_after(response.headers());
            let (mut body, mut room) = (Vec::new(), Growing::new(Arc::clone(&self.limits.bodies.budget)));
            // A refusal is one however little of its body can be read.
            let _ = timeout(REFUSAL_TIME, read_head(&mut response, &mut body, &mut room)).await;
            let read = || Refusal::read(status.as_u16(), &body, retry_after, context.credentials.secret());
            let refusal = memory::aside(body.len(), read);
            return Err(Error::Refused(Box::new(refusal)));
        }
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return Err(unreadable(sending, &response, REDIRECT.to_owned()));
        }
        if !status.is_success() || status == StatusCode::NO_CONTENT {
            return Err(unreadable(sending, &response, "it is no success with a body".to_owned()));
        }
        Ok(response)
    }

    /// How bodies are read, and how long an answer may take.
    pub(super) fn bounds(&self) -> (&Bodies, Duration) {
        (&self.limits.bodies, self.limits.request_timeout)
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

/// Without the codings of its content. A stream of events stays as it is: none was asked for, and its head is checked.
fn decoded(response: Response, sending: Sending) -> Result<Response, Error> {
    let is_good = response.status().is_success();
    match codings::of(response.headers()) {
        Ok(_) if is_good && sending.route == Route::OpenEvents => Ok(response),
        Ok(codings) => Ok(codings::taken_off(response, &codings)),
        // A refusal is one however little of its body can be read.
        Err(_) if !is_good => Ok(response),
        Err(why) => Err(unreadable(sending, &response, why.to_owned())),
    }
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

/// The body's first bytes, as far as they come and there is room for them.
async fn read_head(response: &mut Response, body: &mut Vec<u8>, room: &mut Growing) {
    while let Ok(Some(chunk)) = piece(response, body.len()).await {
        room.make_room(body.len() + chunk.len()).await;
        body.extend_from_slice(&chunk);
        let is_json = body.trim_ascii_start().starts_with(b"{");
        if body.len() > if is_json { MAX_JSON_REFUSAL } else { MAX_REFUSAL } {
            return;
        }
    }
}

/// A request that got no answer: not processed where no connection could be made, or where HTTP/2 proves it.
fn unanswered(error: reqwest::Error, is_proxied: bool) -> Error {
    let is_connect = error.is_connect();
    let is_unprocessed = sources(&error).filter_map(|source| source.downcast_ref()).any(is_unprocessed);
    match Error::lost(error) {
        Error::Lost(Cause(cause)) if is_connect && is_proxied => {
            Error::Connect(Cause(format!("{cause} (by the forward proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)")))
        }
        Error::Lost(cause) if is_connect => Error::Connect(cause),
        Error::Lost(cause) if is_unprocessed => Error::Unprocessed(cause),
        error => error,
    }
}

/// The platform refused the stream, or went away before it, for whatever reason: the library tells of a GOAWAY only those
/// streams that it leaves out (RFC 9113, 6.8).
fn is_unprocessed(error: &h2::Error) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (is_refused || error.is_go_away())
}
