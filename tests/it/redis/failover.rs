//! What a failover to a replica loses, counted: ids that were created, are sent again afterwards, and are created again.
//! `cargo test --test it -- --ignored --show-output a_failover_loses`; docs/reliability.md has what it printed.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};
use tonic::Status;
use xpander_grpc_proxy::proto::{InvokeRequest, Task};

use super::{ask, connected, named, replica, replicas::copy_of};
use crate::support::{
    gate::Gate,
    live::within,
    platform::{Platform, Reply, task},
    proxy::Client,
    redis::Redis,
};

const WORKERS: usize = 16;
/// How many ids are created before the primary dies, and how many are asked for while its replica is behind.
const IDS: usize = 500;
const BEHIND: usize = 100;

/// How often each id was created.
type Creates = Arc<Mutex<HashMap<String, usize>>>;

/// What was asked for, and what came of it.
#[derive(Debug, Default)]
struct Count {
    ids: AtomicUsize,
    refused: AtomicUsize,
}

async fn platform(creates: &Creates) -> Platform {
    let creates = Arc::clone(creates);
    Platform::with_agents(move |request| {
        if request.method == "POST" {
            let title = request.body["title"].as_str().expect("a title").to_owned();
            *creates.lock().expect("no panic").entry(title).or_default() += 1;
        }
        Reply::json(200, &task("task-1", "pending"))
    })
    .await
}

async fn create(client: &mut Client, id: &str) -> Result<Task, Status> {
    ask(client, InvokeRequest { title: Some(id.to_owned()), ..named(id) }).await
}

/// Creates under load until the primary dies; sends all again where its replica has taken its place. How many ids there
/// were, and how many were created twice.
async fn fail_over(store_replicas: u32, is_behind: bool) -> (usize, usize, usize) {
    let creates = Creates::default();
    let platform = platform(&creates).await;
    let mut primary = Redis::start().await;
    let way = Gate::new(Ipv4Addr::LOCALHOST.into(), (Ipv4Addr::LOCALHOST, primary.port).into()).await;
    let copy = copy_of(way.address().port()).await;
    let one =
        replica(&platform, &primary.url(), |settings| settings.deduplication.store_replicas = store_replicas).await;
    connected(&one).await;
    let (count, is_over) = (Arc::new(Count::default()), Arc::new(AtomicBool::new(false)));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (mut client, count, is_over) = (one.client(), Arc::clone(&count), Arc::clone(&is_over));
        workers.spawn(async move {
            while !is_over.load(Relaxed) {
                let id = format!("r-{}", count.ids.fetch_add(1, Relaxed));
                count.refused.fetch_add(usize::from(create(&mut client, &id).await.is_err()), Relaxed);
            }
        });
    }
    until("creates", || count.ids.load(Relaxed) >= IDS).await;
    if is_behind {
        way.hold();
        let (begun, refused) = (count.ids.load(Relaxed), count.refused.load(Relaxed));
        let asked = || count.ids.load(Relaxed) - begun + count.refused.load(Relaxed) - refused;
        until("creates while the replica is behind", || asked() >= BEHIND).await;
    }
    primary.kill().await;
    let _: () = copy.ask(&["REPLICAOF", "NO", "ONE"]).await;
    is_over.store(true, Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    let soon = Duration::from_secs(1);
    let other = replica(&platform, &copy.url(), |settings| settings.platform.request_timeout = soon).await;
    connected(&other).await;
    let ids = count.ids.load(Relaxed);
    let mut again = JoinSet::new();
    for first in 0..WORKERS {
        let mut client = other.client();
        again.spawn(async move {
            for nth in (first..ids).step_by(WORKERS) {
                // One that was not settled is not known to have made a task.
                drop(create(&mut client, &format!("r-{nth}")).await);
            }
        });
    }
    while let Some(worker) = again.join_next().await {
        worker.expect("no panic");
    }
    let creates = creates.lock().expect("no panic");
    (ids, count.refused.load(Relaxed), creates.values().filter(|count| **count > 1).count())
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    within(what, async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: make envoy"]
async fn a_failover_loses_nothing_that_a_replica_had_to_have_on_redis() {
    println!("| `store_replicas` | the replica | ids | refused | created twice |\n|---|---|---|---|---|");
    for (store_replicas, is_behind) in [(0, false), (0, true), (1, false), (1, true)] {
        let (ids, refused, twice) = fail_over(store_replicas, is_behind).await;
        let replica = if is_behind { "has had nothing for a while" } else { "is up to date" };
        println!("| {store_replicas} | {replica} | {ids} | {refused} | {twice} |");
        if store_replicas > 0 {
            assert_eq!(twice, 0, "a claim counted that no replica had");
        } else if is_behind {
            assert!(twice > 0, "what the replica did not have should be created twice: nothing is proven");
        }
    }
}
