//! One replica falls silent in the middle of everything: nothing it is sent is answered, and no connection ends. First a
//! replica whose network is cut, then one whose process hangs. Later it is back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    account::Account,
    followers, readable,
    victim::{check_creates, hold, victim},
};
use crate::support::{
    envoy::{HEALTH_INTERVAL, HEALTH_TIMEOUT, Mesh, PING_TIMEOUT, PINGED_EVERY},
    fleet::Fleet,
    follower::Follower,
    live::within,
    load::Load,
    network::Network,
};

const READERS: usize = 4;
const CREATORS: usize = 4;
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy, root and network namespaces: make envoy"]
async fn a_replica_whose_network_is_cut_costs_no_read_and_no_event_and_is_clean_before_it_is_back() {
    let network = Network::new();
    let rehearsal = Rehearsal::begin(Some(&network)).await;
    let held = hold(&rehearsal.fleet).await;
    network.cut();
    let gone = rehearsal.is_got_over("a replica's network is cut").await;
    // Before anybody can have told it: its own pings were not answered.
    rehearsal.has_let_go_of_its_callers(&held).await;

    network.mend();
    rehearsal.is_back().await;
    rehearsal.ends("a replica's network was cut", &held, gone).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_replica_that_hangs_costs_no_read_and_no_event_and_is_clean_when_it_is_back() {
    let rehearsal = Rehearsal::begin(None).await;
    let held = hold(&rehearsal.fleet).await;
    victim(&rehearsal.fleet).signal("STOP").await;
    let gone = rehearsal.is_got_over("a replica hangs").await;

    victim(&rehearsal.fleet).signal("CONT").await;
    rehearsal.has_let_go_of_its_callers(&held).await;
    rehearsal.is_back().await;
    rehearsal.ends("a replica hung", &held, gone).await;
}

struct Rehearsal {
    fleet: Fleet,
    load: Load,
    followers: Vec<Follower>,
    /// How many streams the victim has.
    streams: usize,
}

impl Rehearsal {
    async fn begin(apart: Option<&Network>) -> Self {
        let environment = [
            // Or the platform's answer that is held may be the agent, and there is no create yet.
            ("XPANDER_PROXY_PLATFORM__AGENT_CACHE_TTL", "1h"),
            ("XPANDER_PROXY_SERVER__KEEPALIVE_INTERVAL", "1s"),
            ("XPANDER_PROXY_SERVER__KEEPALIVE_TIMEOUT", "3s"),
        ];
        let fleet = Fleet::with(&environment, Mesh::default(), apart).await;
        let task_id = readable(&fleet).await;
        let followers = followers(&fleet).await;
        let load = Load::start(&fleet.envoy, READERS, CREATORS, &task_id);
        load.until_each_has_done(10).await;
        let seen = fleet.seen();
        let of_victim = seen.iter().filter(|request| victim(&fleet).sent(request) && request.path.ends_with("/events"));
        let streams = of_victim.count();
        Self { fleet, load, followers, streams }
    }

    /// The victim has just fallen silent: Envoy notices, all callers get on, and all streams. When it fell silent.
    async fn is_got_over(&self, what: &str) -> Instant {
        let (gone, victim) = (Instant::now(), victim(&self.fleet));
        self.fleet.envoy.until_unhealthy(victim.address).await;
        let noticed = gone.elapsed();
        assert!(noticed < HEALTH_INTERVAL + HEALTH_TIMEOUT + SLACK, "noticed after {noticed:?}");
        self.load.until_each_has_done(1).await;
        let answered = gone.elapsed();
        assert!(answered < PINGED_EVERY + PING_TIMEOUT + SLACK, "calls under way ended after {answered:?}");
        self.load.until_each_has_done(10).await;
        for follower in &self.followers {
            follower.until_events(5).await;
        }
        println!("{what}: gets no new call after {noticed:.1?}; those under way end after {answered:.1?}");
        gone
    }

    /// All streams that were under way on the victim are over, by its own account, and these creates for their callers;
    /// the platform answers them now.
    async fn has_let_go_of_its_callers(&self, held: &[String]) {
        let left = |line: &Value, is_it: fn(&str) -> bool| {
            line["end"] == "caller left" && line["method"].as_str().is_some_and(is_it)
        };
        let victim = victim(&self.fleet);
        let is_stream = |line: &Value| left(line, |method| method.contains("Stream"));
        victim.until_told("the streams' ends", self.streams, is_stream).await;
        victim
            .until_told("the creates' ends", held.len(), |line| left(line, |method| method.ends_with("/Invoke")))
            .await;
        victim.gate.release();
    }

    /// It gets calls again, and the platform carries no stream beside those that are followed.
    async fn is_back(&self) {
        let (fleet, victim) = (&self.fleet, victim(&self.fleet));
        let back = Instant::now();
        fleet.envoy.until_healthy(victim.address).await;
        println!("it gets calls again after {:.1?}", back.elapsed());
        let before = fleet.sent(victim);
        self.load.until_each_has_done(10).await;
        assert!(fleet.sent(victim) > before, "it gets no calls");
        within("the lost streams' ends", fleet.sandbox.until_open_streams(self.followers.len())).await;
    }

    async fn ends(self, name: &str, held: &[String], gone: Instant) {
        let Self { fleet, load, followers, streams } = self;
        // Each create that the platform has answered in vain is in the log, with its task.
        let is_told = |line: &Value| line["message"] == "a task was created after its caller left";
        victim(&fleet).until_told("the creates whose callers left", held.len(), is_told).await;
        let ledger = load.stop().await;
        check_creates(&fleet, &ledger, held, gone);
        let (account, _) = Account::of(name, &fleet, &ledger, followers).await;
        account.has_unavailable_creates_alone();
        assert_eq!(account.cuts, streams, "the victim's streams were cut, once each, and no other");
    }
}
