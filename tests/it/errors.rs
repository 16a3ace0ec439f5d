//! Every row of the error table, met by every call that can meet it; and a platform that cannot be reached, is lost or
//! says nothing.
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{
    calls::{At, EVERYWHERE, failing, follow, invoke},
    direct::Direct,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    status::{Failure, failure},
    time::SOME_TIME,
};

/// HTTP status, code and reason.
const ROWS: [(u16, Code, &str); 27] = [
    (400, Code::InvalidArgument, "PLATFORM_BAD_REQUEST"),
    (413, Code::InvalidArgument, "PLATFORM_REQUEST_TOO_LARGE"),
    (422, Code::InvalidArgument, "PLATFORM_UNPROCESSABLE"),
    (401, Code::Unauthenticated, "PLATFORM_UNAUTHENTICATED"),
    (402, Code::ResourceExhausted, "PLATFORM_PAYMENT_REQUIRED"),
    (429, Code::ResourceExhausted, "PLATFORM_RATE_LIMITED"),
    (403, Code::PermissionDenied, "PLATFORM_FORBIDDEN"),
    (404, Code::NotFound, "PLATFORM_NOT_FOUND"),
    (409, Code::Aborted, "PLATFORM_CONFLICT"),
    (412, Code::FailedPrecondition, "PLATFORM_PRECONDITION_FAILED"),
    (499, Code::Cancelled, "PLATFORM_CANCELLED"),
    (500, Code::Internal, "PLATFORM_INTERNAL"),
    (505, Code::Internal, "PLATFORM_INTERNAL"),
    (507, Code::Internal, "PLATFORM_INTERNAL"),
    (599, Code::Internal, "PLATFORM_INTERNAL"),
    (501, Code::Unimplemented, "PLATFORM_NOT_IMPLEMENTED"),
    (502, Code::Unavailable, "PLATFORM_UNAVAILABLE"),
    (503, Code::Unavailable, "PLATFORM_UNAVAILABLE"),
    (408, Code::DeadlineExceeded, "PLATFORM_TIMEOUT"),
    (504, Code::DeadlineExceeded, "PLATFORM_TIMEOUT"),
    (405, Code::FailedPrecondition, "PLATFORM_REFUSED"),
    (406, Code::FailedPrecondition, "PLATFORM_REFUSED"),
    (410, Code::FailedPrecondition, "PLATFORM_REFUSED"),
    (418, Code::FailedPrecondition, "PLATFORM_REFUSED"),
    (431, Code::FailedPrecondition, "PLATFORM_REFUSED"),
    (451, Code::FailedPrecondition, "PLATFORM_REFUSED"),
    (498, Code::FailedPrecondition, "PLATFORM_REFUSED"),
];

fn refuses(case: &str) -> Reply {
    Reply::json(case.parse().expect("a status"), &json!({ "detail": format!("no: {case}") }))
}

#[tokio::test]
async fn every_call_answers_each_status_as_the_table_says() {
    let platform = Platform::start(failing(refuses)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = proxy.client();
    let cells = ROWS.iter().flat_map(|row| EVERYWHERE.map(|at| (row, at)));
    join_all(cells.map(|(row, at)| check_cell(&client, row, at))).await;
    for (status, ..) in ROWS {
        let create = format!("POST /agent-execution/create-{status}");
        let sent = platform.paths().iter().filter(|path| **path == create).count();
        assert_eq!(sent, 2, "{create}: once by Invoke, once by InvokeStream");
    }
}

async fn check_cell(client: &Client, &(status, code, reason): &(u16, Code, &str), at: At) {
    let case = status.to_string();
    let failure = at.fail(client, &case, None).await;
    let name = format!("{at:?} {case}: {failure:?}");
    assert_eq!(failure.facts["http_status"], case, "{name}");
    assert_eq!(failure.message, format!("no: {case}"), "{name}");
    at.check_named(&failure, &case);
    if at.creates() && status >= 500 && status != 501 && status != 503 {
        check_unknown(&failure, if status == 502 { Code::Unknown } else { code }, &name);
    } else {
        assert_eq!((failure.code, &*failure.reason), (code, reason), "{name}");
        check_known(&failure, at, &name);
    }
}

/// The error of a create that may have made a task.
fn check_unknown(failure: &Failure, code: Code, name: &str) {
    assert_eq!((failure.code, &*failure.reason), (code, "CREATE_OUTCOME_UNKNOWN"), "{name}");
    assert_eq!(failure.facts["outcome"], "unknown", "{name}");
    assert_eq!(failure.pushback.as_deref(), Some("-1"), "{name}");
}

/// Any other error: a call that creates says that it has not.
fn check_known(failure: &Failure, at: At, name: &str) {
    let outcome = at.invokes().then_some("not_created");
    assert_eq!(failure.facts.get("outcome").map(String::as_str), outcome, "{name}");
    assert_eq!(failure.pushback, None, "{name}");
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_fails_the_call() {
    let rows = ROWS.into_iter().filter(|(status, ..)| *status != 404);
    let platform = Platform::start(|request| match request.path.strip_prefix("/org-1/agent-execution/") {
        Some(case) => refuses(case.trim_end_matches("/events")),
        None => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for (status, code, _) in rows {
        let case = status.to_string();
        let failure = failure(proxy.client().stream_events(follow(&case)).await);
        assert_eq!((failure.code, &failure.facts["http_status"]), (code, &case));
        assert_eq!(failure.facts["task_id"], case);
    }
}

#[tokio::test]
async fn a_task_that_cannot_be_followed_after_its_create_was_created_all_the_same() {
    let platform = Platform::with_agents(|request| match request.method.as_str() {
        "POST" => Reply::json(200, &task("task-1", "pending")),
        _ => refuses("403"),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let request =
        xpander_grpc_proxy::proto::InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let mut items = proxy.client().invoke_stream(request).await.expect("created").into_inner();
    assert!(items.message().await.expect("the task").is_some());
    let failure = failure(items.message().await);
    assert_eq!((failure.code, &*failure.facts["task_id"]), (Code::PermissionDenied, "task-1"));
    assert_eq!(failure.facts.get("outcome"), None);
}

#[tokio::test]
async fn a_platform_that_cannot_be_reached_is_unavailable() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port").local_addr();
    let proxy = Proxy::start(&format!("http://{}", closed.expect("bound"))).await;
    let client = proxy.client();
    join_all(EVERYWHERE.map(async |at| {
        let failure = at.fail(&client, "1", None).await;
        let name = format!("{at:?}: {failure:?}");
        assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PLATFORM_UNREACHABLE"), "{name}");
        assert!(!failure.facts.contains_key("http_status"), "{name}");
        assert!(!failure.message.contains("127.0.0.1"), "addresses are not the caller's: {name}");
        check_known(&failure, at, &name);
    }))
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_unavailable_but_for_a_create() {
    let platform = Platform::start(failing(|_| Reply::Raw(Vec::new()))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = proxy.client();
    join_all(EVERYWHERE.map(async |at| {
        let failure = at.fail(&client, "1", None).await;
        let name = format!("{at:?}: {failure:?}");
        if at.creates() {
            check_unknown(&failure, Code::Unknown, &name);
        } else {
            assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PLATFORM_CONNECTION_LOST"), "{name}");
            check_known(&failure, at, &name);
        }
    }))
    .await;
    assert_eq!(platform.paths().iter().filter(|path| path.starts_with("POST")).count(), 2);
}

#[tokio::test]
async fn a_platform_that_says_nothing_is_given_up() {
    let platform = Platform::start(failing(|_| Reply::Silence)).await;
    let mut settings = settings(&platform.base_url());
    settings.platform.request_timeout = SOME_TIME;
    let proxy = Proxy::with(&settings).await;
    let client = proxy.client();
    join_all(EVERYWHERE.map(async |at| {
        let failure = at.fail(&client, "1", None).await;
        let name = format!("{at:?}: {failure:?}");
        if at.creates() {
            check_unknown(&failure, Code::DeadlineExceeded, &name);
        } else {
            assert_eq!((failure.code, &*failure.reason), (Code::DeadlineExceeded, "PLATFORM_TIMEOUT"), "{name}");
            check_known(&failure, at, &name);
        }
    }))
    .await;
    assert_eq!(platform.paths().iter().filter(|path| path.starts_with("POST")).count(), 2);
}

#[tokio::test]
async fn the_callers_deadline_ends_every_call() {
    let platform = Platform::start(failing(|_| Reply::Silence)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = Direct::connect(&proxy).await.client();
    join_all(EVERYWHERE.map(async |at| {
        let failure = at.fail(&client, "1", Some(SOME_TIME)).await;
        let name = format!("{at:?}: {failure:?}");
        at.check_named(&failure, "1");
        if at.creates() {
            check_unknown(&failure, Code::DeadlineExceeded, &name);
        } else {
            assert_eq!((failure.code, &*failure.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{name}");
            check_known(&failure, at, &name);
        }
    }))
    .await;
    assert_eq!(platform.paths().iter().filter(|path| path.starts_with("POST")).count(), 2);
}
