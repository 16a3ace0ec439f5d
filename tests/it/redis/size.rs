//! What an id takes in a real store: `cargo test --test it -- --ignored --show-output an_id_takes`.

use std::time::Duration;

use super::{ask, named, replica};
use crate::support::{
    live::within,
    platform::{Platform, Reply, task},
    redis::Redis,
};

const KEYS: usize = 100_000;
/// What docs/operations.md says, in bytes.
const TOLD: usize = 300;

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn an_id_takes_no_more_of_the_store_than_the_page_for_operators_says_on_redis() {
    let page = std::fs::read_to_string("docs/operations.md").expect("the page");
    assert!(page.contains(&format!("about {TOLD} bytes of the store's memory")), "docs/operations.md says otherwise");
    let platform =
        Platform::with_agents(|_| Reply::json(200, &task("0f8fad5b-d9cb-469f-a165-70867728950e", "pending"))).await;
    let redis = Redis::start().await;
    let proxy = replica(&platform, &redis.url(), |_| {}).await;
    ask(&mut proxy.client(), named("once")).await.expect("OK");
    let (key, value) = within("it is settled", async {
        loop {
            match redis.content().await.remove(0) {
                (_, claim) if claim.starts_with("S1|") => tokio::time::sleep(Duration::from_millis(10)).await,
                settled => break settled,
            }
        }
    })
    .await;
    let before = used(&redis).await;
    let mut connection = redis.connection().await;
    for first in (0..KEYS).step_by(1000) {
        let mut pipe = redis::pipe();
        for nth in first..first + 1000 {
            // As the one that there is, by another hash.
            let key = format!("{}{nth:08x}", &key[..key.len() - 8]);
            pipe.cmd("SET").arg(key).arg(&value).arg("PX").arg(600_000).ignore();
        }
        let () = pipe.query_async(&mut connection).await.expect("OK");
    }
    let kept: usize = redis.ask(&["DBSIZE"]).await;
    assert!(kept >= KEYS, "{kept}");
    let each = (used(&redis).await - before) / KEYS;
    let version: String = redis.ask(&["INFO", "server"]).await;
    let version = version.lines().find(|line| line.starts_with("redis_version")).unwrap_or_default().to_owned();
    println!(
        "{each} bytes for each of {KEYS} ids, a key of {} and a value of {} bytes; {version}",
        key.len(),
        value.len()
    );
    assert!((TOLD * 3 / 4..=TOLD).contains(&each), "{each}");
}

async fn used(redis: &Redis) -> usize {
    let memory: String = redis.ask(&["INFO", "memory"]).await;
    let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it says so");
    used.parse().expect("a number")
}
