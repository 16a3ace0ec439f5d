//! A real OTLP receiver, over gRPC and over HTTP: keeps the spans and metrics that are exported to it.

use std::collections::HashMap;

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::Span,
};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, service::Routes};
use tower::Service as _;

use super::live::within;

/// Attributes as text.
pub type Attributes = HashMap<String, String>;

/// What has arrived.
#[derive(Clone, Default)]
pub struct Received {
    pub spans: Vec<Spotted>,
    pub metrics: Vec<ExportMetricsServiceRequest>,
    /// The `authorization` of each export.
    pub tokens: Vec<String>,
}

/// A span.
#[derive(Clone, Debug)]
pub struct Spotted {
    pub resource: Attributes,
    pub span: Span,
}

/// The receiver; stops when it is dropped.
pub struct Collector {
    pub url: String,
    received: watch::Sender<Received>,
    serving: JoinHandle<()>,
}

impl Spotted {
    pub fn attributes(&self) -> Attributes {
        attributes(&self.span.attributes)
    }

    pub fn attribute(&self, name: &str) -> String {
        self.attributes().remove(name).unwrap_or_default()
    }

    pub fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub fn parent_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// 0 unset, 1 OK, 2 error.
    pub fn status(&self) -> (i32, String) {
        let status = self.span.status.clone().unwrap_or_default();
        (status.code, status.message)
    }
}

impl Collector {
    pub async fn grpc() -> Self {
        Self::serving(true, None).await
    }

    pub async fn http() -> Self {
        Self::serving(false, None).await
    }

    /// Over TLS, at the name `localhost`.
    pub async fn secure(is_grpc: bool, tls: TlsAcceptor) -> Self {
        Self::serving(is_grpc, Some(tls)).await
    }

    async fn serving(is_grpc: bool, tls: Option<TlsAcceptor>) -> Self {
        let received = watch::Sender::new(Received::default());
        let service = Service(received.clone());
        let routes = if is_grpc { grpc_routes(service) } else { http_routes(service) };
        let (listener, url) = listen().await;
        let url = if tls.is_some() { url.replace("http://127.0.0.1", "https://localhost") } else { url };
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (routes, tls) = (routes.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, routes).await,
                        // Who does not trust it leaves here.
                        Some(tls) => serve(tls.accept(socket).await.ok()?, routes).await,
                    }
                    Some(())
                });
            }
        });
        Self { url, received, serving }
    }

    /// One that takes connections and never says a word.
    pub async fn silent() -> Self {
        let (listener, url) = listen().await;
        let serving = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok(socket) = listener.accept().await {
                held.push(socket);
            }
        });
        Self { url, received: watch::Sender::new(Received::default()), serving }
    }

    /// What has arrived by now.
    pub fn received(&self) -> Received {
        self.received.borrow().clone()
    }

    /// What has arrived once it is as expected.
    pub async fn once(&self, expected: impl FnMut(&Received) -> bool) -> Received {
        let mut received = self.received.subscribe();
        let arrived = within("an export", received.wait_for(expected)).await;
        arrived.expect("it runs").clone()
    }

    /// The spans with these names, once they are all there, in this order.
    pub async fn spans<const N: usize>(&self, names: [&str; N]) -> [Spotted; N] {
        let all =
            |received: &Received| names.iter().all(|name| received.spans.iter().any(|span| span.span.name == *name));
        let received = self.once(all).await;
        names.map(|name| received.spans.iter().find(|span| span.span.name == name).expect("there").clone())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, routes: Router) {
    let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| routes.clone().call(request));
    // An error is the exporter's leaving.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
}

fn grpc_routes(service: Service) -> Router {
    let routes = Routes::new(TraceServiceServer::new(service.clone())).add_service(MetricsServiceServer::new(service));
    routes.prepare().into_axum_router()
}

fn http_routes(service: Service) -> Router {
    let (spans, metrics) = (service.clone(), service);
    Router::new()
        .route(
            "/v1/traces",
            post(async move |headers: HeaderMap, body: Bytes| {
                let export = ExportTraceServiceRequest::decode(body).expect("OTLP");
                spans.take_spans(headers.get("authorization"), export);
                ExportTraceServiceResponse::default().encode_to_vec()
            }),
        )
        .route(
            "/v1/metrics",
            post(async move |headers: HeaderMap, body: Bytes| {
                let export = ExportMetricsServiceRequest::decode(body).expect("OTLP");
                metrics.take_metrics(headers.get("authorization"), export);
                ExportMetricsServiceResponse::default().encode_to_vec()
            }),
        )
}

#[derive(Clone)]
struct Service(watch::Sender<Received>);

impl Service {
    fn take_spans(&self, token: Option<&http::HeaderValue>, export: ExportTraceServiceRequest) {
        self.0.send_modify(|received| {
            received.tokens.extend(token.map(|token| token.to_str().expect("ASCII").to_owned()));
            for of_resource in export.resource_spans {
                let resource = attributes(&of_resource.resource.unwrap_or_else(Resource::default).attributes);
                let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
                received.spans.extend(spans.map(|span| Spotted { resource: resource.clone(), span }));
            }
        });
    }

    fn take_metrics(&self, token: Option<&http::HeaderValue>, export: ExportMetricsServiceRequest) {
        self.0.send_modify(|received| {
            received.tokens.extend(token.map(|token| token.to_str().expect("ASCII").to_owned()));
            received.metrics.push(export);
        });
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, export) = request.into_parts();
        self.take_spans(metadata.as_ref().get("authorization"), export);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, export) = request.into_parts();
        self.take_metrics(metadata.as_ref().get("authorization"), export);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

pub fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref()).map(text);
        (pair.key.clone(), value.unwrap_or_default())
    };
    pairs.iter().map(pair).collect()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    (listener, url)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
