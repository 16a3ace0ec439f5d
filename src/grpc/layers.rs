//! One request through the layers, the outermost first: its guard with the access log, the request id, who may call, a
//! share of what the proxy does at once, tonic's own refusals put into this API's terms, the services.

use std::{collections::BTreeSet, convert::Infallible, error::Error as _, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::Service as _;

use super::{
    connection::{Connection, tls::Tls},
    guard::Guard,
    request::{
        auth::{Auth, Refused},
        limits::Limits,
        metadata,
        received::{Received, drain, take_early},
        whole::{Whole, full},
    },
    response::{
        frames::Encoding,
        status::{self, refuse_at_the_door},
    },
    sent::Sent,
    service::Service,
};
use crate::{
    calls::{Error, Kind},
    config,
    memory::Budget,
    platform::Permit,
    proto::{TooLong, agent_service_server::AgentServiceServer},
    telemetry::{Call, MethodKind, Metrics, Record, Shed, X_REQUEST_ID},
};

/// How far a request id has been made unique, where that is less far than set.
const X_DEDUPLICATION: HeaderName = HeaderName::from_static("x-deduplication");
const PROCESS: HeaderValue = HeaderValue::from_static("process");

/// What all connections share.
pub struct Edge {
    /// The API.
    pub agent: AgentServiceServer<Service>,
    /// The other services.
    pub others: Routes,
    /// Who may call.
    pub auth: Arc<Auth>,
    /// How much is done at once.
    pub limits: Limits,
    /// TLS; without it the port speaks cleartext.
    pub tls: Option<Arc<Tls>>,
    /// What is counted.
    pub metrics: Metrics,
    /// The bytes that all answers may hold.
    pub budget: Arc<Budget>,
    /// The bytes that all requests may hold.
    pub requests: Arc<Budget>,
    /// Tells connections to leave.
    pub draining: CancellationToken,
    /// Ends what is left of them.
    pub closing: CancellationToken,
    /// The port's settings.
    pub settings: config::Server,
}

/// A request that has arrived.
pub struct Arrival {
    /// Made with its head, in the connection's own task.
    pub guard: Arc<Guard>,
    call: Call,
    request: Request<Incoming>,
    /// How large its head is, in bytes.
    head: usize,
    refusal: Option<Error>,
}

impl Arrival {
    /// Makes the guard of a request.
    pub fn new(edge: &Edge, connection: &Arc<Connection>, request: Request<Incoming>) -> Self {
        let call = Call::begin(&edge.metrics, request.uri().path(), request.headers());
        let record = Arc::clone(call.record());
        record.set_request_id(metadata::request_id(request.headers()));
        let (head, most) =
            (metadata::size(request.headers()) + request.uri().path().len(), edge.settings.max_metadata_bytes);
        let (deadline, refusal) = match metadata::deadline(request.headers()) {
            _ if head > usize::try_from(most).unwrap_or(usize::MAX) => (None, Some(Error::new(Kind::HeadTooLarge))),
            _ if !metadata::is_grpc(request.headers()) => (None, Some(Error::new(Kind::NotGrpc))),
            _ if request.method() != Method::POST => (None, Some(Error::new(Kind::NotPost))),
            Ok(deadline) => (deadline, None),
            Err(error) => (None, Some(error)),
        };
        if let Some(deadline) = deadline {
            record.set_deadline(deadline);
        }
        let guard = Guard::new(record, Arc::clone(connection), deadline, edge.budget.open());
        Self { guard, call, request, head, refusal }
    }
}

/// Answers one request.
pub async fn answer(edge: Arc<Edge>, arrival: Arrival) -> Result<Response<Sent>, Infallible> {
    let Arrival { guard, call, mut request, head, refusal } = arrival;
    let mut early = BytesMut::new();
    let record = &guard.record;
    let admitted = match refusal {
        Some(error) => Err(turned_away(record, error)),
        None => let_in(&edge, &guard, &mut request, &mut early).await,
    };
    let mut response = match admitted {
        Ok(share) => {
            guard.admit(share);
            if let Some(place) = edge.limits.check(record.method()) {
                guard.take_place(place);
            }
            match guard.race(serve(&edge, &guard, request, early.freeze(), head)).await {
                Ok(response) => response?,
                Err(status) => status.into_http(),
            }
        }
        Err(refused) => {
            drain(request.into_body(), &guard.connection.traffic);
            refused
        }
    };
    if !record.method().is_beside_the_api() {
        response.headers_mut().insert(X_REQUEST_ID, record.request_id());
        if record.is_alone() {
            response.headers_mut().insert(X_DEDUPLICATION, PROCESS);
        }
    }
    let (head, body) = response.into_parts();
    let body = Sent::new(guard, call, &head.headers, body);
    Ok(Response::from_parts(head, body))
}

/// The answer to a request that is not let in. gRPC says that one of another content-type hears of it in HTTP's words; so
/// does one of another method.
fn turned_away(record: &Record, error: Error) -> Response<Body> {
    let http = match error.kind {
        Kind::NotGrpc => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::NotPost => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::OK,
    };
    let mut response = refuse_at_the_door(record, error).into_http();
    *response.status_mut() = http;
    if http == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Lets a request in, or has it turned away. Whose key is not there yet waits for those that are on their way, once.
///
/// No body is left unread meanwhile: it would count against the connection, with everybody's calls on it. Who sends much of
/// it is not waited for.
async fn let_in(
    edge: &Edge,
    guard: &Guard,
    request: &mut Request<Incoming>,
    early: &mut BytesMut,
) -> Result<Option<Permit>, Response<Body>> {
    let mut admitted = admit(edge, guard, request.headers());
    if let Err(Refused::Until(keys)) = admitted {
        let body = request.body_mut();
        let waiting = async {
            tokio::select! {
                () = keys.over() => {}
                () = take_early(body, early) => {}
            }
        };
        Box::pin(guard.race(waiting)).await.map_err(Status::into_http)?;
        admitted = admit(edge, guard, request.headers());
    }
    admitted.map_err(|refused| turned_away(&guard.record, Error::new(refused.into())))
}

/// Lets a request in with its share, or says why not: nothing of it has reached the platform.
fn admit(edge: &Edge, guard: &Guard, headers: &HeaderMap) -> Result<Option<Permit>, Refused> {
    let Guard { record, connection, .. } = guard;
    if connection.traffic.is_abused() {
        return Err(Kind::Overloaded(Shed::Resets).into());
    }
    let name = edge.auth.admit(record.method(), headers, &connection.peer)?;
    let (name, caller) = edge.limits.caller(&edge.auth, name.as_deref());
    if let Some(name) = name {
        record.set_caller(name);
    }
    let name = record.caller().map(|name| &**name);
    if record.method().creates && edge.auth.agents(name).is_some_and(BTreeSet::is_empty) {
        return Err(Kind::AgentForbidden.into());
    }
    Ok(edge.limits.take(record, &caller)?)
}

async fn serve(
    edge: &Edge,
    guard: &Arc<Guard>,
    mut request: Request<Incoming>,
    early: Bytes,
    head: usize,
) -> Result<Response<Body>, Infallible> {
    let record = &guard.record;
    let is_of_the_api = record.method().is_of_the_api();
    request.extensions_mut().insert(Arc::clone(guard));
    // Reflection is a stream both ways, whose caller may think as long as it likes.
    let limit = Some(edge.settings.receive_timeout).filter(|_| record.method().kind != MethodKind::Reflection);
    // Events are compressed one by one, which makes most of them no smaller and all of them dearer: only for callers who
    // compress what they send themselves.
    let sent_plain = request.headers().get("grpc-encoding").is_none_or(|encoding| encoding == "identity");
    if !sent_plain {
        guard.unpacks();
    } else if record.method().kind == MethodKind::Streaming {
        request.headers_mut().remove("grpc-accept-encoding");
    }
    let whole = whole(edge, record, &request);
    let (account, traffic) = (Arc::clone(&guard.account), Arc::clone(&guard.connection.traffic));
    let request = request.map(|body| Received::new(early, body, Arc::clone(record), account, traffic, limit));
    let response = if is_of_the_api {
        // What always gets in finds room for its head and its few bytes.
        let mut room = edge.requests.begin(record.method().kind == MethodKind::Stopping);
        if !room.resize(head) {
            return Ok(refuse_at_the_door(record, full()).into_http());
        }
        let request = request.map(|body| body.holding(room, whole));
        edge.agent.clone().call(request).await?
    } else {
        edge.others.clone().call(request.map(Body::new)).await?
    };
    if let Some(list) = too_long(&response) {
        return Ok(refuse_at_the_door(record, Error::invalid(&list.field, list.to_string())).into_http());
    }
    // What is not served here is refused in our terms, too.
    let is_beside = record.method().is_beside_the_api();
    let refused = if is_beside { None } else { status::of_tonic(record, response.headers()) };
    Ok(refused.map_or(response, Status::into_http))
}

/// What has to come as a whole before it is decoded: what is packed, and where it has to be seen which agent is meant.
fn whole(edge: &Edge, record: &Arc<Record>, request: &Request<Incoming>) -> Option<Whole> {
    let encoding = Encoding::of(request.headers());
    let caller = record.caller().map(|caller| &**caller);
    let is_asked = record.method().creates && edge.auth.agents(caller).is_some();
    let rights = is_asked.then(|| (Arc::clone(&edge.auth), Arc::clone(record)));
    let is_needed = encoding.is_some() || rights.is_some();
    is_needed.then(|| Whole::new(encoding, edge.settings.max_request_bytes, rights))
}

/// The list for which the request was not even decoded.
fn too_long(response: &Response<Body>) -> Option<&TooLong> {
    response.extensions().get::<Status>()?.source()?.downcast_ref()
}
