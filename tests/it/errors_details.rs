//! What an error says: the platform's words and nothing it should not say, its fields, and when to come back.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeStreamRequest};

use crate::support::{
    calls::{At, EVERYWHERE, failing, invoke},
    platform::{Platform, Reply},
    proxy::Proxy,
    status::{Failure, failure},
};

/// How `GetTask` fails when the platform answers so.
async fn refused(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Failure {
    let (headers, body) = (headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), body.to_vec());
    let reply: (Vec<_>, Vec<_>) = (headers, body);
    let platform = Platform::start(failing(move |_| Reply::Http(status, reply.0.clone(), reply.1.clone()))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    At::Get.fail(&proxy.client(), "1", None).await
}

#[tokio::test]
async fn the_message_is_what_the_platform_says_in_each_of_its_shapes() {
    let rows: [(u16, &str, &str, &str); 8] = [
        (404, "application/json", r#"{"detail": "Agent not found"}"#, "Agent not found"),
        (402, "application/json", r#"{"error": {"message": "No credit", "code": 7}}"#, "No credit"),
        (402, "application/json", r#"{"error": "No credit"}"#, "No credit"),
        (500, "text/plain; charset=utf-8", "Internal Server Error", "Internal Server Error"),
        (500, "text/plain", "one\r\ntwo\u{0}", "one  two"),
        (400, "application/json", r#"{"detail": "limit < 10 and <= 20 > 5"}"#, "limit < 10 and <= 20 > 5"),
        (403, "application/json", r#"{"detail": "Grüß Gott 👋"}"#, "Grüß Gott 👋"),
        (400, "application/json", r#"{"detail": {"message": "no such model"}}"#, "no such model"),
    ];
    for (status, kind, body, message) in rows {
        let failure = refused(status, &[("content-type", kind)], body.as_bytes()).await;
        assert_eq!((failure.message.as_str(), &*failure.facts["http_status"]), (message, &*status.to_string()));
    }
}

#[tokio::test]
async fn an_answer_without_words_is_told_by_its_status() {
    for body in
        ["", "{}", "null", "[]", r#"{"detail": null}"#, r#"{"detail": []}"#, r#"{"error": {"code": 7}}"#, "\u{0}"]
    {
        let failure = refused(403, &[], body.as_bytes()).await;
        assert_eq!(failure.code, Code::PermissionDenied, "{body}");
        assert!(failure.message.contains("403"), "{body}: {}", failure.message);
    }
}

#[tokio::test]
async fn html_is_never_shown() {
    let bodies = [
        "<html><body>nginx</body></html>",
        "\r\n  <!DOCTYPE html><html></html>",
        "\u{feff}<!doctype HTML><HTML></HTML>",
        "<!-- a gateway --><html></html>",
        "<h1>502</h1>",
        r#"{"detail": "<html><body>nginx</body></html>"}"#,
        r#"{"detail": "<html>"}"#,
        r#"{"error": {"message": " <!DOCTYPE html><p>nginx"}}"#,
        r#"{"detail": "<h1>502 Bad Gateway</h1>"}"#,
        r#"{"detail": "the model answered <html><body>nginx</body></html>"}"#,
        r#""<html>""#,
    ];
    let mut shown = Vec::new();
    for body in bodies {
        let failure = refused(502, &[("content-type", "text/html")], body.as_bytes()).await;
        assert_eq!(failure.code, Code::Unavailable, "{body}");
        if failure.message.contains('<') {
            shown.push((body, failure.message));
        }
    }
    assert!(shown.is_empty(), "{shown:#?}");
}

#[tokio::test]
async fn a_gateways_html_404_is_not_the_platforms() {
    let platform = Platform::start(failing(|_| Reply::text(404, "text/html", "<html>no such route</html>"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for at in EVERYWHERE {
        let failure = at.fail(&proxy.client(), "1", None).await;
        assert_eq!((failure.code, &*failure.facts["http_status"]), (Code::Internal, "404"), "{at:?}: {failure:?}");
        let outcome = at.invokes().then_some("not_created");
        assert_eq!(failure.facts.get("outcome").map(String::as_str), outcome, "{at:?}");
    }
}

#[tokio::test]
async fn the_message_is_cut_at_one_kib() {
    let long = "ä".repeat(5_000);
    // Longer than what is read of a refusal.
    let longer = "ä".repeat(500_000);
    for body in [json!({ "detail": long }).to_string(), long.clone(), json!({ "detail": longer }).to_string()] {
        let failure = refused(400, &[], body.as_bytes()).await;
        assert_eq!(failure.code, Code::InvalidArgument);
        assert!((1000..=1024).contains(&failure.message.len()), "{}", failure.message.len());
        assert!(failure.message.starts_with("ää"), "the detail's words: {:.16}", failure.message);
    }
}

#[tokio::test]
async fn the_key_is_cut_out_wherever_the_platform_echoes_it() {
    const KEY: &str = "key-under-test";
    let edge = format!("{}{KEY} and so on", "x".repeat(1018));
    let bodies = [
        format!("no such key {KEY}"),
        format!("no such key {KEY}{KEY}\n{KEY}"),
        json!({ "detail": edge }).to_string(),
        json!({ "error": { "message": format!("key {KEY}") } }).to_string(),
        json!({ "detail": [{ "loc": ["header", KEY], "msg": format!("{KEY}?"), "input": KEY }] }).to_string(),
        r#"{"detail": "key\u002dunder\u002dtest"}"#.to_owned(),
    ];
    for body in bodies {
        let platform = Platform::start(failing({
            let body = body.clone();
            move |_| Reply::text(422, "application/json", &body)
        }))
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let status = proxy.client().get_task(GetTaskRequest { task_id: "task-1".into() }).await.expect_err("422");
        let details = String::from_utf8_lossy(status.details()).into_owned();
        assert!(status.get_error_details().error_info().is_some(), "{body}");
        assert!(!status.message().contains("key-under") && !details.contains("key-under"), "{body}: {status:?}");
    }
}

#[tokio::test]
async fn a_caller_learns_when_to_come_back_where_waiting_helps() {
    let date = |seconds| {
        let time = Timestamp::now() + SignedDuration::from_secs(seconds);
        DateTimePrinter::new().timestamp_to_rfc9110_string(&time).expect("a year of four digits")
    };
    let rows = [
        (429, Some("7".to_owned()), Some(7..=7)),
        (503, Some("7".to_owned()), Some(7..=7)),
        (429, Some("0".to_owned()), Some(0..=0)),
        (429, Some(date(40)), Some(20..=40)),
        (503, Some(date(40)), Some(20..=40)),
        (429, None, None),
        (503, None, None),
        (429, Some("soon".to_owned()), None),
        (429, Some("-7".to_owned()), None),
        (500, Some("7".to_owned()), None),
        (502, Some("7".to_owned()), None),
        (400, Some("7".to_owned()), None),
    ];
    for (status, retry_after, expected) in rows {
        let headers: Vec<_> = retry_after.as_deref().map(|value| ("retry-after", value)).into_iter().collect();
        let failure = refused(status, &headers, br#"{"detail": "later"}"#).await;
        let is_as_expected = match (&expected, failure.retry_seconds) {
            (Some(range), Some(seconds)) => range.contains(&seconds),
            (None, None) => true,
            _ => false,
        };
        assert!(is_as_expected, "{status} {retry_after:?}: {:?}", failure.retry_seconds);
        // What it says stands in `failure`.
        assert_eq!(failure.pushback.is_some(), expected.is_some(), "{status} {retry_after:?}");
    }
}

#[tokio::test]
async fn a_create_that_was_refused_says_when_to_come_back_and_an_unknown_one_does_not() {
    let later = |case: &str| {
        let status = case.parse().expect("a status");
        Reply::Http(status, vec![("retry-after", "7".to_owned())], b"{}".to_vec())
    };
    let platform = Platform::start(failing(later)).await;
    for (case, seconds) in [("429", Some(7)), ("503", Some(7)), ("502", None), ("504", None)] {
        for at in [At::Create, At::StreamCreate] {
            // What one is told holds for all that come after it.
            let proxy = Proxy::start(&platform.base_url()).await;
            let failure = at.fail(&proxy.client(), case, None).await;
            assert_eq!(failure.retry_seconds, seconds, "{at:?} {case}");
        }
    }
}

/// Where a 422 says the fault is, and where it is in the request.
const FIELDS: [(&str, &str); 14] = [
    ("body.input.user.email", "user_details.email"),
    ("body.input.user", "user_details"),
    ("body.input.text", "prompt"),
    ("body.input.files.0", "file_urls.0"),
    ("body.input.attachments.3.url", "attachments.3.url"),
    ("body.input.principal.id", "principal.id"),
    ("body.payload_extension", "tool_call_payload_extension"),
    ("body.id", "existing_task_id"),
    ("body.mcp_servers.1.auth_type", "mcp_servers.1.auth_type"),
    ("body.think_mode", "think_mode"),
    ("body.identity", "identity"),
    ("body.input.users", "input.users"),
    ("body.input", "input"),
    ("path.agent_id", "path.agent_id"),
];

/// The platform's answer to all of them at once.
fn unprocessable() -> Value {
    let step = |step: &str| step.parse::<u64>().map_or_else(|_| json!(step), |index| json!(index));
    let fault = |(loc, ours): &(&str, &str)| {
        let loc: Vec<_> = loc.split('.').map(step).collect();
        json!({ "loc": loc, "msg": format!("about {ours}"), "type": "missing", "input": null })
    };
    json!({ "detail": FIELDS.iter().map(fault).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_422_names_the_requests_own_fields() {
    let platform = Platform::start(failing(|_| Reply::json(422, &unprocessable()))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let status = proxy.client().invoke(invoke("create-1")).await.expect_err("422");
    let bad = status.get_error_details().bad_request().expect("a BadRequest").clone();
    let said: Vec<_> = bad.field_violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect();
    let ours: Vec<_> = FIELDS.iter().map(|(_, ours)| ((*ours).to_owned(), format!("about {ours}"))).collect();
    assert_eq!(said, ours);
}

#[tokio::test]
async fn a_422_to_invoke_stream_names_the_fields_of_its_invocation() {
    let platform = Platform::start(failing(|_| Reply::json(422, &unprocessable()))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let request = InvokeStreamRequest { invocation: Some(invoke("create-1")), heartbeat: None };
    let failure = failure(proxy.client().invoke_stream(request).await);
    let ours: Vec<_> = FIELDS.iter().map(|(_, ours)| format!("invocation.{ours}")).collect();
    assert_eq!(failure.fields, ours);
}

#[tokio::test]
async fn a_422_that_echoes_the_whole_request_still_names_its_field() {
    // The platform's framework puts the value it complains of beside its complaint.
    let echo = "the caller's own words ".repeat(10_000);
    let fault = json!({ "loc": ["body", "input", "user", "email"], "msg": "no address", "input": { "text": echo } });
    let answer = json!({ "detail": [fault] });
    let platform = Platform::start(failing(move |_| Reply::json(422, &answer))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let failure = At::Create.fail(&proxy.client(), "1", None).await;
    assert_eq!((failure.code, failure.fields), (Code::InvalidArgument, vec!["user_details.email".to_owned()]));
    assert!(!failure.message.contains("the caller's own words"), "{}", failure.message);
}
