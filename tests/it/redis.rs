//! A create happens once in the fleet: replicas that share a real redis-server.
//!
//! Passed over by a plain `cargo test`, but for those of `elsewhere`, `scripted` and `waits`: `make envoy` installs what they need and runs them.

mod away;
mod claims;
mod elsewhere;
mod failover;
mod hostile;
mod replicas;
mod requests;
mod scripted;
mod secure;
mod size;
mod soak;
mod waits;

use std::time::Duration;

use tonic::Status;
use xpander_grpc_proxy::{
    config::{Secret, Settings},
    proto::{InvokeRequest, Task},
};

use crate::support::{
    calls::invoke,
    live::within,
    platform::Platform,
    proxy::{Client, Proxy, settings},
    redis::Redis,
};

/// What a call may take in these tests, of a store that answers.
const TIMEOUT: Duration = Duration::from_secs(2);

fn named(request_id: &str) -> InvokeRequest {
    InvokeRequest { request_id: request_id.to_owned(), ..invoke("agent-1") }
}

async fn replica(platform: &Platform, url: &str, tune: impl FnOnce(&mut Settings)) -> Proxy {
    let mut settings = settings(&platform.base_url());
    settings.deduplication.store = Some(Secret::new(url));
    settings.deduplication.store_timeout = TIMEOUT;
    tune(&mut settings);
    Proxy::with(&settings).await
}

/// Two replicas before one platform and one store.
async fn pair(platform: &Platform, redis: &Redis) -> [Proxy; 2] {
    [replica(platform, &redis.url(), |_| {}).await, replica(platform, &redis.url(), |_| {}).await]
}

async fn ask(client: &mut Client, request: InvokeRequest) -> Result<Task, Status> {
    let answer = within("an answer", client.invoke(request)).await?;
    Ok(*answer.into_inner().task.expect("a task"))
}

fn posts(platform: &Platform) -> usize {
    platform.paths().iter().filter(|path| path.starts_with("POST")).count()
}

/// What a replica says of its readiness.
async fn readiness(proxy: &Proxy) -> String {
    admin(proxy, "readyz").await
}

/// What its admin port says.
async fn admin(proxy: &Proxy, page: &str) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{}/{page}", proxy.admin)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.text().await.expect("a text")
}

/// Waits until a replica says this of its readiness.
async fn says(proxy: &Proxy, words: &str) {
    within(words, async {
        while !readiness(proxy).await.contains(words) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Waits until its store is there.
async fn connected(proxy: &Proxy) {
    within("the store", async {
        while readiness(proxy).await != "ready\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
