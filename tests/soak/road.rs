//! The two ways to the proxy: tonic's own transport, and a plain HTTP/2 connection that leaves deadlines to the proxy.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tonic::{body::Body, codegen::StdError, transport::Channel};
use tower::Service;

use super::direct::Direct;

/// A connection.
#[derive(Clone)]
pub enum Road {
    Tonic(Channel),
    Direct(Direct),
}

impl Service<Request<Body>> for Road {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(match self {
            Self::Tonic(road) => ready!(road.poll_ready(cx)).map_err(Into::into),
            Self::Direct(road) => ready!(road.poll_ready(cx)).map_err(Into::into),
        })
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Tonic(road) => {
                let answer = road.call(request);
                Box::pin(async { Ok(answer.await?) })
            }
            Self::Direct(road) => {
                let answer = road.call(request);
                Box::pin(async { Ok(answer.await?.map(Body::new)) })
            }
        }
    }
}
