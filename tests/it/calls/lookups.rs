//! The lookup of an agent: one for many calls, remembered for a while, keyed by agent and version, never for a failure.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;
use tonic::Code;
use xpander_grpc_proxy::{
    proto::InvokeRequest,
    sandbox::{Fault, FaultBody, Route},
};

use crate::support::{
    calls::invoke,
    sandbox::{World, asking},
    status::failure,
};

const LONG: Duration = Duration::from_mins(10);

async fn remembering(ttl: Duration) -> World {
    World::with(|settings| settings.platform.agent_cache_ttl = ttl).await
}

fn versioned(version: &str) -> InvokeRequest {
    InvokeRequest { agent_version: Some(version.to_owned()), ..invoke("echo") }
}

#[tokio::test]
async fn a_hundred_calls_at_once_make_one() {
    let world = remembering(LONG).await;
    // Slow enough for all of them to be waiting.
    world.sandbox.arm(Route::LoadAgent, Fault::Delay(Duration::from_millis(500)));
    let caller = world.client();
    join_all((0..100).map(|_| {
        let mut caller = caller.clone();
        async move { caller.ask("echo", "hi").await }
    }))
    .await;
    assert_eq!((world.lookups("echo"), world.creates()), (1, 100));
}

#[tokio::test]
async fn without_a_memory_each_call_makes_its_own() {
    let world = remembering(Duration::ZERO).await;
    let mut caller = world.client();
    for _ in 0..3 {
        caller.ask("echo", "hi").await;
    }
    assert_eq!((world.lookups("echo"), world.creates()), (3, 3));
}

#[tokio::test]
async fn another_agent_or_version_makes_its_own() {
    let world = remembering(LONG).await;
    let mut caller = world.client();
    for _ in 0..2 {
        caller.ask("echo", "hi").await;
        caller.invoke(versioned("1")).await;
        caller.invoke(versioned("2")).await;
        caller.ask("fail", "hi").await;
    }
    assert_eq!((world.lookups("echo"), world.lookups("fail"), world.creates()), (3, 1, 8));
}

#[tokio::test]
async fn the_version_goes_into_the_create() {
    let world = World::start().await;
    let mut caller = world.client();
    assert_eq!(caller.invoke(versioned("2")).await.agent_version(), "2");
    assert_eq!(caller.invoke(versioned("")).await.agent_version(), "3", "empty counts as unset");
    let created = world.seen("POST", "/agent-execution/echo");
    let versions: Vec<_> = created.iter().map(|request| request.header("x-agent-version")).collect();
    assert_eq!(versions, [Some("2"), None]);
}

#[tokio::test]
async fn it_is_made_anew_when_its_time_is_over() {
    const TTL: Duration = Duration::from_millis(300);
    let world = remembering(TTL).await;
    let mut caller = world.client();
    caller.ask("echo", "hi").await;
    // The time itself is what is tested.
    sleep(TTL * 2).await;
    caller.ask("echo", "hi").await;
    assert_eq!(world.lookups("echo"), 2);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let world = remembering(LONG).await;
    let mut caller = world.client();
    let body = FaultBody::Json(json!({ "detail": "Agent not found" }));
    world.sandbox.arm(Route::LoadAgent, Fault::Answer { status: 404, body, retry_after: None });
    let failure = failure(caller.0.invoke(invoke("echo")).await);
    assert_eq!((failure.code, &*failure.facts["agent_id"]), (Code::NotFound, "echo"));
    assert_eq!((&*failure.facts["outcome"], world.creates()), ("not_created", 0));
    caller.ask("echo", "hi").await;
    assert_eq!((world.lookups("echo"), world.creates()), (2, 1));
}

#[tokio::test]
async fn a_name_resolves_to_the_agents_id() {
    let world = World::start().await;
    let task = world.client().ask("echo-agent", "hi").await;
    assert_eq!(task.agent_id, "echo");
    assert_eq!((world.lookups("echo-agent"), world.seen("POST", "/agent-execution/echo").len()), (1, 1));
    assert_eq!(world.seen("POST", "/agent-execution/echo")[0].path, "/agent-execution/echo");
}

#[tokio::test]
async fn the_default_agent_is_invoked_where_none_is_named() {
    let world = World::with(|settings| settings.agents.default_id = Some("fail-agent".to_owned())).await;
    let mut caller = world.client();
    assert_eq!(caller.invoke(asking("", "hi")).await.agent_id, "fail");
    assert_eq!(caller.invoke(asking("echo", "hi")).await.agent_id, "echo");
}

#[tokio::test]
async fn every_status_of_a_lookup_creates_nothing() {
    let world = World::start().await;
    let client = world.proxy.client();
    let calls = (400..600_u16).map(|status| {
        let mut client = client.clone();
        async move { (status, failure(client.invoke(invoke(&format!("lookup-{status}"))).await)) }
    });
    for (status, failure) in join_all(calls).await {
        assert_eq!(failure.facts["http_status"], status.to_string());
        assert_eq!(failure.facts["outcome"], "not_created", "{status}");
        if status == 502 {
            assert_eq!(failure.code, Code::Unavailable);
        }
    }
    assert_eq!(world.creates(), 0);
}
