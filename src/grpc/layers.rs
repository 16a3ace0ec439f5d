//! One request through the layers, the outermost first: the access log, the request id, who may call, a share of what the
//! proxy does at once, tonic's own refusals put into this API's terms, the services.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderValue, Request, Response};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::TokioExecutor;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::Service as _;

use super::{
    access,
    auth::Auth,
    connection::Connection,
    limits::{Limits, Permit},
    metadata,
    method::Target,
    receive::Receive,
    status::{self, note, status},
    tls::Tls,
    traffic::Held,
};
use crate::{
    calls::{Error, Kind},
    config,
    telemetry::{Metrics, Record},
};

/// What all connections share.
pub struct Edge {
    /// The services.
    pub routes: Routes,
    /// Who may call.
    pub auth: Arc<Auth>,
    /// How much is done at once.
    pub limits: Limits,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// TLS; without it the port speaks cleartext.
    pub tls: Option<Arc<Tls>>,
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
    /// The caller's name, where callers have names.
    pub caller: Option<Arc<str>>,
    /// The call's share; none for what is no call of the API.
    pub permit: Option<Permit>,
    /// The connection it came on.
    pub connection: Arc<Connection>,
}

/// Answers one request.
pub async fn answer(
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let under_way = connection.traffic.begin();
    let (record, logged) = access::begin(&edge.metrics, &request);
    let target = Target::of(request.uri().path());
    let request_id = metadata::request_id(request.headers());
    record.set_request_id(request_id.clone());
    let admitted = admit(&edge, connection, target, &request, request_id.clone(), &record);
    let permit = admitted.as_ref().ok().and_then(|admitted| admitted.permit.clone());
    let mut response = match admitted {
        Ok(admitted) => serve(&edge, target, admitted, request).await?,
        Err(error) => status(&error).into_http(),
    };
    if matches!(target, Target::Agents(_)) {
        response.headers_mut().insert("x-request-id", request_id);
    }
    Ok(logged(response.map(|body| Body::new(Held::new(body, under_way, permit)))))
}

/// Lets a request in, or says why not: nothing of it has reached the platform.
fn admit(
    edge: &Edge,
    connection: Arc<Connection>,
    target: Target,
    request: &Request<Incoming>,
    request_id: HeaderValue,
    record: &Arc<Record>,
) -> Result<Admitted, Error> {
    let admitted = || {
        if connection.traffic.is_abused() {
            return Err(Kind::Overloaded(
                "the streams that one connection may reset (server.max_resets_per_connection)",
            ));
        }
        let caller = edge.auth.admit(target, request.headers(), &connection.peer)?;
        if let Some(caller) = &caller {
            record.set_caller(Arc::clone(caller));
        }
        let permit = match target {
            Target::Agents(method) => Some(edge.limits.take(method)?),
            _ => None,
        };
        Ok((caller, permit))
    };
    match admitted() {
        Ok((caller, permit)) => Ok(Admitted { request_id, record: Arc::clone(record), caller, permit, connection }),
        Err(kind) => {
            note(record, &kind);
            Err(if creates(target) { Error::new(kind).or_not_created() } else { Error::new(kind) })
        }
    }
}

async fn serve(
    edge: &Edge,
    target: Target,
    admitted: Admitted,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let record = Arc::clone(&admitted.record);
    request.extensions_mut().insert(admitted);
    let limit = edge.settings.receive_timeout;
    let uri = request.uri().clone();
    let request = request.map(|body| match target {
        // A bidirectional stream, whose caller may think as long as it likes.
        Target::Reflection => Body::new(body),
        _ => Body::new(Receive::new(body, record, limit, creates(target))),
    });
    let response = edge.routes.clone().call(request).await?;
    Ok(match status::of_tonic(uri.path(), response.headers()) {
        Some(status) => status.into_http(),
        None => response,
    })
}

fn creates(target: Target) -> bool {
    matches!(target, Target::Agents(method) if method.creates())
}
