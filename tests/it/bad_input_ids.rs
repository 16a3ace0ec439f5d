//! Ids that the platform chooses: one that is none goes no further, neither into a path, nor into the log, nor into memory.

use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::proto::InvokeStreamRequest;

use crate::{
    hostile::{MB, Process},
    load::until,
    support::{
        binary::Serving,
        calls::invoke,
        live::within,
        platform::{Platform, Reply, task},
        proxy::Proxy,
        status::failure,
    },
};

fn bad_ids() -> Vec<String> {
    let short = ["", "..", ".", "a b", "a/b", "a\nb", "a\u{0}b", "a?b", "a%2e", "\u{fffd}", "\u{202e}gpj", "ä"];
    let long = [129, 100_000].map(|length| "x".repeat(length));
    short.map(str::to_owned).into_iter().chain(long).collect()
}

fn with_id(mut answer: Value, id: &str) -> Value {
    answer["id"] = json!(id);
    answer
}

#[tokio::test]
async fn an_agent_whose_id_is_none_is_unreadable_and_nothing_is_created() {
    for id in bad_ids() {
        let its_id = id.clone();
        let platform = Platform::start(move |_| Reply::json(200, &json!({ "id": its_id }))).await;
        let proxy = Proxy::start(&platform.base_url()).await;
        for _ in 0..2 {
            let failure = failure(within("an answer", proxy.client().invoke(invoke("agent-1"))).await);
            assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"), "{id:.20}");
            assert_eq!(failure.facts["outcome"], "not_created");
            assert!(id.len() < 3 || !failure.message.contains(&id), "{:.200}", failure.message);
        }
        let seen = platform.paths();
        assert_eq!(seen, ["GET /agents/agent-1", "GET /agents/agent-1"], "it is not remembered, nor used");
    }
}

#[tokio::test]
async fn a_task_whose_id_is_none_is_unreadable() {
    for id in bad_ids() {
        let its_id = id.clone();
        let platform =
            Platform::with_agents(move |_| Reply::json(200, &with_id(task("x", "executing"), &its_id))).await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let stream = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
        let unary = failure(within("an answer", proxy.client().invoke(invoke("agent-1"))).await);
        let streamed = failure(within("an answer", proxy.client().invoke_stream(stream)).await);
        for failure in [unary, streamed] {
            assert_eq!(&*failure.facts["cause"], "PLATFORM_ANSWER_UNREADABLE", "{id:.20}: {failure:?}");
            assert!(!failure.facts.contains_key("task_id"));
            assert!(id.len() < 3 || !failure.message.contains(&id), "{:.200}", failure.message);
        }
    }
}

/// A create that nobody waits for any more is told of in a line of its own.
#[tokio::test]
async fn the_id_of_a_task_that_nobody_hears_of_is_logged_only_if_it_is_one() {
    let id = "x".repeat(MB);
    let go_on = std::sync::Arc::new(tokio::sync::Notify::new());
    let told = std::sync::Arc::clone(&go_on);
    let its_id = id.clone();
    let platform = Platform::with_agents(move |_| {
        let answer = Reply::json(200, &with_id(task("x", "executing"), &its_id));
        Reply::After(std::sync::Arc::clone(&told), Box::new(answer))
    })
    .await;
    let mut serving = Serving::before(&platform.base_url(), &[]).await;
    for request_id in [String::new(), "named".to_owned()] {
        let request = xpander_grpc_proxy::proto::InvokeRequest { request_id, ..invoke("agent-1") };
        let before = platform.paths().len();
        let mut client = serving.client();
        let call = tokio::spawn(async move { client.invoke(request).await.map(drop) });
        until("a create", async || platform.paths()[before..].iter().any(|path| path.starts_with("POST"))).await;
        call.abort();
        let _ = call.await;
        // The call's own line: its caller has left.
        serving.line_with("code", "CANCELLED").await;
        go_on.notify_waiters();
        serving.line("a create may have made a task: its outcome is unknown").await;
    }
    let log = serving.whole_log().await;
    assert!(log.len() < 100_000 && !log.contains(&id[..200]), "{} bytes", log.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_of_large_ids_hold_no_memory() {
    let large = json!({ "id": "x".repeat(20 * MB) }).to_string();
    let platform = Platform::start(move |request| match request.path.contains("/well/") {
        true => Reply::json(200, &task("well", "executing")),
        false => Reply::text(200, "application/json", &large),
    })
    .await;
    let process = Process::before(platform).await;
    for at in 0..10 {
        failure(within("an answer", process.client().invoke(invoke(&format!("agent-{at}")))).await);
    }
    until("the memory is given back", async || process.memory("VmRSS").saturating_sub(process.idle()) < 20 * MB).await;
}
