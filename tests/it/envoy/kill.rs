//! One replica dies in the middle of everything.

use std::time::Instant;

use super::{
    account::Account,
    followers, readable,
    victim::{check_creates, hold, victim},
};
use crate::support::{
    fleet::{APART, Fleet},
    load::Load,
};

const READERS: usize = 4;
const CREATORS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_killed_replica_loses_no_read_doubles_no_create_and_its_streams_are_resumed() {
    // Or the platform's answer that is held may be the agent, and there is no create yet.
    let mut fleet = Fleet::start(&[("XPANDER_PROXY_PLATFORM__AGENT_CACHE_TTL", "1h")]).await;
    let task_id = readable(&fleet).await;
    let followers = followers(&fleet).await;
    let load = Load::start(&fleet.envoy, READERS, CREATORS, &task_id);
    load.until_each_has_done(10).await;
    for follower in &followers {
        follower.until_events(1).await;
    }

    let held = hold(&fleet).await;
    fleet.replicas[APART].kill().await;
    let gone = Instant::now();

    load.until_each_has_done(10).await;
    for follower in &followers {
        follower.until_events(5).await;
    }
    fleet.envoy.until_unhealthy(victim(&fleet).address).await;
    assert!(fleet.envoy.counter("upstream_rq_retry").await > 0, "the reads under way were sent again");
    let ledger = load.stop().await;
    check_creates(&fleet, &ledger, &held, gone);
    let (account, _) = Account::of("a replica is killed", &fleet, &ledger, followers).await;
    account.has_unavailable_creates_alone();
    assert!(account.cuts > 0, "streams were cut");
}
