//! A rolling restart: each replica is told to stop and replaced, and nobody loses anything.

use tonic::Code;

use super::{followers, readable};
use crate::support::{fleet::Fleet, load::Load, status::failure};

const READERS: usize = 3;
const CREATORS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_rolling_restart_loses_no_call_and_its_streams_are_resumed_where_they_ended() {
    // Envoy asks for the health five times in the meantime.
    let delay = ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "1s");
    let mut fleet = Fleet::start(&[delay, ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "500ms")]).await;
    let task_id = readable(&fleet).await;
    let followers = followers(&fleet).await;
    let load = Load::start(&fleet.envoy, READERS, CREATORS, &task_id);

    for nth in 0..fleet.replicas.len() {
        load.until_each_has_done(5).await;
        let Fleet { envoy, replicas, .. } = &mut fleet;
        let replica = &mut replicas[nth];
        replica.signal("TERM").await;
        envoy.until_unhealthy(replica.address).await;
        assert_eq!(replica.ended().await, Some(0));
        replica.replace().await;
        envoy.until_healthy(replica.address).await;
    }
    load.until_each_has_done(5).await;
    for follower in &followers {
        follower.until_events(1).await;
        assert!(follower.cuts() > 0, "it was on one of the replicas that stopped");
    }

    let ledger = load.stop().await;
    ledger.is_without_failure();
    let there = fleet.titles();
    assert!(ledger.created.keys().all(|title| there.get(title) == Some(&1)), "not there once: {ledger:?}");
    assert!(there.values().all(|count| *count == 1), "there more than once: {there:?}");
    for follower in followers {
        let task_id = follower.task_id.clone();
        for (status, last_event_id) in follower.finish().await.cuts {
            let failure = failure::<()>(Err(status));
            assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"));
            assert!(failure.retry_seconds.is_some(), "{failure:?}");
            assert_eq!((&failure.facts["task_id"], &failure.facts["last_event_id"]), (&task_id, &last_event_id));
        }
    }
}
