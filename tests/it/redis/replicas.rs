//! A primary with a replica: claims that count only when the replica has them, and a failover with and without that.

use std::time::Duration;

use super::{ask, connected, named, posts, replica};
use crate::support::{
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

/// A primary and a replica of it that is up to date.
async fn pair() -> (Redis, Redis) {
    let primary = Redis::start().await;
    let copy = copy_of(primary.port).await;
    (primary, copy)
}

/// A replica of the primary at this port, up to date.
pub async fn copy_of(port: u16) -> Redis {
    let copy = Redis::with(&["--replicaof", "127.0.0.1", &port.to_string()]).await;
    within("the replica", async {
        loop {
            let info: String = copy.ask(&["INFO", "replication"]).await;
            if info.contains("master_link_status:up") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    copy
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_claim_counts_only_when_the_replica_has_it() {
    let (platform, (primary, copy)) = (platform().await, pair().await);
    let proxy = replica(&platform, &primary.url(), |settings| settings.deduplication.store_replicas = 1).await;
    connected(&proxy).await;
    ask(&mut proxy.client(), named("r-1")).await.expect("OK");
    assert_eq!(copy.content().await.len(), 1);
    copy.signal("STOP").await;
    let failure = failure(ask(&mut proxy.client(), named("r-2")).await);
    assert_eq!((&*failure.reason, &*failure.facts["outcome"]), ("DEDUPLICATION_UNAVAILABLE", "not_created"));
    assert_eq!(posts(&platform), 1);
    copy.signal("CONT").await;
    within("it is given up, and the replica is back", async {
        while ask(&mut proxy.client(), named("r-2")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(posts(&platform), 2);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_failover_to_the_replica_forgets_nothing_that_it_had() {
    let (platform, (mut primary, copy)) = (platform().await, pair().await);
    let one = replica(&platform, &primary.url(), |settings| settings.deduplication.store_replicas = 1).await;
    connected(&one).await;
    for at in 0..50 {
        // A busy machine's replica may be too slow, and then nothing is created.
        while ask(&mut one.client(), named(&format!("r-{at}"))).await.is_err() {}
    }
    primary.kill().await;
    // It is a replica still, which is no store.
    let soon = Duration::from_secs(1);
    let other = replica(&platform, &copy.url(), |settings| settings.platform.request_timeout = soon).await;
    super::says(&other, "it is a replica, which takes no writes").await;
    let _: () = copy.ask(&["REPLICAOF", "NO", "ONE"]).await;
    connected(&other).await;
    for at in 0..50 {
        // Settled or not: it is never created again.
        let _ = ask(&mut other.client(), named(&format!("r-{at}"))).await;
    }
    assert_eq!(posts(&platform), 50);
}
