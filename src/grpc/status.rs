//! THE table: what a failed call becomes, as a gRPC status with google.rpc details.

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    calls::{Error, Kind, Outcome},
    platform::{self, Refusal},
    telemetry::{End, Record},
};

/// The domain of every reason.
const DOMAIN: &str = "xpander.ai";
/// The longest message, in bytes: a client's header limit (often 16 KiB) holds the details too.
const MAX_MESSAGE: usize = 1024;
/// The most violations that are told, and the longest field and description of each.
const MAX_VIOLATIONS: usize = 16;
const MAX_FIELD: usize = 128;
const MAX_DESCRIPTION: usize = 256;
/// When a caller may come back to a stream that was interrupted, or to a proxy that drains or has too much to do.
const SOON: Duration = Duration::from_secs(1);

/// The code, the stable reason and the wait of a failure.
struct Row {
    code: Code,
    reason: &'static str,
    retry_after: Option<Duration>,
}

/// The status of a failed call, which is noted in its record, and completed with what the record knows.
pub fn refuse(record: &Record, error: &Error) -> Status {
    record.failed(reason(&error.kind), end(&error.kind));
    if let Kind::Platform(error) = &error.kind
        && let Some(cause) = error.cause()
    {
        // Also where the request was another call's, such as a lookup that both waited for.
        record.lost_connection(cause);
    }
    let mut error = error.clone();
    error.task_id = error.task_id.or_else(|| record.task_id().map(Into::into));
    error.last_event_id = error.last_event_id.or_else(|| record.last_event_id());
    status(&error)
}

/// The same for a call that fails before it has begun: one that creates has created nothing.
pub fn refuse_at_the_door(record: &Record, error: Error) -> Status {
    refuse(record, &if record.method().creates { error.of_create(record) } else { error })
}

/// The status of a failed call.
fn status(error: &Error) -> Status {
    let Row { mut code, mut reason, retry_after } = row(&error.kind);
    let mut facts = facts(error);
    let mut metadata = MetadataMap::new();
    if error.outcome == Some(Outcome::Unknown) {
        facts.insert("cause".to_owned(), reason.to_owned());
        reason = "CREATE_OUTCOME_UNKNOWN";
        // Clients retry UNAVAILABLE by themselves, and so would create a second task.
        if code == Code::Unavailable {
            code = Code::Unknown;
        }
    }
    // A retry would be a second create, or bring the same large answer.
    if error.outcome == Some(Outcome::Unknown) || matches!(error.kind, Kind::TooLarge { .. }) {
        metadata.insert("grpc-retry-pushback-ms", MetadataValue::from_static("-1"));
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, facts);
    for (field, description) in violations(&error.kind).take(MAX_VIOLATIONS) {
        details.add_bad_request_violation(cut(field, MAX_FIELD), cut(description, MAX_DESCRIPTION));
    }
    if let Some(wait) = retry_after.filter(|_| error.outcome != Some(Outcome::Unknown)) {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details_and_metadata(code, cut(&message(error), MAX_MESSAGE), details, metadata)
}

/// The stable reason of a failure.
fn reason(kind: &Kind) -> &'static str {
    row(kind).reason
}

/// How a failure ends its call: most are the call's own answer.
fn end(kind: &Kind) -> End {
    match kind {
        Kind::Deadline | Kind::Platform(platform::Error::Deadline) => End::Deadline,
        Kind::Draining | Kind::Aged => End::Drained,
        Kind::Overloaded(_) | Kind::Unread => End::Shed,
        Kind::Unauthenticated(_) | Kind::CallerForbidden | Kind::AgentForbidden => End::Refused,
        Kind::Platform(platform::Error::Refused(refusal)) if refusal.status < 500 => End::Finished,
        Kind::Interrupted | Kind::Platform(_) => End::PlatformBroke,
        Kind::NotGrpc
        | Kind::Invalid(_)
        | Kind::NotStreaming
        | Kind::TooLarge { .. }
        | Kind::Dawdling
        | Kind::Internal => End::Finished,
    }
}

fn row(kind: &Kind) -> Row {
    let row = |code, reason| Row { code, reason, retry_after: None };
    match kind {
        Kind::NotGrpc => row(Code::InvalidArgument, "CONTENT_TYPE_UNKNOWN"),
        Kind::Invalid(_) => row(Code::InvalidArgument, "INVALID_REQUEST"),
        Kind::NotStreaming => row(Code::FailedPrecondition, "TASK_NOT_STREAMING"),
        Kind::Unauthenticated(_) => row(Code::Unauthenticated, "CALLER_UNAUTHENTICATED"),
        Kind::CallerForbidden => row(Code::PermissionDenied, "CALLER_NOT_ALLOWED"),
        Kind::AgentForbidden => row(Code::PermissionDenied, "AGENT_NOT_ALLOWED"),
        Kind::Overloaded(_) => Row { retry_after: Some(SOON), ..row(Code::ResourceExhausted, "PROXY_OVERLOADED") },
        Kind::Unread => Row { retry_after: Some(SOON), ..row(Code::ResourceExhausted, "ANSWER_UNREAD") },
        Kind::Dawdling => row(Code::DeadlineExceeded, "REQUEST_TOO_SLOW"),
        Kind::Interrupted => Row { retry_after: Some(SOON), ..row(Code::Unavailable, "EVENT_STREAM_INTERRUPTED") },
        Kind::Draining => Row { retry_after: Some(SOON), ..row(Code::Unavailable, "PROXY_DRAINING") },
        Kind::Aged => Row { retry_after: Some(SOON), ..row(Code::Unavailable, "CONNECTION_AGED") },
        Kind::Deadline => row(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        Kind::TooLarge { .. } => row(Code::ResourceExhausted, "RESPONSE_TOO_LARGE"),
        Kind::Internal => row(Code::Internal, "INTERNAL"),
        Kind::Platform(error) => match error {
            platform::Error::Connect(_) | platform::Error::Unprocessed(_) => {
                row(Code::Unavailable, "PLATFORM_UNREACHABLE")
            }
            platform::Error::Lost(_) => row(Code::Unavailable, "PLATFORM_CONNECTION_LOST"),
            platform::Error::Timeout(_) => row(Code::DeadlineExceeded, "PLATFORM_TIMEOUT"),
            platform::Error::Deadline => row(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            platform::Error::Unreadable { .. } => row(Code::Internal, "PLATFORM_ANSWER_UNREADABLE"),
            platform::Error::Refused(refusal) => refused(refusal),
        },
    }
}

fn refused(refusal: &Refusal) -> Row {
    let (code, reason) = match refusal.status {
        // A gateway that knows no such route says nothing about the task.
        404 if refusal.is_gateway => (Code::Internal, "PLATFORM_ROUTE_NOT_FOUND"),
        400 => (Code::InvalidArgument, "PLATFORM_BAD_REQUEST"),
        413 => (Code::InvalidArgument, "PLATFORM_REQUEST_TOO_LARGE"),
        422 => (Code::InvalidArgument, "PLATFORM_UNPROCESSABLE"),
        401 => (Code::Unauthenticated, "PLATFORM_UNAUTHENTICATED"),
        402 => (Code::ResourceExhausted, "PLATFORM_PAYMENT_REQUIRED"),
        429 => (Code::ResourceExhausted, "PLATFORM_RATE_LIMITED"),
        403 => (Code::PermissionDenied, "PLATFORM_FORBIDDEN"),
        404 => (Code::NotFound, "PLATFORM_NOT_FOUND"),
        409 => (Code::Aborted, "PLATFORM_CONFLICT"),
        412 => (Code::FailedPrecondition, "PLATFORM_PRECONDITION_FAILED"),
        499 => (Code::Cancelled, "PLATFORM_CANCELLED"),
        501 => (Code::Unimplemented, "PLATFORM_NOT_IMPLEMENTED"),
        502 | 503 => (Code::Unavailable, "PLATFORM_UNAVAILABLE"),
        408 | 504 => (Code::DeadlineExceeded, "PLATFORM_TIMEOUT"),
        405..=498 => (Code::FailedPrecondition, "PLATFORM_REFUSED"),
        _ => (Code::Internal, "PLATFORM_INTERNAL"),
    };
    let retry_after = refusal.retry_after.filter(|_| matches!(refusal.status, 429 | 503));
    Row { code, reason, retry_after }
}

/// What a program can act on, as the metadata of its `ErrorInfo`.
fn facts(error: &Error) -> HashMap<String, String> {
    let http_status = match &error.kind {
        Kind::Platform(error) => error.http_status().map(|status| status.to_string()),
        _ => None,
    };
    let outcome = error.outcome.map(|outcome| match outcome {
        Outcome::NotCreated => "not_created".to_owned(),
        Outcome::Unknown => "unknown".to_owned(),
    });
    let facts = [
        ("http_status", http_status),
        ("task_id", error.task_id.as_deref().map(str::to_owned)),
        ("agent_id", error.agent_id.as_deref().map(str::to_owned)),
        ("last_event_id", error.last_event_id.as_deref().map(str::to_owned)),
        ("outcome", outcome),
    ];
    facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), cut(&value?, MAX_MESSAGE).to_owned()))).collect()
}

fn violations(kind: &Kind) -> Box<dyn Iterator<Item = (&str, &str)> + '_> {
    match kind {
        Kind::Invalid(violations) => Box::new(violations.iter().map(|v| (v.field.as_str(), v.description.as_str()))),
        Kind::Platform(platform::Error::Refused(refusal)) => {
            Box::new(refusal.violations.iter().map(|v| (v.field.as_str(), v.description.as_str())))
        }
        _ => Box::new(std::iter::empty()),
    }
}

fn message(error: &Error) -> String {
    match &error.kind {
        Kind::Invalid(violations) => {
            let violations = violations.iter().map(|v| format!("{} {}", v.field, v.description));
            violations.collect::<Vec<_>>().join("; ")
        }
        kind => kind.to_string(),
    }
}

/// The longest prefix of whole characters within `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// What tonic itself refuses, in this API's terms: it answers before a call begins and knows no details. None for a
/// status that needs no other.
pub fn of_tonic(creates: bool, headers: &HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    if matches!(status.code(), Code::Ok | Code::Cancelled) || !status.details().is_empty() {
        return None;
    }
    let message = status.message();
    let (code, reason, message) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => (
            Code::ResourceExhausted,
            "REQUEST_TOO_LARGE",
            format!("the request message, prompt and files and free JSON together, is too large: {}", tail(message)),
        ),
        Code::Unimplemented if message.is_empty() => {
            (Code::Unimplemented, "METHOD_UNKNOWN", "there is no such method".to_owned())
        }
        Code::Unimplemented => (Code::Unimplemented, "ENCODING_UNKNOWN", message.to_owned()),
        _ => (
            Code::InvalidArgument,
            "REQUEST_UNREADABLE",
            format!("the request message cannot be read: {}", tail(message)),
        ),
    };
    let outcome = ("outcome".to_owned(), "not_created".to_owned());
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, creates.then_some(outcome).into_iter().collect::<HashMap<_, _>>());
    let headers = status.metadata().clone();
    Some(Status::with_error_details_and_metadata(code, cut(&message, MAX_MESSAGE), details, headers))
}

/// What stands behind the last of tonic's own introductions.
fn tail(message: &str) -> &str {
    ["too large: ", "decompressing: ", "decode Protobuf message: "]
        .iter()
        .find_map(|introduction| message.split_once(introduction))
        .map_or(message, |(_, tail)| tail)
}

/// The code as gRPC spells it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_stay_small_enough_for_a_clients_headers() {
        let violation =
            |i| crate::translate::Violation { field: format!("{i}{}", "f".repeat(500)), description: "é".repeat(500) };
        let error = Error::new(Kind::Invalid((0..1000).map(violation).collect()));
        let status = status(&error.of_task(&"t".repeat(5000)));
        assert!(status.message().len() <= MAX_MESSAGE);
        assert!(status.details().len() < 9 << 10, "{}", status.details().len());
    }
}
