//! What operators see of calls: traces at a real OTLP receiver, metrics as they are scraped, lines of the log.

mod costs;
mod creates;
mod lines;
mod metrics;
mod secure;
mod traces;

use tonic::{
    Request,
    metadata::{AsciiMetadataKey, AsciiMetadataValue},
    transport::Endpoint,
};

use crate::support::{binary::Serving, proxy::Client};

/// Metadata of a call.
type Headers<'a> = &'a [(&'a str, &'a str)];

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A client of the binary.
fn client(serving: &Serving) -> Client {
    Client::new(Endpoint::new(serving.grpc.clone()).expect("a URL").connect_lazy())
}

/// A request with this metadata.
fn with<M>(message: M, metadata: &[(&'static str, &str)]) -> Request<M> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        let value = AsciiMetadataValue::try_from(*value).expect("ASCII");
        request.metadata_mut().append(AsciiMetadataKey::from_static(name), value);
    }
    request
}
