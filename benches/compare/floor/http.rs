//! The floor's HTTP: hyper-util's pooled client, or reqwest in its place.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{Fault, Outcome};

/// A client of the platform.
#[derive(Clone)]
pub enum Http {
    HyperUtil(Box<Client<HttpConnector, Full<Bytes>>>),
    Reqwest(reqwest::Client),
}

/// An answer, read piece by piece.
pub enum Answer {
    HyperUtil(hyper::body::Incoming),
    Reqwest(reqwest::Response),
}

impl Http {
    /// `hyper-http1`, `hyper-http2` (without TLS) or `reqwest`.
    pub fn new(kind: &str) -> Outcome<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        Ok(match kind {
            "hyper-http1" => Self::HyperUtil(builder.build(connector).into()),
            "hyper-http2" => Self::HyperUtil(builder.http2_only(true).build(connector).into()),
            "reqwest" => {
                // TLS is never spoken here; reqwest wants a provider all the same.
                let _ = rustls::crypto::ring::default_provider().install_default();
                Self::Reqwest(reqwest::Client::builder().http1_only().no_proxy().tcp_nodelay(true).build()?)
            }
            _ => return Err(format!("no client is called {kind}").into()),
        })
    }

    /// Posts JSON; the whole answer, which must be a success.
    pub async fn post(&self, url: &str, json: Vec<u8>) -> Outcome<Bytes> {
        let request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        match self.send(request, json.into()).await? {
            Answer::HyperUtil(body) => Ok(body.collect().await?.to_bytes()),
            Answer::Reqwest(response) => Ok(response.bytes().await?),
        }
    }

    /// The answer to a GET, which must be a success.
    pub async fn get(&self, url: &str) -> Outcome<Answer> {
        self.send(Request::get(url), Bytes::new()).await
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Outcome<Answer> {
        let request = request.header("x-api-key", "key-of-the-bench");
        let (status, answer) = match self {
            Self::HyperUtil(client) => {
                let response = client.request(request.body(Full::new(body))?).await?;
                (response.status(), Answer::HyperUtil(response.into_body()))
            }
            Self::Reqwest(client) => {
                let response = client.execute(request.body(body)?.try_into()?).await?;
                (response.status(), Answer::Reqwest(response))
            }
        };
        if status.is_success() { Ok(answer) } else { Err(format!("the platform says {status}").into()) }
    }
}

impl Answer {
    /// The next piece; None at the end.
    pub async fn chunk(&mut self) -> Outcome<Option<Bytes>> {
        match self {
            Self::Reqwest(response) => Ok(response.chunk().await?),
            Self::HyperUtil(body) => match body.frame().await {
                Some(frame) => Ok(Some(frame?.into_data().map_err(|_| Fault::from("trailers"))?)),
                None => Ok(None),
            },
        }
    }

    /// All of it.
    pub async fn whole(mut self) -> Outcome<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}
