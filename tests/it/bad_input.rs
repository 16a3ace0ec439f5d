//! Requests that are not as they must be: each is refused by name, all at once, and the platform sees nothing of it.

use prost_types::Duration;
use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::proto::{
    Attachment, GetTaskRequest, InvokeRequest, InvokeStreamRequest, McpServer, Principal, PrincipalKind,
    StopTaskRequest, StreamEventsRequest, User, WaitTaskRequest,
};

use crate::support::{
    calls::{follow, invoke},
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
};

/// A proxy before a platform that has answered nothing yet.
async fn start() -> (Platform, Proxy) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    (platform, proxy)
}

/// What is wrong with a request that is right but for what `spoil` does to it, by each of the two calls.
async fn faults(proxy: &Proxy, spoil: impl Fn(&mut InvokeRequest)) -> Vec<String> {
    let mut request = invoke("agent-1");
    spoil(&mut request);
    let invoked = failure(proxy.client().invoke(request.clone()).await);
    check(&invoked);
    let request = InvokeStreamRequest { invocation: Some(request), heartbeat: None };
    let streamed = failure(proxy.client().invoke_stream(request).await);
    check(&streamed);
    let in_invocation: Vec<_> = invoked.fields.iter().map(|field| format!("invocation.{field}")).collect();
    assert_eq!(streamed.fields, in_invocation);
    invoked.fields
}

fn check(failure: &Failure) {
    assert_eq!(failure.code, Code::InvalidArgument, "{failure:?}");
    assert_eq!(failure.facts.get("outcome").map(String::as_str), Some("not_created"), "{failure:?}");
    assert!(!failure.message.is_empty() && failure.message.len() <= 1024, "{failure:?}");
}

fn bad_ids() -> Vec<String> {
    let long = "x".repeat(129);
    [".", "..", "a/b", "../a", "%2e", "a%2Fb", "a b", " a", "a\n", "a\0", "ä", "日本", "a?b", "a#b", "a:b", &long]
        .map(str::to_owned)
        .to_vec()
}

#[tokio::test]
async fn an_id_that_could_leave_its_place_in_a_path_is_refused() {
    let (platform, proxy) = start().await;
    for id in bad_ids() {
        assert_eq!(faults(&proxy, |request| request.agent_id = id.clone()).await, ["agent_id"], "{id:?}");
        let continues = |request: &mut InvokeRequest| request.existing_task_id = Some(id.clone());
        assert_eq!(faults(&proxy, continues).await, ["existing_task_id"], "{id:?}");
        let prompt = json!({ "xpander_task_id": id }).to_string();
        assert_eq!(faults(&proxy, |request| request.prompt.clone_from(&prompt)).await, ["prompt"], "{id:?}");
    }
    // Dots alone are a version like any other.
    let versions = bad_ids().into_iter().filter(|id| !id.bytes().all(|b| b == b'.')).chain(["1".repeat(65)]);
    for version in versions {
        let pins = |request: &mut InvokeRequest| request.agent_version = Some(version.clone());
        assert_eq!(faults(&proxy, pins).await, ["agent_version"], "{version:?}");
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn a_task_id_is_checked_by_every_call_that_takes_one() {
    let (platform, proxy) = start().await;
    let mut client = proxy.client();
    for id in bad_ids().into_iter().chain([String::new()]) {
        let task_id = || id.clone();
        let failures = [
            failure(client.get_task(GetTaskRequest { task_id: task_id() }).await),
            failure(client.stop_task(StopTaskRequest { task_id: task_id() }).await),
            failure(client.wait_task(WaitTaskRequest { task_id: task_id(), timeout: None }).await),
            failure(client.stream_events(follow(&id)).await),
        ];
        for failure in failures {
            assert_eq!((failure.code, failure.fields), (Code::InvalidArgument, vec!["task_id".to_owned()]), "{id:?}");
        }
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

fn url(url: &str) -> Attachment {
    Attachment { url: url.to_owned(), ..Attachment::default() }
}

fn principal(kind: PrincipalKind, id: &str) -> Principal {
    Principal { kind: kind.into(), id: id.to_owned(), ..Principal::default() }
}

fn mcp_server(kind: &str, url: &str, command: &str) -> McpServer {
    let set = |text: &str| Some(text.to_owned());
    McpServer { r#type: set(kind), url: set(url), command: set(command), ..McpServer::default() }
}

type Spoil = Box<dyn Fn(&mut InvokeRequest)>;

/// A fault and the field that has it.
fn rows() -> Vec<(&'static str, Spoil)> {
    fn row(field: &'static str, spoil: impl Fn(&mut InvokeRequest) + 'static) -> (&'static str, Spoil) {
        (field, Box::new(spoil))
    }
    let user = User { first_name: Some("Ada".to_owned()), ..User::default() };
    let mut rows = vec![
        row("agent_id", |r| r.agent_id.clear()),
        row("user_details.email", |r| r.user_details = Some(User::default())),
        row("user_details.email", move |r| r.user_details = Some(user.clone())),
        row("principal.id", |r| r.principal = Some(principal(PrincipalKind::User, ""))),
        row("principal.kind", |r| r.principal = Some(principal(PrincipalKind::Unspecified, "ada"))),
        row("principal.kind", |r| r.principal = Some(Principal { kind: 99, id: "ada".into(), ..Principal::default() })),
        row("mcp_servers[0].url", |r| r.mcp_servers = vec![McpServer::default()]),
        row("mcp_servers[0].url", |r| r.mcp_servers = vec![mcp_server("remote", "", "run")]),
        row("mcp_servers[0].url", |r| r.mcp_servers = vec![mcp_server("remote", "mcp.example.com", "")]),
        row("mcp_servers[0].command", |r| r.mcp_servers = vec![mcp_server("local", "https://x/mcp", "")]),
        row("mcp_servers[1].url", |r| r.mcp_servers = vec![mcp_server("local", "", "run"), McpServer::default()]),
        row("output_format", |r| r.output_format = 99),
        row("think_mode", |r| r.think_mode = -1),
        row("llm_reasoning_effort", |r| r.llm_reasoning_effort = 5),
        row("attachments[0].kind", |r| r.attachments = vec![Attachment { kind: 9, ..url("https://x/1") }]),
        row("request_id", |r| r.request_id = "x".repeat(129)),
    ];
    for bad in ["", "1.csv", "/1.csv", "//x/1.csv", "ftp://x/1", "file:///etc/passwd", "javascript:alert(1)", "http://"]
    {
        rows.push(row("file_urls[1]", move |r| r.file_urls = vec!["https://x/1".into(), bad.into()]));
        rows.push(row("attachments[1].url", move |r| r.attachments = vec![url("http://x/1"), url(bad)]));
    }
    for bad in ["a:b", ":", "a b", "a\tb", "a\n", "a\u{a0}b", " "] {
        rows.push(row("principal.id", move |r| r.principal = Some(principal(PrincipalKind::Slack, bad))));
    }
    rows
}

#[tokio::test]
async fn every_fault_is_refused_by_its_fields_name() {
    let (platform, proxy) = start().await;
    for (at, (field, spoil)) in rows().into_iter().enumerate() {
        assert_eq!(faults(&proxy, spoil).await, [field], "row {at}");
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let (platform, proxy) = start().await;
    let spoil_all = |request: &mut InvokeRequest| {
        request.agent_id = "a/b".into();
        request.agent_version = Some("1 2".into());
        request.existing_task_id = Some("..".into());
        request.file_urls = vec!["nowhere".into(), "https://x/1".into(), "ftp://x".into()];
        request.user_details = Some(User::default());
        request.principal = Some(principal(PrincipalKind::Unspecified, "a:b"));
        request.attachments = vec![url("")];
        request.mcp_servers = vec![McpServer::default(), mcp_server("local", "", "")];
        request.output_format = 99;
    };
    let mut fields = faults(&proxy, spoil_all).await;
    fields.sort();
    let all = [
        "agent_id",
        "agent_version",
        "attachments[0].url",
        "existing_task_id",
        "file_urls[0]",
        "file_urls[2]",
        "mcp_servers[0].url",
        "mcp_servers[1].command",
        "output_format",
        "principal.id",
        "principal.kind",
        "user_details.email",
    ];
    assert_eq!(fields, all);
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn the_default_agent_is_invoked_where_none_is_named() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let mut settings = settings(&platform.base_url());
    settings.agents.default_id = Some("agent-0".to_owned());
    let proxy = Proxy::with(&settings).await;
    proxy.client().invoke(invoke("")).await.expect("created");
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    assert_eq!(
        platform.paths(),
        [
            "GET /agents/agent-0",
            "POST /agent-execution/agent-0",
            "GET /agents/agent-1",
            "POST /agent-execution/agent-1"
        ]
    );
}

#[tokio::test]
async fn an_empty_string_counts_as_unset() {
    let (platform, proxy) = start().await;
    let empty = || Some(String::new());
    let request = InvokeRequest {
        agent_version: empty(),
        existing_task_id: empty(),
        worker_id: empty(),
        additional_context: empty(),
        expected_output: empty(),
        instructions_override: empty(),
        title: empty(),
        llm_model_provider: empty(),
        llm_model_name: empty(),
        triggering_agent_id: empty(),
        user_oidc_token: empty(),
        harness_cli: empty(),
        permission_mode: empty(),
        test_run_node_id: empty(),
        ..invoke("agent-1")
    };
    proxy.client().invoke(request).await.expect("created");
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    let creates: Vec<_> = platform.seen().into_iter().filter(|request| request.method == "POST").collect();
    assert_eq!(creates[0].body, creates[1].body);
    assert_eq!((creates[0].header("x-agent-version"), &creates[0].body["title"]), (None, &json!(null)));
}

#[tokio::test]
async fn a_stream_cannot_be_asked_for_in_nonsense() {
    let (platform, proxy) = start().await;
    let negative = Some(Duration { seconds: -1, nanos: 0 });
    let mut client = proxy.client();
    let long = "x".repeat(1025);
    for id in ["a\nb", "a\r\nx-api-key: other", "\0", "\u{7f}", &long] {
        let request = StreamEventsRequest { last_event_id: id.to_owned(), ..follow("task-1") };
        assert_eq!(failure(client.stream_events(request).await).fields, ["last_event_id"], "{id:?}");
    }
    let request = StreamEventsRequest { heartbeat: negative, ..follow("task-1") };
    assert_eq!(failure(client.stream_events(request).await).fields, ["heartbeat"]);
    let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: negative };
    let fault = failure(client.invoke_stream(request).await);
    check(&fault);
    assert_eq!(fault.fields, ["heartbeat"]);
    let fault = failure(client.invoke_stream(InvokeStreamRequest::default()).await);
    check(&fault);
    assert_eq!(fault.fields, ["invocation"]);
    for timeout in [negative, Some(Duration { seconds: 0, nanos: -1 })] {
        let request = WaitTaskRequest { task_id: "task-1".into(), timeout };
        assert_eq!(failure(client.wait_task(request).await).fields, ["timeout"]);
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}
