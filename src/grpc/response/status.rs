//! THE table: what a failed call becomes, as a gRPC status with google.rpc details.

use std::time::Duration;

use http::HeaderMap;
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};

use super::told::Told;
use crate::{
    calls::{Error, Kind, Outcome},
    claims::Why,
    platform,
    telemetry::{End, Failure, Record, Shed},
};

/// When a caller may come back to a stream that was interrupted, or to a proxy that drains or has too much to do.
const SOON: Duration = Duration::from_secs(1);
/// Tells libraries when to call again by themselves, in milliseconds; never where it is negative.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// The outcome of a create that has created nothing.
const NOT_CREATED: &str = "not_created";
/// The reasons by which the platform refuses a key.
const OF_THE_KEY: [&str; 3] = ["PLATFORM_UNAUTHENTICATED", "PLATFORM_FORBIDDEN", "PLATFORM_PAYMENT_REQUIRED"];

/// The code, the stable reason and the wait of a failure.
struct Row {
    code: Code,
    reason: &'static str,
    retry_after: Option<Duration>,
}

/// The status of a failed call, which is noted in its record, and completed with what the record knows.
pub fn refuse(record: &Record, error: &Error) -> Status {
    if let Kind::Platform(error) = &error.kind
        && let Some(cause) = error.cause()
    {
        // Also where the request was another call's, such as a lookup that both waited for.
        record.lost_connection(cause);
    }
    let mut error = error.clone();
    error.task_id = error.task_id.or_else(|| record.task_id().map(Into::into));
    error.last_event_id = error.last_event_id.or_else(|| record.last_event_id());
    let Row { mut code, reason: cause, retry_after } = row(&error.kind);
    let is_unknown = error.outcome == Some(Outcome::Unknown);
    let reason = if is_unknown { "CREATE_OUTCOME_UNKNOWN" } else { cause };
    let is_ours = is_ours(code, cause) && !(record.brings_key() && OF_THE_KEY.contains(&cause));
    record.failed(Failure { reason, outcome: error.outcome.map(outcome), is_ours }, end(&error.kind));
    // Clients retry UNAVAILABLE by themselves, and so would create a second task.
    if is_unknown && code == Code::Unavailable {
        code = Code::Unknown;
    }
    let retry_after = retry_after.filter(|_| !is_unknown);
    let mut metadata = MetadataMap::new();
    // A retry would be a second create, or bring the same large answer.
    if is_unknown || matches!(error.kind, Kind::TooLarge { .. }) {
        metadata.insert(PUSHBACK, MetadataValue::from_static("-1"));
    } else if let Some(wait) = retry_after {
        metadata.insert(PUSHBACK, pushback(wait).into());
    }
    let http_status = http_status(&error.kind);
    let (message, violations) = (message(&error), violations(&error.kind).collect());
    let facts = facts(&error, is_unknown.then_some(cause), http_status.as_deref());
    let quota = match error.kind {
        Kind::Limited(shed, _) => Some((shed.setting(), record.caller().map(|caller| &**caller))),
        _ => None,
    };
    Told { code, reason, message: &message, facts, violations, quota, retry_after, metadata }
        .status(&record.request_id())
}

/// The same for a call that ends from outside, before it has begun or under way: one that creates says whether it may have
/// created. A caller that was told of its task has nothing to ask.
pub fn refuse_at_the_door(record: &Record, error: Error) -> Status {
    let is_told = record.task_id().is_some() && !record.may_have_created();
    refuse(record, &if record.method().creates && !is_told { error.of_create(record) } else { error })
}

/// A wait in whole milliseconds, none shorter than it is. Libraries read no more than 31 bits.
fn pushback(wait: Duration) -> i32 {
    i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

/// Whether a failure is the proxy's or the platform's: who calls could not have done better. Limits that are met are neither,
/// and have counters of their own.
fn is_ours(code: Code, reason: &str) -> bool {
    match reason {
        "DEADLINE_EXCEEDED" | "REQUEST_TOO_SLOW" => false,
        _ if OF_THE_KEY.contains(&reason) => true,
        _ => matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Unimplemented),
    }
}

/// The word for what became of a create.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotCreated => NOT_CREATED,
        Outcome::Created => "created",
        Outcome::Unknown => "unknown",
    }
}

/// How a failure ends its call: most are the call's own answer.
fn end(kind: &Kind) -> End {
    match kind {
        Kind::Deadline | Kind::Platform(platform::Error::Deadline) => End::Deadline,
        Kind::Draining | Kind::Aged => End::Drained,
        Kind::Overloaded(shed) | Kind::Limited(shed, _) => End::Shed(*shed),
        Kind::Unread | Kind::Platform(platform::Error::NoRoom) => End::Shed(Shed::Answers),
        Kind::Full(_) => End::Shed(Shed::Names),
        Kind::Platform(platform::Error::Braked { .. }) => End::Shed(Shed::Platform),
        Kind::Unauthenticated(_)
        | Kind::CallerForbidden
        | Kind::AgentForbidden
        | Kind::TaskForbidden
        | Kind::ListsForbidden(_) => End::Refused,
        Kind::Platform(platform::Error::Refused(refusal)) if refusal.status < 500 => End::Finished,
        Kind::Interrupted | Kind::Platform(_) => End::PlatformBroke,
        Kind::NotGrpc
        | Kind::NotPost
        | Kind::HeadTooLarge
        | Kind::Invalid(_)
        | Kind::NotStreaming
        | Kind::TooLarge { .. }
        | Kind::Dawdling
        | Kind::Earlier(_)
        | Kind::StoreAway
        | Kind::Internal => End::Finished,
    }
}

fn row(kind: &Kind) -> Row {
    let row = |code, reason| Row { code, reason, retry_after: None };
    match kind {
        Kind::NotGrpc => row(Code::InvalidArgument, "CONTENT_TYPE_UNKNOWN"),
        Kind::NotPost => row(Code::InvalidArgument, "HTTP_METHOD_UNKNOWN"),
        Kind::HeadTooLarge => row(Code::ResourceExhausted, "METADATA_TOO_LARGE"),
        Kind::Invalid(_) => row(Code::InvalidArgument, "INVALID_REQUEST"),
        Kind::NotStreaming => row(Code::FailedPrecondition, "TASK_NOT_STREAMING"),
        Kind::Unauthenticated(_) => row(Code::Unauthenticated, "CALLER_UNAUTHENTICATED"),
        Kind::CallerForbidden => row(Code::PermissionDenied, "CALLER_NOT_ALLOWED"),
        Kind::AgentForbidden | Kind::TaskForbidden => row(Code::PermissionDenied, "AGENT_NOT_ALLOWED"),
        Kind::ListsForbidden(_) => row(Code::PermissionDenied, "LISTS_NOT_ALLOWED"),
        Kind::Overloaded(_) => Row { retry_after: Some(SOON), ..row(Code::ResourceExhausted, "PROXY_OVERLOADED") },
        Kind::Limited(_, wait) => {
            Row { retry_after: Some(wait.unwrap_or(SOON)), ..row(Code::ResourceExhausted, "CALLER_LIMITED") }
        }
        Kind::Unread => Row { retry_after: Some(SOON), ..row(Code::ResourceExhausted, "ANSWER_UNREAD") },
        Kind::Full(wait) => Row { retry_after: Some(*wait), ..row(Code::ResourceExhausted, "DEDUPLICATION_FULL") },
        Kind::StoreAway => Row { retry_after: Some(SOON), ..row(Code::Unavailable, "DEDUPLICATION_UNAVAILABLE") },
        Kind::Earlier(why) => match why {
            Why::Lost => row(Code::Unavailable, "PLATFORM_CONNECTION_LOST"),
            Why::TimedOut => row(Code::DeadlineExceeded, "PLATFORM_TIMEOUT"),
            Why::Unreadable(_) => row(Code::Internal, "PLATFORM_ANSWER_UNREADABLE"),
            Why::Refused(status) => with_status(*status, false, None),
            Why::Abandoned => row(Code::Unavailable, "PROXY_LOST"),
        },
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
            platform::Error::NoRoom => {
                Row { retry_after: Some(SOON), ..row(Code::ResourceExhausted, "PROXY_OVERLOADED") }
            }
            platform::Error::Braked { status, left } => with_status(status.unwrap_or(503), false, Some(*left)),
            platform::Error::Refused(refusal) => with_status(refusal.status, refusal.is_gateway, refusal.retry_after),
        },
    }
}

/// The row of a refusal by the platform's HTTP status.
fn with_status(status: u16, is_gateway: bool, retry_after: Option<Duration>) -> Row {
    let (code, reason) = match status {
        // A gateway that knows no such route says nothing about the task.
        404 if is_gateway => (Code::Internal, "PLATFORM_ROUTE_NOT_FOUND"),
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
    let retry_after = retry_after.filter(|_| matches!(status, 429 | 503));
    Row { code, reason, retry_after }
}

fn http_status(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Platform(error) => error.http_status().map(|status| status.to_string()),
        Kind::Earlier(Why::Refused(status) | Why::Unreadable(status)) => Some(status.to_string()),
        _ => None,
    }
}

/// What a program can act on, as the metadata of its `ErrorInfo`; the most important first.
fn facts<'a>(error: &'a Error, cause: Option<&'a str>, http_status: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let facts = [
        ("outcome", error.outcome.map(outcome)),
        ("http_status", http_status),
        ("cause", cause),
        ("task_id", error.task_id.as_deref()),
        ("last_event_id", error.last_event_id.as_deref()),
        ("agent_id", error.agent_id.as_deref()),
    ];
    facts.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
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

/// What tonic itself refuses, in this API's terms: it answers before a call begins and knows no details. None for a
/// status that needs no other.
pub fn of_tonic(record: &Record, headers: &HeaderMap) -> Option<Status> {
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
    let outcome = record.method().creates.then_some(NOT_CREATED);
    record.failed(Failure { reason, outcome, is_ours: false }, End::Finished);
    let facts = outcome.map(|outcome| ("outcome", outcome)).into_iter().collect();
    let metadata = status.metadata().clone();
    let (violations, quota, retry_after) = Default::default();
    let told = Told { code, reason, message: &message, facts, violations, quota, retry_after, metadata };
    Some(told.status(&record.request_id()))
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
    fn a_pushback_is_whole_milliseconds_and_never_too_early() {
        let rows = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1000),
            (Duration::from_micros(30_500_001), 30_501),
            (Duration::MAX, i32::MAX),
        ];
        for (wait, milliseconds) in rows {
            assert_eq!(pushback(wait), milliseconds, "{wait:?}");
        }
    }
}
