//! The budget that all retries share: a platform that fails everything is not stormed.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::{config::Mode, proto::GetTaskRequest};

use crate::support::{
    live::within,
    platform::{Platform, Reply},
    proxy::{Proxy, settings},
    status::failure,
};

/// Five retries a second over ten seconds, and a fifth of the requests on top.
const FLOOR: usize = 50;

#[tokio::test]
async fn two_hundred_failing_reads_cost_little_more_than_two_hundred_requests() {
    const CALLS: usize = 200;
    let platform = Platform::start(|_| Reply::json(503, &json!({ "detail": "not now" }))).await;
    let mut settings = settings(&platform.base_url());
    settings.platform.retries = 10;
    // By itself, without the brake before it.
    settings.limits.mode = Mode::Observe;
    let proxy = Proxy::with(&settings).await;
    let client = proxy.client();
    let calls = (0..CALLS).map(|call| {
        let mut client = client.clone();
        async move {
            let request = GetTaskRequest { task_id: format!("task-{call}") };
            let failure = failure(within("an answer", client.get_task(request)).await);
            assert_eq!((failure.code, &*failure.facts["http_status"]), (Code::Unavailable, "503"));
        }
    });
    join_all(calls).await;
    let requests = platform.paths().len();
    let most = CALLS + CALLS / 5 + FLOOR;
    assert!((CALLS + 1..=most).contains(&requests), "{requests} requests, at the most {most}");
    // A budget that is spent leaves the platform alone at once.
    let before = platform.paths().len();
    let request = GetTaskRequest { task_id: "task-one-more".to_owned() };
    failure(within("an answer", proxy.client().get_task(request)).await);
    assert!(platform.paths().len() <= before + 2, "{} more", platform.paths().len() - before);
}

/// Creates never draw on it, and do not refill it by failing.
#[tokio::test]
async fn two_hundred_failing_creates_are_sent_two_hundred_times() {
    const CALLS: usize = 200;
    let platform = Platform::with_agents(|_| Reply::json(503, &json!({ "detail": "not now" }))).await;
    let mut settings = settings(&platform.base_url());
    settings.platform.retries = 10;
    // By itself, without the brake before it.
    settings.limits.mode = Mode::Observe;
    settings.platform.agent_cache_ttl = Duration::from_mins(1);
    let proxy = Proxy::with(&settings).await;
    let client = proxy.client();
    let calls = (0..CALLS).map(|_| {
        let mut client = client.clone();
        async move {
            failure(within("an answer", client.invoke(crate::support::calls::invoke("agent-1"))).await);
        }
    });
    join_all(calls).await;
    assert_eq!(platform.paths().iter().filter(|path| path.starts_with("POST")).count(), CALLS);
}
