//! What the sandbox was asked, for tests to look at.
//!
//! It is a bounded memory and not a log: old requests are forgotten.

use std::collections::VecDeque;
use std::sync::Mutex;

use http::request::Parts;
use serde_json::Value;

use crate::sandbox::lock::locked;

/// How many requests are remembered at most.
const REQUESTS: usize = 10_000;
/// How many bytes of request bodies are remembered at most.
const BODY_BYTES: usize = 64 << 20;

/// A request the sandbox received.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// The method, in upper case.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The headers in the order received, with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body: null when there is none, a string when it is not JSON.
    pub body: Value,
}

impl SeenRequest {
    /// The first header of this (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The requests seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Each with the size its body had on the wire.
    requests: VecDeque<(SeenRequest, usize)>,
    bytes: usize,
}

impl Seen {
    /// Remembers a request.
    pub fn record(&self, parts: &Parts, body: &[u8]) {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let request = SeenRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: match body {
                [] => Value::Null,
                body => serde_json::from_slice(body)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
            },
        };
        let mut kept = locked(&self.kept);
        kept.bytes += body.len();
        kept.requests.push_back((request, body.len()));
        while kept.requests.len() > REQUESTS || kept.bytes > BODY_BYTES {
            let Some((_, bytes)) = kept.requests.pop_front() else {
                break;
            };
            kept.bytes -= bytes;
        }
    }

    /// All that is remembered, oldest first.
    pub fn all(&self) -> Vec<SeenRequest> {
        locked(&self.kept).requests.iter().map(|(request, _)| request.clone()).collect()
    }
}
