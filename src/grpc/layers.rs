//! One request through the layers, the outermost first: the access log, the request id, who may call, a share of what the
//! proxy does at once, tonic's own refusals put into this API's terms, the services.

use std::{convert::Infallible, error::Error as _, sync::Arc};

use http::{HeaderName, HeaderValue, Request, Response};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::TokioExecutor;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::Service as _;

use super::{
    auth::Auth,
    bodies::{Received, Sent},
    connection::Connection,
    limits::{Hold, Limits, Permit},
    metadata,
    server::SERVICE,
    service::Service,
    status::{self, refuse_at_the_door},
    tls::Tls,
};
use crate::{
    calls::{Error, Kind},
    config,
    proto::{TooLong, agent_service_server::AgentServiceServer},
    telemetry::{Call, MethodKind, Metrics, Record},
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    /// How HTTP/2 is spoken.
    pub http2: http2::Builder<TokioExecutor>,
    /// Tells connections to leave.
    pub draining: CancellationToken,
    /// Ends what is left of them.
    pub closing: CancellationToken,
    /// The port's settings.
    pub settings: config::Server,
}

/// What the layers have found out about a call, for the service.
#[derive(Clone)]
pub struct Admitted {
    /// Given, or made up.
    pub request_id: HeaderValue,
    /// What is told of the call.
    pub record: Arc<Record>,
    /// What the call holds.
    pub hold: Arc<Hold>,
    /// The connection it came on.
    pub connection: Arc<Connection>,
}

/// Answers one request.
pub async fn answer(
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Sent>, Infallible> {
    let under_way = connection.traffic.begin();
    let call = Call::begin(&edge.metrics, request.uri().path(), request.headers());
    let record = Arc::clone(call.record());
    let request_id = metadata::request_id(request.headers());
    record.set_request_id(request_id.clone());
    let (hold, mut response) = match admit(&edge, &connection, &record, &request) {
        Ok(permit) => {
            let hold = Arc::new(Hold::new(under_way, permit));
            let (request_id, record) = (request_id.clone(), Arc::clone(&record));
            let admitted = Admitted { request_id, record, hold: Arc::clone(&hold), connection };
            (hold, serve(&edge, admitted, request).await?)
        }
        Err(kind) => (Arc::new(Hold::new(under_way, None)), refuse_at_the_door(&record, Error::new(kind)).into_http()),
    };
    if record.method().is_of_the_api() {
        response.headers_mut().insert(X_REQUEST_ID, request_id);
    }
    let (head, body) = response.into_parts();
    let body = Sent::new(body, call, hold, &head.headers);
    Ok(Response::from_parts(head, body))
}

/// Lets a request in with its share, or says why not: nothing of it has reached the platform.
fn admit(
    edge: &Edge,
    connection: &Connection,
    record: &Record,
    request: &Request<Incoming>,
) -> Result<Option<Permit>, Kind> {
    if connection.traffic.is_abused() {
        return Err(Kind::Overloaded("server.max_resets_per_connection"));
    }
    if let Some(caller) = edge.auth.admit(record.method(), request.headers(), &connection.peer)? {
        record.set_caller(caller);
    }
    edge.limits.take(record.method())
}

async fn serve(edge: &Edge, admitted: Admitted, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let record = Arc::clone(&admitted.record);
    let is_of_the_api = record.method().is_of_the_api();
    // A method that our service does not have is refused in our terms, too.
    let is_ours = is_of_the_api || is_of_our_service(request.uri().path());
    request.extensions_mut().insert(admitted);
    // Reflection is a stream both ways, whose caller may think as long as it likes.
    let limit = Some(edge.settings.receive_timeout).filter(|_| record.method().kind != MethodKind::Reflection);
    // Events are compressed one by one, which makes most of them no smaller and all of them dearer: only for callers who
    // compress what they send themselves.
    let sent_plain = request.headers().get("grpc-encoding").is_none_or(|encoding| encoding == "identity");
    if record.method().kind == MethodKind::Streaming && sent_plain {
        request.headers_mut().remove("grpc-accept-encoding");
    }
    let request = request.map(|body| Received::new(body, record.clone(), limit));
    let response = if is_of_the_api {
        edge.agent.clone().call(request).await?
    } else {
        edge.others.clone().call(request.map(Body::new)).await?
    };
    if let Some(list) = too_long(&response) {
        return Ok(refuse_at_the_door(&record, Error::invalid(&list.field, list.to_string())).into_http());
    }
    let refused = if is_ours { status::of_tonic(record.method().creates, response.headers()) } else { None };
    Ok(refused.map_or(response, Status::into_http))
}

fn is_of_our_service(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE)).is_some_and(|rest| rest.starts_with('/'))
}

/// The list for which the request was not even decoded.
fn too_long(response: &Response<Body>) -> Option<&TooLong> {
    response.extensions().get::<Status>()?.source()?.downcast_ref()
}
