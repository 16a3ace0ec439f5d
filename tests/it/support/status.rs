//! Statuses with their google.rpc details.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a program can act on in a failed call.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    pub reason: String,
    pub facts: HashMap<String, String>,
    pub fields: Vec<String>,
    pub retry_seconds: Option<u64>,
    pub pushback: Option<String>,
}

/// Takes a failed call apart; every one has an `ErrorInfo`, and the trailer that libraries read beside each `RetryInfo`.
pub fn failure<T>(result: Result<T, Status>) -> Failure {
    let status = result.err().expect("a failed call");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}")).clone();
    assert_eq!(info.domain, "xpander.ai");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|v| v.to_str().expect("ASCII").to_owned());
    let wait = details.retry_info().map(|retry| retry.retry_delay.expect("a delay").as_nanos().div_ceil(1_000_000));
    if let Some(wait) = wait {
        assert_eq!(pushback, Some(wait.to_string()), "{status:?}");
    }
    let fields = details.bad_request().map(|bad| bad.field_violations.iter().map(|v| v.field.clone()).collect());
    Failure {
        code: status.code(),
        message: status.message().to_owned(),
        reason: info.reason,
        facts: info.metadata,
        fields: fields.unwrap_or_default(),
        retry_seconds: details.retry_info().and_then(|retry| retry.retry_delay).map(|delay| delay.as_secs()),
        pushback,
    }
}

/// Whether a call was not processed, as its caller's own library knows: it was told to leave (GOAWAY) while it had the call
/// still in its hands. Other libraries than tonic send such a call again by themselves.
pub fn was_never_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let is_canceled = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        let is_left_out =
            |error: &h2::Error| error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
        if is_canceled || error.downcast_ref::<h2::Error>().is_some_and(is_left_out) {
            return true;
        }
        cause = error.source();
    }
    false
}
