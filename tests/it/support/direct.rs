//! A caller without tonic's own transport, which keeps deadlines by itself: here only the proxy does, and bytes are
//! sent as a test wants them.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body as _;
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::{Status, body::Body};
use xpander_grpc_proxy::proto::agent_service_client::AgentServiceClient;

use super::proxy::Proxy;

/// One HTTP/2 connection to the proxy.
#[derive(Clone)]
pub struct Direct {
    requests: SendRequest<Body>,
    origin: Uri,
}

impl Direct {
    pub async fn connect(proxy: &Proxy) -> Self {
        Self::to(&proxy.grpc).await
    }

    /// A connection to the gRPC port at this URL.
    pub async fn to(url: &str) -> Self {
        let origin: Uri = url.parse().expect("a URL");
        let address = origin.authority().expect("an address").as_str();
        let socket = TcpStream::connect(address).await.expect("connects");
        socket.set_nodelay(true).expect("connected");
        let (requests, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(socket)).await.expect("speaks HTTP/2");
        tokio::spawn(connection);
        Self { requests, origin }
    }

    pub fn client(&self) -> AgentServiceClient<Self> {
        AgentServiceClient::with_origin(self.clone(), self.origin.clone())
    }

    /// Sends a body as it is, frames and all; the status of the answer, wherever it stands.
    pub async fn post(&mut self, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
        self.post_body(method, headers, axum::body::Body::from(body)).await
    }

    /// The same with a body that comes bit by bit.
    pub async fn post_body(&mut self, method: &str, headers: &[(&str, &str)], body: axum::body::Body) -> Status {
        let response = self.send(method, headers, body).await;
        if let Some(status) = Status::from_header_map(response.headers()) {
            return status;
        }
        let mut body = response.into_body();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.expect("a whole answer");
            if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                return status;
            }
        }
        panic!("an answer without a status")
    }

    /// The first piece of the answer's body as it came.
    pub async fn first_bytes(&mut self, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Bytes {
        let mut body = self.send(method, headers, axum::body::Body::from(body)).await.into_body();
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.expect("a body").expect("a whole answer");
        frame.into_data().unwrap_or_default()
    }

    /// The answer's head.
    pub async fn head(&mut self, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> HeaderMap {
        self.send(method, headers, axum::body::Body::from(body)).await.headers().clone()
    }

    /// Sends a body; the answer's head, with the rest still to come.
    pub async fn send(&mut self, method: &str, headers: &[(&str, &str)], body: axum::body::Body) -> Response<Incoming> {
        let mut request = Request::post(format!("{}xpander.agent.v1.AgentService/{method}", self.origin))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::new(body)).expect("a request");
        self.requests.send_request(request).await.expect("an answer")
    }
}

impl tower::Service<Request<Body>> for Direct {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}

/// A message in its gRPC frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a frame");
    [&[0], &length.to_be_bytes()[..], message].concat()
}
