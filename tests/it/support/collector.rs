//! A real OTLP receiver, over gRPC and over HTTP: keeps the spans and metrics that are exported to it.

use std::{collections::HashMap, convert::Infallible};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
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
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
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
        let received = watch::Sender::new(Received::default());
        let service = Service(received.clone());
        let routes =
            Routes::new(TraceServiceServer::new(service.clone())).add_service(MetricsServiceServer::new(service));
        let (listener, url) = listen().await;
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let routes = routes.clone();
                let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let mut routes = routes.clone();
                    async move { routes.call(request.map(tonic::body::Body::new)).await.map_err(|error: Infallible| error) }
                });
                let http2 = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(http2.serve_connection(TokioIo::new(socket), answer));
            }
        });
        Self { url, received, serving }
    }

    pub async fn http() -> Self {
        let received = watch::Sender::new(Received::default());
        let (spans, metrics) = (Service(received.clone()), Service(received.clone()));
        let routes = Router::new()
            .route(
                "/v1/traces",
                post(async move |headers: HeaderMap, body: Bytes| {
                    spans.take_spans(
                        headers.get("authorization"),
                        ExportTraceServiceRequest::decode(body).expect("OTLP"),
                    );
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
            );
        let (listener, url) = listen().await;
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serves") });
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
