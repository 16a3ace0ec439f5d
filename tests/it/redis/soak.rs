//! The fleet's soak: replicas behind Envoy and one store, all of which fail at random, and no create happens twice.
//!
//! Ten seconds, or as many as `SOAK_SECONDS` says; or with `SOAK_CALLS` until so many invocations were sent. `SOAK_SEED`
//! repeats what chance did.

use std::{
    collections::HashMap,
    env,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};
use tonic::{Request, Status};
use tonic_types::StatusExt;
use xpander_grpc_proxy::proto::InvokeRequest;

use super::named;
use crate::support::{
    binary::Serving,
    envoy::{Envoy, Mesh},
    gate::Gate,
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

/// How long it goes on.
struct Course {
    until: Instant,
    /// The most invocations; none means as many as there are.
    calls: u64,
    sent: AtomicU64,
}

impl Course {
    fn goes_on(&self) -> bool {
        match self.calls {
            0 => Instant::now() < self.until,
            most => self.sent.load(Relaxed) < most,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy and redis-server: make envoy"]
async fn no_create_happens_twice_whatever_fails_in_the_fleet_on_redis() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let (seed, seconds) =
        (number("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..)), number("SOAK_SECONDS").unwrap_or(10));
    let calls = number("SOAK_CALLS").unwrap_or_default();
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds} SOAK_CALLS={calls}");
    let until = Instant::now() + Duration::from_secs(seconds);
    let course = Arc::new(Course { until, calls, sent: AtomicU64::new(0) });
    let ledger = Shared::default();
    let mut fleet = Fleet::start(platform(&ledger, seed).await).await;
    let mut workers = JoinSet::new();
    for nth in 0..WORKERS {
        let (client, rng) = (fleet.envoy.client(), Rng::with_seed(seed ^ nth as u64));
        workers.spawn(work(client, Arc::clone(&ledger), rng, nth, Arc::clone(&course)));
    }
    let mut rng = Rng::with_seed(seed);
    let mut faults = [0; FAULTS.len()];
    while course.goes_on() {
        sleep(Duration::from_millis(rng.u64(100..700))).await;
        let fault = rng.usize(..FAULTS.len());
        faults[fault] += 1;
        fleet.meet(fault, &mut rng).await;
    }
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    println!("{} invocations; {FAULTS:?}: {faults:?}", course.sent.load(Relaxed));
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
    assert!(!ledger.reasons.contains_key("Internal INTERNAL"), "a bug, seed {seed}");
    assert!(ledger.created.len() > 50 && told > ledger.created.len() / 2, "too little has happened");
}

/// Each id is sent one to five times, at once or one after the other.
async fn work(client: Client, ledger: Shared, mut rng: Rng, nth: usize, course: Arc<Course>) {
    let mut at = 0;
    while course.goes_on() {
        at += 1;
        let id = format!("{nth}-{at}");
        let mut sent = JoinSet::new();
        for _ in 0..rng.u8(1..=5) {
            course.sent.fetch_add(1, Relaxed);
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
                    Err(status) => *ledger.reasons.entry(reason(&status)).or_default() += 1,
                }
            });
            if rng.bool() {
                sent.join_next().await;
            }
        }
        while sent.join_next().await.is_some() {}
    }
}

/// Its code, and the reason that the proxy gives, or what Envoy or the caller's own library says.
fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    format!("{:?} {}", status.code(), info.map_or_else(|| status.message().to_owned(), |info| info.reason))
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

/// What the fleet meets.
const FAULTS: [&str; 5] =
    ["a replica is killed", "the store hangs", "it is killed", "it is cut off behind its commands", "it hangs up"];

struct Fleet {
    envoy: Envoy,
    replicas: Vec<Serving>,
    platform: Platform,
    redis: Redis,
    /// The replicas' way to it.
    way: Gate,
}

impl Fleet {
    async fn start(platform: Platform) -> Self {
        let redis = Redis::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
        let way = Gate::new(Ipv4Addr::LOCALHOST.into(), (Ipv4Addr::LOCALHOST, redis.port).into()).await;
        let mut replicas = Vec::new();
        for _ in 0..REPLICAS {
            replicas.push(serving(&platform, &way).await);
        }
        let envoy = Envoy::before(&addresses(&replicas), &Mesh::default()).await;
        Self { envoy, replicas, platform, redis, way }
    }

    /// Meets this one of the faults.
    async fn meet(&mut self, fault: usize, rng: &mut Rng) {
        let a_while = |rng: &mut Rng, most| sleep(Duration::from_millis(rng.u64(..most)));
        match fault {
            0 => {
                drop(self.replicas.remove(rng.usize(..REPLICAS)));
                self.replicas.push(serving(&self.platform, &self.way).await);
                self.envoy.has(&addresses(&self.replicas));
            }
            1 => {
                self.redis.signal("STOP").await;
                a_while(rng, 1500).await;
                self.redis.signal("CONT").await;
            }
            2 => {
                self.redis.kill().await;
                a_while(rng, 500).await;
                self.redis.run().await;
            }
            3 => {
                self.way.hold();
                a_while(rng, 400).await;
                self.way.cut();
                self.way.release();
            }
            _ => drop(self.redis.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await),
        }
    }
}

async fn serving(platform: &Platform, way: &Gate) -> Serving {
    let url = format!("redis://{}", way.address());
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
