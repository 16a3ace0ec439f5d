//! A store that is away: what calls hear, how long it takes, and what becomes of it when it is back.

use std::time::Instant;

use tonic::Code;
use xpander_grpc_proxy::config::{Secret, WhenAway};

use super::{TIMEOUT, ask, connected, named, pair, posts, readiness, replica, says};
use crate::support::{
    calls::invoke,
    folder::Folder,
    live::within,
    platform::{Platform, Reply, task},
    redis::Redis,
    status::failure,
};

async fn platform() -> Platform {
    Platform::start(|request| match &*request.method {
        "GET" if request.path.starts_with("/agents/") => Reply::json(200, &serde_json::json!({ "id": "agent-1" })),
        _ => Reply::json(200, &task("task-1", "pending")),
    })
    .await
}

/// It failed since the store is away, and nothing was created.
pub fn is_away<T>(result: Result<T, tonic::Status>) {
    let failure = failure(result);
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "DEDUPLICATION_UNAVAILABLE"));
    assert_eq!((&*failure.facts["outcome"], failure.retry_seconds), ("not_created", Some(1)));
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_dead_store_refuses_new_ids_at_once_and_nothing_else() {
    let (platform, mut redis) = (platform().await, Redis::start().await);
    let [one, other] = pair(&platform, &redis).await;
    ask(&mut one.client(), named("before")).await.expect("OK");
    redis.kill().await;
    says(&one, "deduplication.store is away").await;
    is_away(ask(&mut one.client(), named("new")).await);
    // What this process knows by itself it knows.
    ask(&mut one.client(), named("before")).await.expect("OK");
    ask(&mut one.client(), invoke("agent-1")).await.expect("OK");
    says(&other, "deduplication.store is away").await;
    is_away(ask(&mut other.client(), named("before")).await);
    assert_eq!(posts(&platform), 2);
    redis.run().await;
    connected(&one).await;
    ask(&mut one.client(), named("new")).await.expect("OK");
    assert_eq!(posts(&platform), 3);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_store_that_hangs_costs_its_timeout_once_and_no_second_create() {
    let (platform, redis) = (platform().await, Redis::start().await);
    let [one, other] = pair(&platform, &redis).await;
    connected(&one).await;
    connected(&other).await;
    redis.signal("STOP").await;
    let begun = Instant::now();
    is_away(ask(&mut one.client(), named("once")).await);
    assert!(begun.elapsed() < 2 * TIMEOUT, "{:?}", begun.elapsed());
    ask(&mut one.client(), invoke("agent-1")).await.expect("OK");
    redis.signal("CONT").await;
    // The claim comes late, and is given up late.
    within("the claim is given up", async {
        loop {
            connected(&other).await;
            match ask(&mut other.client(), named("once")).await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    })
    .await;
    assert_eq!(posts(&platform), 2);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn alone_each_replica_goes_on_and_says_so() {
    let (platform, mut redis) = (platform().await, Redis::start().await);
    let alone = |url: String| {
        replica(&platform, Box::leak(url.into_boxed_str()), |s| s.deduplication.when_away = WhenAway::Alone)
    };
    let (one, other) = (alone(redis.url()).await, alone(redis.url()).await);
    connected(&one).await;
    let answer = one.client().invoke(named("shared")).await.expect("OK");
    assert!(answer.metadata().get("x-deduplication").is_none());
    redis.kill().await;
    for proxy in [&one, &other] {
        says(proxy, "deduplication.store is away").await;
        let answer = proxy.client().invoke(named("alone")).await.expect("OK");
        assert_eq!(answer.metadata().get("x-deduplication").expect("said"), "process");
        ask(&mut proxy.client(), named("alone")).await.expect("OK");
    }
    // One before, and one for each: that is the setting's price.
    assert_eq!(posts(&platform), 3);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_store_that_is_dead_at_the_start_stops_nothing_and_is_waited_for() {
    let (platform, mut redis) = (platform().await, Redis::start().await);
    redis.kill().await;
    let proxy = replica(&platform, &redis.url(), |_| {}).await;
    says(&proxy, "ready\ndeduplication.store is away: ").await;
    ask(&mut proxy.client(), invoke("agent-1")).await.expect("OK");
    redis.run().await;
    connected(&proxy).await;
    ask(&mut proxy.client(), named("once")).await.expect("OK");
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_url_in_a_file_is_read_again() {
    let (platform, redis) = (platform().await, Redis::start().await);
    let folder = Folder::new();
    let file = folder.write("url", "redis://127.0.0.1:1\n");
    let proxy = replica(&platform, "redis://127.0.0.1:1", |settings| {
        settings.deduplication.store = Some(Secret::new("redis://127.0.0.1:1"));
        settings.deduplication.store_file = Some(file);
    })
    .await;
    says(&proxy, "deduplication.store is away").await;
    folder.replace("url", &redis.url());
    connected(&proxy).await;
    ask(&mut proxy.client(), named("once")).await.expect("OK");
    assert_eq!(redis.content().await.len(), 1);
    assert_eq!(readiness(&proxy).await, "ready\n");
}
