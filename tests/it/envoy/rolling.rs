//! A rolling update as Kubernetes does it with `maxSurge` 1 and `maxUnavailable` 0: a new replica first, on an address of
//! its own; then an old one is taken away, of which mesh and process learn independently of each other.

use std::time::Duration;

use tonic::Code;

use super::{account::Account, followers, readable};
use crate::support::{
    fleet::{Fleet, Late},
    follower::{Follower, Transcript},
    load::Load,
    status::failure,
};

const READERS: usize = 3;
const CREATORS: usize = 3;
/// By how much the one learns of it after the other: as long as a `preStop` sleep may be at least, and a mesh slow.
const LATE: Duration = Duration::from_millis(400);

/// Envoy asks for the health five times in the drain's delay.
const DRAIN: [(&str, &str); 2] =
    [("XPANDER_PROXY_SERVER__DRAIN_DELAY", "1s"), ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "500ms")];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_rolling_restart_loses_no_call_and_its_streams_are_resumed_where_they_ended() {
    let mut fleet = Fleet::start(&DRAIN).await;
    let task_id = readable(&fleet).await;
    let followers = followers(&fleet).await;
    let load = Load::start(&fleet.envoy, READERS, CREATORS, &task_id);

    for late in [Late::Replica(LATE), Late::Mesh(LATE), Late::Replica(Duration::ZERO)] {
        load.until_each_has_done(5).await;
        fleet.grow().await;
        // The first is the oldest.
        fleet.shrink(0, late).await;
    }
    load.until_each_has_done(5).await;
    for follower in &followers {
        follower.until_events(1).await;
        assert!(follower.cuts() > 0, "it was on one of the replicas that stopped");
    }
    ends_well("a rolling update of three replicas", &fleet, load, followers).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_replica_more_has_load_at_once_and_one_less_loses_nothing() {
    let mut fleet = Fleet::start(&DRAIN).await;
    let task_id = readable(&fleet).await;
    let mut all = followers(&fleet).await;
    let load = Load::start(&fleet.envoy, READERS, CREATORS, &task_id);
    load.until_each_has_done(5).await;

    // The callers keep their connections to Envoy, which balances call by call.
    fleet.grow().await;
    load.until_each_has_done(10).await;
    assert!(fleet.sent(&fleet.replicas[3]) > 0, "the new replica has no load");
    all.extend(followers(&fleet).await);

    for (nth, late) in [(0, Late::Replica(LATE)), (0, Late::Mesh(LATE))] {
        let gone = fleet.shrink(nth, late).await;
        let before = fleet.sent(&gone);
        load.until_each_has_done(10).await;
        assert_eq!(fleet.sent(&gone), before, "calls of one that is gone");
    }
    for follower in &all {
        follower.until_events(1).await;
    }
    ends_well("one replica more, then two less", &fleet, load, all).await;
}

/// No call failed at all, and each stream that was cut was told where to go on.
async fn ends_well(name: &str, fleet: &Fleet, load: Load, followers: Vec<Follower>) {
    let ledger = load.stop().await;
    ledger.is_without_failure();
    let ids: Vec<_> = followers.iter().map(|follower| follower.task_id.clone()).collect();
    let (account, transcripts) = Account::of(name, fleet, &ledger, followers).await;
    account.is_without_failure();
    assert!(account.cuts > 0, "streams were cut");
    for (task_id, transcript) in ids.iter().zip(transcripts) {
        told_where_to_go_on(task_id, transcript);
    }
}

fn told_where_to_go_on(task_id: &String, transcript: Transcript) {
    for (status, last_event_id) in transcript.cuts {
        let failure = failure::<()>(Err(status));
        assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"));
        assert!(failure.retry_seconds.is_some(), "{failure:?}");
        assert_eq!((&failure.facts["task_id"], &failure.facts["last_event_id"]), (task_id, &last_event_id));
    }
}
