//! Who calls: tokens with their hashes, metadata, and each call of the API made as bytes.

use sha2::{Digest as _, Sha256};
use tonic::{Request, Status, metadata::AsciiMetadataValue};
use xpander_grpc_proxy::config::{Settings, TokenHash};

use super::{
    direct::{Direct, frame},
    live::within,
    status::{Failure, failure},
};

/// Every call of the API, with the bytes of a request: a task's id, or an agent's and a prompt.
pub const CALLS: [(&str, &[u8]); 9] = [
    ("Invoke", b"\x0a\x04echo\x12\x02hi"),
    ("StreamEvents", b"\x0a\x06task-1"),
    ("InvokeStream", b"\x0a\x0a\x0a\x04echo\x12\x02hi"),
    ("GetTask", b"\x0a\x06task-1"),
    ("WaitTask", b"\x0a\x06task-1"),
    ("StopTask", b"\x0a\x06task-1"),
    ("ListAgents", b""),
    ("ListTasks", b"\x0a\x04echo"),
    ("GetTaskActivity", b"\x0a\x06task-1"),
];

/// The hash of a token.
pub fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token).into())
}

/// The same as it is written in settings.
pub fn hex(token: &str) -> String {
    hash(token).0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets these callers in, each with its token.
pub fn let_in(settings: &mut Settings, callers: &[(&str, &str)]) {
    for (name, token) in callers {
        settings.auth.tokens.entry((*name).to_owned()).or_default().push(hash(token));
    }
}

/// A request with this metadata, which may be any text.
pub fn with<M>(message: M, metadata: &[(&'static str, &str)]) -> Request<M> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        let value = AsciiMetadataValue::try_from(value.as_bytes()).expect("a value of metadata");
        request.metadata_mut().append(*name, value);
    }
    request
}

/// A request with a bearer token.
pub fn bearer<M>(message: M, token: &str) -> Request<M> {
    with(message, &[("authorization", &format!("Bearer {token}"))])
}

/// Makes each call of the API with this metadata; how they fail.
pub async fn failures(direct: &mut Direct, metadata: &[(&str, &str)]) -> Vec<(&'static str, Failure)> {
    let mut failures = Vec::new();
    for (method, body) in CALLS {
        let status = within(method, direct.post(method, metadata, frame(body))).await;
        failures.push((method, failure(Err::<(), Status>(status))));
    }
    failures
}

/// Whether a method of this name creates tasks.
pub fn creates(method: &str) -> bool {
    method.starts_with("Invoke")
}
