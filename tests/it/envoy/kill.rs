//! One replica dies in the middle of everything.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tonic::Code;
use xpander_grpc_proxy::sandbox::SeenRequest;

use super::{followers, readable};
use crate::support::{
    fleet::{Fleet, Replica},
    live::within,
    load::{Ledger, Load},
};

const READERS: usize = 4;
const CREATORS: usize = 4;
/// The pause between two looks at what the platform has seen.
const LOOK: Duration = Duration::from_millis(10);

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

    // Calls of both kinds are under way on it for certain: the platform has carried them out and its answers are held.
    fleet.replicas[1].gate.hold();
    let before = fleet.seen().len();
    let held = within("calls under way on the victim", held(&fleet, before)).await;
    fleet.replicas[1].kill().await;
    let gone = Instant::now();

    load.until_each_has_done(10).await;
    for follower in &followers {
        follower.until_events(5).await;
    }
    fleet.envoy.until_unhealthy(fleet.replicas[1].address).await;
    assert!(fleet.envoy.counter("upstream_rq_retry").await > 0, "the reads under way were sent again");
    let ledger = load.stop().await;
    assert!(ledger.read_failures.is_empty(), "{:?}", ledger.read_failures);
    check_creates(&fleet, &ledger, &held, gone);

    let mut cuts = 0;
    for follower in followers {
        cuts += follower.finish().await.cuts.len();
    }
    assert!(cuts > 0, "streams were cut");
}

/// Waits until the victim has a create and a read under way that began after `before`; the titles of the creates.
async fn held(fleet: &Fleet, before: usize) -> Vec<String> {
    let victim = &fleet.replicas[1];
    loop {
        let seen = fleet.seen().split_off(before);
        let creates: Vec<_> = seen.iter().filter(|request| victim.sent(request)).filter_map(title).collect();
        let reads = |request: &SeenRequest| victim.sent(request) && request.path.ends_with("/status");
        if !creates.is_empty() && seen.iter().any(reads) {
            return creates;
        }
        sleep(LOOK).await;
    }
}

/// The title of the task that this request creates.
fn title(request: &SeenRequest) -> Option<String> {
    (request.method == "POST").then(|| request.body["title"].as_str().unwrap_or_default().to_owned())
}

/// Every create that was answered is there once; those that failed were under way on the victim, were told, and were not
/// sent anywhere else.
fn check_creates(fleet: &Fleet, ledger: &Ledger, held: &[String], gone: Instant) {
    let there = fleet.titles();
    assert!(ledger.created.keys().all(|title| there.get(title) == Some(&1)), "not there once: {ledger:?}");
    assert!(there.values().all(|count| *count == 1), "there more than once: {there:?}");
    let failed = &ledger.create_failures;
    assert!(held.iter().all(|title| failed.contains_key(title)), "{held:?} were lost: {failed:?}");
    assert!(failed.values().all(|failed| failed.status.code() == Code::Unavailable), "{failed:?}");
    // A process dies one socket after the other: until it is gone, a caller may meet it twice. Then once at most, before
    // Envoy looks at its connections.
    let late = failed.values().filter(|failed| failed.begun > gone).map(|failed| failed.caller);
    assert_eq!(late.clone().count(), late.collect::<BTreeSet<_>>().len(), "{failed:?}");
    let seen = fleet.seen();
    for lost in failed.keys() {
        let senders = seen.iter().filter(|request| title(request).as_ref() == Some(lost));
        assert!(senders.clone().all(|request| fleet.replicas[1].sent(request)), "{lost} was sent by another replica");
    }
    let lives = |replica: &&Replica| replica.key != fleet.replicas[1].key;
    for replica in fleet.replicas.iter().filter(lives) {
        assert!(seen.iter().any(|request| replica.sent(request) && title(request).is_some()), "no load on one of them");
    }
}
