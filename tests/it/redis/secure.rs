//! TLS, users, versions and policies: what is refused, and what is said of it.

use std::fs;

use xpander_grpc_proxy::{app::Bound, config::Secret};

use super::{ask, connected, named, replica, says};
use crate::support::{
    binary::Serving,
    certificates::Authority,
    folder::Folder,
    platform::{Platform, Reply, task},
    proxy::settings,
    redis::Redis,
};

/// A server that speaks TLS alone, as `localhost`.
async fn behind_tls(authority: &Authority) -> (Redis, String) {
    let identity = authority.vouch_for("localhost");
    let files = [&identity.cert_file, &identity.key_file].map(|file| file.to_str().expect("text").to_owned());
    let arguments =
        ["--tls-port", "PORT", "--tls-cert-file", &files[0], "--tls-key-file", &files[1], "--tls-auth-clients", "no"];
    let redis = Redis::with(&arguments).await;
    let url = format!("rediss://localhost:{}", redis.port);
    (redis, url)
}

/// The permissions that suffice, as docs/operations.md has them.
const RIGHTS: [&str; 11] =
    ["resetkeys", "~xgp1:c:*", "resetchannels", "-@all", "+set", "+get", "+pttl", "+del", "+eval", "+wait", "+info"];

async fn platform() -> Platform {
    Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn over_tls_the_stores_authority_is_the_one_of_the_file() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_redis, url) = behind_tls(&authority).await;
    let platform = platform().await;
    let proxy = replica(&platform, &url, |s| s.deduplication.store_ca_file = Some(authority.ca_file.clone())).await;
    connected(&proxy).await;
    ask(&mut proxy.client(), named("once")).await.expect("OK");
    let proxy = replica(&platform, &url, |s| s.deduplication.store_ca_file = Some(stranger.ca_file.clone())).await;
    says(&proxy, "deduplication.store is away: it cannot be reached: invalid peer certificate").await;
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn an_authority_that_changes_is_read_again() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), Folder::new());
    let (_redis, url) = behind_tls(&authority).await;
    let pem = |authority: &Authority| fs::read_to_string(&authority.ca_file).expect("written");
    let file = folder.write("ca.pem", &pem(&stranger));
    let platform = platform().await;
    let proxy = replica(&platform, &url, |settings| settings.deduplication.store_ca_file = Some(file)).await;
    says(&proxy, "it cannot be reached: invalid peer certificate").await;
    folder.replace("ca.pem", &pem(&authority));
    connected(&proxy).await;
    ask(&mut proxy.client(), named("once")).await.expect("OK");
    // One that cannot be used changes nothing, and one that does not know the store lets it go.
    folder.replace("ca.pem", "none");
    ask(&mut proxy.client(), named("twice")).await.expect("OK");
    folder.replace("ca.pem", &pem(&stranger));
    says(&proxy, "it cannot be reached: invalid peer certificate").await;
}

#[tokio::test]
async fn an_authority_without_tls_stops_the_start() {
    let (authority, platform) = (Authority::new(), platform().await);
    let mut settings = settings(&platform.base_url());
    settings.deduplication.store = Some(Secret::new("redis://localhost"));
    settings.deduplication.store_ca_file = Some(authority.ca_file.clone());
    let Err(fault) = Bound::bind(&settings).await else { panic!("it starts") };
    assert!(fault.to_string().starts_with("deduplication.store_ca_file: "), "{fault}");
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_user_needs_few_rights_and_a_wrong_password_is_named() {
    let redis = Redis::start().await;
    let _: () = redis.ask(&[&["ACL", "SETUSER", "proxy", "on", ">se:cret"][..], &RIGHTS].concat()).await;
    let platform = platform().await;
    let url = |password: &str| format!("redis://proxy:{password}@127.0.0.1:{}", redis.port);
    for replicas in [0, 1] {
        let good = replica(&platform, &url("se%3Acret"), |s| s.deduplication.store_replicas = replicas).await;
        connected(&good).await;
        let answer = ask(&mut good.client(), named(&replicas.to_string())).await;
        assert_eq!(answer.is_ok(), replicas == 0, "there is no replica, but the right to wait for one");
    }
    let denied: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]).await;
    assert!(denied.is_empty(), "{denied:?}");
    let wrong = replica(&platform, &url("wrong"), |_| {}).await;
    says(&wrong, "it refuses the user or the password (deduplication.store)").await;
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_policy_that_forgets_and_a_store_that_is_another_are_complained_of() {
    let mut redis = Redis::with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let platform = platform().await;
    let url = redis.url();
    let serving = Serving::before(&platform.base_url(), &[("XPANDER_PROXY_DEDUPLICATION__STORE", &*url)]).await;
    // Or it is killed before it was seen.
    let first = serving.run(&["health"]).await;
    assert_eq!(first.code, Some(0));
    redis.kill().await;
    redis.run().await;
    let log = serving.log_with("another one has taken its place").await;
    let complaints = log.lines().filter(|line| line.contains("allkeys-lru") && line.contains("WARN"));
    assert!(complaints.count() >= 1, "{log}");
}
