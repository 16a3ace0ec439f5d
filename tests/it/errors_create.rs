//! A create is sent once: what its caller learns of its outcome.
use serde_json::{Value, json};
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::{InvokeRequest, InvokeStreamRequest};

use crate::support::{
    calls::{At, failing, invoke},
    direct::Direct,
    platform::{Platform, Reply, Seen, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
    time::SOME_TIME,
};

/// How both calls that create fail where the platform answers a create so.
async fn creates(reply: impl Fn() -> Reply + Send + Sync + 'static) -> [Failure; 2] {
    let platform = Platform::start(failing(move |_| reply())).await;
    let mut settings = settings(&platform.base_url());
    settings.platform.max_answer_bytes = 10_000;
    let proxy = Proxy::with(&settings).await;
    let failures =
        [At::Create.fail(&proxy.client(), "1", None).await, At::StreamCreate.fail(&proxy.client(), "1", None).await];
    let sent = platform.paths().iter().filter(|path| *path == "POST /agent-execution/create-1").count();
    assert_eq!(sent, 2, "one of each call: {:?}", platform.paths());
    failures
}

fn raw(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_the_outcome_unknown() {
    let whole = task("task-1", "pending").to_string();
    let rows = [
        ("HTML", "200 OK\r\ncontent-type: text/html", "<html>welcome</html>", Code::Internal),
        ("no JSON", "200 OK", "created!", Code::Internal),
        ("a list", "200 OK", "[]", Code::Internal),
        ("no id", "201 Created", r#"{"status": "pending"}"#, Code::Internal),
        ("nothing", "200 OK\r\ncontent-length: 0", "", Code::Internal),
        ("no content", "204 No Content", "", Code::Internal),
        ("a redirect", "303 See Other\r\nlocation: /elsewhere", "", Code::Internal),
        ("too large", "200 OK", &format!("[{}]", "0,".repeat(10_000)), Code::Internal),
        ("cut off", "200 OK\r\ncontent-length: 9999", &whole, Code::Unknown),
        ("half a head", "200 OK\r\ncontent-le", "", Code::Unknown),
    ];
    let mut wrong = Vec::new();
    for (name, head, body, code) in rows {
        let bytes = if name == "half a head" { format!("HTTP/1.1 {head}").into_bytes() } else { raw(head, body) };
        for failure in creates(move || Reply::Raw(bytes.clone())).await {
            let is_unknown = failure.reason == "CREATE_OUTCOME_UNKNOWN"
                && failure.facts.get("outcome").is_some_and(|outcome| outcome == "unknown")
                && failure.pushback.as_deref() == Some("-1");
            if !is_unknown || failure.code != code {
                wrong.push((name, failure));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_refusal_whose_body_is_cut_off_is_a_refusal() {
    for (head, code) in [("503 X", Code::Unavailable), ("501 X", Code::Unimplemented), ("400 X", Code::InvalidArgument)]
    {
        let head = format!("{head}\r\ncontent-length: 9999");
        for failure in creates(move || Reply::Raw(raw(&head, "{\"det"))).await {
            assert_eq!((failure.code, &*failure.facts["outcome"]), (code, "not_created"), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn a_create_that_could_not_connect_created_nothing() {
    // Answers without keep-alive, so that the second create needs a connection of its own.
    let answer = |body: &Value| {
        let body = body.to_string();
        Reply::Raw(raw(&format!("200 OK\r\ncontent-length: {}", body.len()), &body))
    };
    let platform = Platform::start(move |request| match request.method.as_str() {
        "POST" => answer(&task("task-1", "pending")),
        _ => answer(&json!({ "id": "agent-1" })),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    platform.stop().await;
    let failure = failure(proxy.client().invoke(invoke("agent-1")).await);
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PLATFORM_UNREACHABLE"), "{failure:?}");
    assert_eq!((&*failure.facts["outcome"], failure.pushback), ("not_created", None));
}

#[tokio::test]
async fn a_created_task_with_an_id_that_is_none_is_not_the_callers_fault() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("../task", "pending"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let failure = match proxy.client().invoke_stream(request).await {
        Err(status) => failure(Err::<(), _>(status)),
        Ok(items) => {
            let mut items = items.into_inner();
            assert!(items.message().await.expect("the task").is_some());
            failure(items.message().await)
        }
    };
    assert_eq!(failure.code, Code::Internal, "{failure:?}");
    assert_ne!(failure.facts.get("outcome").map(String::as_str), Some("not_created"), "{failure:?}");
}

#[tokio::test]
async fn a_created_task_too_large_to_be_sent_is_known_by_its_id() {
    let mut large = task("task-1", "pending");
    large["result"] = json!("x".repeat(10_000));
    let platform = Platform::with_agents(move |_| Reply::json(200, &large)).await;
    let mut settings = settings(&platform.base_url());
    settings.server.max_response_bytes = 5_000;
    let proxy = Proxy::with(&settings).await;
    let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let streamed = match proxy.client().invoke_stream(request).await {
        Err(status) => failure(Err::<(), _>(status)),
        Ok(items) => failure(items.into_inner().message().await),
    };
    for failure in [failure(proxy.client().invoke(invoke("agent-1")).await), streamed] {
        assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "RESPONSE_TOO_LARGE"));
        assert_eq!(failure.facts.get("task_id").map(String::as_str), Some("task-1"), "{failure:?}");
        assert_eq!(failure.facts.get("outcome").map(String::as_str), Some("created"), "{failure:?}");
    }
}

#[tokio::test]
async fn an_agent_with_an_id_that_is_none_creates_nothing() {
    for id in [json!("a/b"), json!(".."), json!(""), json!(7), json!(null)] {
        let platform = Platform::start(move |_| Reply::json(200, &json!({ "id": id }))).await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let failure = failure(proxy.client().invoke(invoke("agent-1")).await);
        assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::Internal, "not_created"), "{failure:?}");
        assert_eq!(platform.paths(), ["GET /agents/agent-1"]);
    }
}

#[tokio::test]
async fn a_prompt_that_names_a_task_creates_none_when_it_cannot_be_read() {
    let rows =
        [("404", Code::NotFound), ("401", Code::Unauthenticated), ("500", Code::Internal), ("503", Code::Unavailable)];
    for (status, code) in rows {
        let refuse = move |_: &Seen| Reply::json(status.parse().expect("a status"), &json!({ "detail": "no" }));
        let platform = Platform::start(refuse).await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let invocation = InvokeRequest { prompt: r#" {"xpander_task_id": "task-9"} "#.into(), ..invoke("agent-1") };
        let request = InvokeStreamRequest { invocation: Some(invocation.clone()), heartbeat: None };
        let failures =
            [failure(proxy.client().invoke(invocation).await), failure(proxy.client().invoke_stream(request).await)];
        for failure in failures {
            assert_eq!((failure.code, &*failure.facts["http_status"]), (code, status));
            assert_eq!((&*failure.facts["task_id"], &*failure.facts["outcome"]), ("task-9", "not_created"));
        }
        let paths = platform.paths();
        assert!(paths.iter().all(|path| path == "GET /agent-execution/task-9/status"), "{paths:?}");
    }
}

#[tokio::test]
async fn a_prompt_that_names_a_task_creates_none_when_the_connection_is_lost() {
    let platform = Platform::start(|_| Reply::Raw(Vec::new())).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let request = InvokeRequest { prompt: r#"{"xpander_task_id": "task-9"}"#.into(), ..invoke("agent-1") };
    let failure = failure(proxy.client().invoke(request).await);
    assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::Unavailable, "not_created"), "{failure:?}");
    assert!(platform.seen().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn a_create_with_a_request_id_fails_as_any_other() {
    let platform = Platform::start(failing(|case| match case {
        "silent" => Reply::Silence,
        _ => Reply::json(case.parse().expect("a status"), &json!({ "detail": "no" })),
    }))
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = Direct::connect(&proxy).await.client();
    let rows = [
        ("silent", Code::DeadlineExceeded, "unknown"),
        ("502", Code::Unknown, "unknown"),
        ("500", Code::Internal, "unknown"),
        ("503", Code::Unavailable, "not_created"),
        ("422", Code::InvalidArgument, "not_created"),
    ];
    for (case, code, outcome) in rows {
        let agent_id = format!("create-{case}");
        let mut request = Request::new(InvokeRequest { request_id: case.into(), ..invoke(&agent_id) });
        request.set_timeout(SOME_TIME);
        let failure = failure(client.invoke(request).await);
        assert_eq!((failure.code, &*failure.facts["outcome"]), (code, outcome), "{case}");
        assert_eq!(failure.facts.get("agent_id"), Some(&agent_id), "{case}: {failure:?}");
        assert_eq!(failure.pushback.as_deref() == Some("-1"), outcome == "unknown", "{case}");
    }
}

#[tokio::test]
async fn a_lookup_beyond_the_deadline_created_nothing_with_a_request_id_too() {
    let platform = Platform::start(|_| Reply::Silence).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut request = Request::new(InvokeRequest { request_id: "once".into(), ..invoke("agent-1") });
    request.set_timeout(SOME_TIME);
    let failure = failure(Direct::connect(&proxy).await.client().invoke(request).await);
    assert_eq!(failure.code, Code::DeadlineExceeded);
    assert_eq!(failure.facts["outcome"], "not_created");
    assert_eq!(platform.paths(), ["GET /agents/agent-1"]);
}
