//! The fleet's soak: replicas behind Envoy and one store, all of which fail at random, and no create happens twice.
//!
//! Ten seconds, or as many as `SOAK_SECONDS` says; `SOAK_SEED` repeats what chance did.

use std::{
    collections::HashMap,
    env,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};
use tonic::Request;
use xpander_grpc_proxy::proto::InvokeRequest;

use super::named;
use crate::support::{
    binary::Serving,
    envoy::{Envoy, Mesh},
    platform::{Platform, Reply, task},
    proxy::Client,
    redis::Redis,
};

const WORKERS: usize = 24;
const REPLICAS: usize = 3;

/// The tasks that were created for each id, and those that its callers were told.
#[derive(Default)]
struct Ledger {
    created: HashMap<String, Vec<String>>,
    told: HashMap<String, Vec<String>>,
    reasons: HashMap<String, usize>,
}

type Shared = Arc<Mutex<Ledger>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy and redis-server: make envoy"]
async fn no_create_happens_twice_whatever_fails_in_the_fleet_on_redis() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let (seed, seconds) =
        (number("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..)), number("SOAK_SECONDS").unwrap_or(10));
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds}");
    let until = Instant::now() + Duration::from_secs(seconds);
    let ledger = Shared::default();
    let platform = platform(&ledger, seed).await;
    let mut redis = Redis::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let mut fleet = Fleet::start(&platform, &redis).await;
    let mut workers = JoinSet::new();
    for nth in 0..WORKERS {
        workers.spawn(work(fleet.envoy.client(), Arc::clone(&ledger), Rng::with_seed(seed ^ nth as u64), nth, until));
    }
    let mut rng = Rng::with_seed(seed);
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.u64(100..700))).await;
        match rng.u8(..8) {
            0..2 => fleet.exchange(rng.usize(..REPLICAS), &platform, &redis).await,
            2..4 => {
                redis.signal("STOP").await;
                sleep(Duration::from_millis(rng.u64(50..1500))).await;
                redis.signal("CONT").await;
            }
            4..6 => {
                redis.kill().await;
                sleep(Duration::from_millis(rng.u64(0..500))).await;
                redis.run().await;
            }
            _ => drop(redis.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await),
        }
    }
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    check(&ledger.lock().expect("no panic"), seed);
}

fn check(ledger: &Ledger, seed: u64) {
    let told: usize = ledger.told.values().map(Vec::len).sum();
    println!("{} ids created, {told} answers with a task, failures {:?}", ledger.created.len(), ledger.reasons);
    for (id, tasks) in &ledger.created {
        assert_eq!(tasks.len(), 1, "{id} was created {} times, seed {seed}", tasks.len());
    }
    for (id, tasks) in &ledger.told {
        assert!(tasks.iter().all(|task| ledger.created[id][0] == *task), "{id}: {tasks:?}, seed {seed}");
    }
    assert!(ledger.created.len() > 50 && told > ledger.created.len() / 2, "too little has happened");
}

/// Each id is sent one to five times, at once or one after the other.
async fn work(client: Client, ledger: Shared, mut rng: Rng, nth: usize, until: Instant) {
    let mut at = 0;
    while Instant::now() < until {
        at += 1;
        let id = format!("{nth}-{at}");
        let mut sent = JoinSet::new();
        for _ in 0..rng.u8(1..=5) {
            let (mut client, id, ledger) = (client.clone(), id.clone(), Arc::clone(&ledger));
            let (pause, patience) = (rng.u64(..300), rng.u64(100..4000));
            sent.spawn(async move {
                sleep(Duration::from_millis(pause)).await;
                let mut request = Request::new(InvokeRequest { title: Some(id.clone()), ..named(&id) });
                request.set_timeout(Duration::from_millis(patience));
                let answer = client.invoke(request).await;
                let mut ledger = ledger.lock().expect("no panic");
                match answer {
                    Ok(answer) => {
                        let task = answer.into_inner().task.expect("a task").id;
                        ledger.told.entry(id).or_default().push(task);
                    }
                    Err(status) => *ledger.reasons.entry(format!("{:?}", status.code())).or_default() += 1,
                }
            });
            if rng.bool() {
                sent.join_next().await;
            }
        }
        while sent.join_next().await.is_some() {}
    }
}

/// A platform that creates, refuses, breaks off and stalls.
async fn platform(ledger: &Shared, seed: u64) -> Platform {
    let (rng, ledger, count) = (Mutex::new(Rng::with_seed(!seed)), Arc::clone(ledger), Mutex::new(0));
    Platform::start(move |request| {
        if request.path.starts_with("/agents/") {
            return Reply::json(200, &json!({ "id": "agent-1" }));
        }
        if request.method == "GET" {
            return Reply::json(200, &task(request.task_id(), "running"));
        }
        let fate = rng.lock().expect("no panic").u8(..20);
        if fate == 0 {
            return Reply::json(503, &json!({ "detail": "no" }));
        }
        let mut count = count.lock().expect("no panic");
        *count += 1;
        let (id, title) = (format!("task-{count}"), request.body["title"].as_str().expect("a title").to_owned());
        ledger.lock().expect("no panic").created.entry(title).or_default().push(id.clone());
        match fate {
            1 => Reply::Raw(Vec::new()),
            2 => Reply::Silence,
            3 => Reply::json(502, &json!({})),
            _ => Reply::json(200, &task(&id, "pending")),
        }
    })
    .await
}

struct Fleet {
    envoy: Envoy,
    replicas: Vec<Serving>,
}

impl Fleet {
    async fn start(platform: &Platform, redis: &Redis) -> Self {
        let mut replicas = Vec::new();
        for _ in 0..REPLICAS {
            replicas.push(serving(platform, redis).await);
        }
        let envoy = Envoy::before(&addresses(&replicas), &Mesh::default()).await;
        Self { envoy, replicas }
    }

    /// Kills a replica, and starts another one in its place.
    async fn exchange(&mut self, nth: usize, platform: &Platform, redis: &Redis) {
        drop(self.replicas.remove(nth));
        self.replicas.push(serving(platform, redis).await);
        self.envoy.has(&addresses(&self.replicas));
    }
}

async fn serving(platform: &Platform, redis: &Redis) -> Serving {
    let url = redis.url();
    let environment = [
        ("XPANDER_PROXY_DEDUPLICATION__STORE", &*url),
        ("XPANDER_PROXY_PLATFORM__REQUEST_TIMEOUT", "1s"),
        ("NO_PROXY", "*"),
    ];
    Serving::before(&platform.base_url(), &environment).await
}

fn addresses(replicas: &[Serving]) -> Vec<SocketAddr> {
    replicas.iter().map(|replica| replica.grpc["http://".len()..].parse().expect("an address")).collect()
}
