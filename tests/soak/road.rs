//! The two ways to the proxy: tonic's own transport, and a plain HTTP/2 connection that leaves deadlines to the proxy.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, header};
use tonic::{body::Body, codegen::StdError, transport::Channel};
use tower::Service;

use super::direct::Direct;

/// A connection of one caller, whose token is its name.
#[derive(Clone)]
pub struct Road {
    pub caller: &'static str,
    pub way: Way,
}

#[derive(Clone)]
pub enum Way {
    Tonic(Channel),
    Direct(Direct),
}

impl Service<Request<Body>> for Road {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(match &mut self.way {
            Way::Tonic(road) => ready!(road.poll_ready(cx)).map_err(Into::into),
            Way::Direct(road) => ready!(road.poll_ready(cx)).map_err(Into::into),
        })
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let token = format!("Bearer {}", self.caller).parse().expect("a header");
        request.headers_mut().insert(header::AUTHORIZATION, token);
        match &mut self.way {
            Way::Tonic(road) => {
                let answer = road.call(request);
                Box::pin(async { Ok(answer.await?) })
            }
            Way::Direct(road) => {
                let answer = road.call(request);
                Box::pin(async { Ok(answer.await?.map(Body::new)) })
            }
        }
    }
}
