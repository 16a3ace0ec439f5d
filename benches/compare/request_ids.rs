//! What a `request_id` adds to an Invoke: remembered by the process, and in a store that all replicas share.
//!
//! Each call has an id of its own, so that the load is tonic's own client in this process, on the other cores: what it costs is
//! nobody's, and the rate is not told. The store is a redis-server on those cores, too.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use futures_util::future::try_join_all;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use xpander_grpc_proxy::proto::InvokeRequest;

use crate::{
    Outcome, follow,
    process::{self, MEASURED, Running},
    report::Report,
    samples,
    stats::Spread,
    world::World,
};

/// As the main table's load.
const CONNECTIONS: u32 = 8;
const CALLS: u32 = 16;
/// Calls with no other under way, a round.
const ALONE: u32 = 200;
/// How long the store may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// However busy the machine is, no call is refused: it would be no measure.
const PATIENT: (&str, &str) = ("XPANDER_PROXY_DEDUPLICATION__STORE_TIMEOUT", "10s");
/// Room for every id of a run.
const MEMORY: (&str, &str) = ("XPANDER_PROXY_DEDUPLICATION__MEMORY_BYTES", "1073741824");

/// One way to call, and what was measured of it.
struct Row {
    name: &'static str,
    proxy: Running,
    has_id: bool,
    /// Microseconds of processor time a call, and of the store's.
    cost: Vec<f64>,
    stores: Vec<f64>,
    /// Microseconds a call takes with no other under way, the median of each round.
    latency: Vec<f64>,
}

/// Measures the three ways round by round.
pub async fn compare(world: &World, report: &mut Report) -> Outcome {
    let store = store().await?;
    let url = format!("redis://{}", store.address);
    let with_store = [MEMORY, PATIENT, ("XPANDER_PROXY_DEDUPLICATION__STORE", &*url)];
    let mut rows = [
        Row::new(world, "without a `request_id`", &[MEMORY], false).await?,
        Row::new(world, "with one, no store", &[MEMORY], true).await?,
        Row::new(world, "with one, and a store", &with_store, true).await?,
    ];
    let count = if world.plan.is_whole { 16_384 } else { 4_096 };
    for row in &rows {
        row.load(world, CONNECTIONS, CALLS, 2_048).await?;
    }
    for round in 1..=world.plan.rounds {
        world.say(&format!("request ids, round {round} of {}", world.plan.rounds));
        for row in &mut rows {
            let (used, stores) = (row.proxy.cpu()?, store.cpu()?);
            row.load(world, CONNECTIONS, CALLS, count).await?;
            row.cost.push((row.proxy.cpu()? - used) / f64::from(count));
            row.stores.push((store.cpu()? - stores) / f64::from(count));
            let alone = row.load(world, 1, 1, ALONE).await?;
            row.latency.push(alone.into_iter().collect::<Spread>().median());
        }
    }
    report.title("Invoke, by what remembers its `request_id`");
    report.line("| | µs per call, median [min–max] | × without, paired (IQR) | p50, one call in flight | the store's µs per call |");
    report.line("|---|---|---|---|---|");
    let [without, ..] = &rows;
    for row in &rows {
        let spread = |values: &[f64]| values.iter().copied().collect::<Spread>();
        report.line(&format!(
            "| {} | {} | {} | {:.3} ms | {:.1} |",
            row.name,
            spread(&row.cost).range(),
            Spread::ratios(&row.cost, &without.cost).quartiles(),
            spread(&row.latency).median() / 1e3,
            spread(&row.stores).median(),
        ));
    }
    Ok(())
}

impl Row {
    async fn new(world: &World, name: &'static str, environment: &[(&str, &str)], has_id: bool) -> Outcome<Self> {
        let proxy = Running::proxy(world.proxy(MEASURED, environment)).await?;
        Ok(Self { name, proxy, has_id, cost: Vec::new(), stores: Vec::new(), latency: Vec::new() })
    }

    /// Makes so many calls, each with an id of its own, which the platform must have seen; how long each took, in microseconds.
    async fn load(&self, world: &World, connections: u32, calls: u32, count: u32) -> Outcome<Vec<f64>> {
        let before = world.counts().await?.creates;
        let mut loops = Vec::new();
        for _ in 0..connections {
            let client = follow::connect(self.proxy.address).await?;
            for _ in 0..calls {
                let (mut client, has_id) = (client.clone(), self.has_id);
                // On a task of its own: all cores that are not measured may make load.
                loops.push(tokio::spawn(async move {
                    let mut times = Vec::new();
                    for _ in 0..count / connections / calls {
                        let request_id = if has_id { format!("{:032x}", fastrand::u128(..)) } else { String::new() };
                        let request = InvokeRequest { request_id, ..samples::invoke_request("bench") };
                        let begin = Instant::now();
                        client.invoke(request).await?;
                        times.push(begin.elapsed().as_secs_f64() * 1e6);
                    }
                    Outcome::Ok(times)
                }));
            }
        }
        let times: Vec<Vec<f64>> = try_join_all(loops).await?.into_iter().collect::<Outcome<_>>()?;
        let creates = world.counts().await?.creates - before;
        if creates != u64::from(count) {
            return Err(format!("{}: {count} calls, but {creates} creates at the platform", self.name).into());
        }
        Ok(times.concat())
    }
}

/// A redis-server that keeps nothing, once it listens.
async fn store() -> Outcome<Running> {
    let address = SocketAddr::from(([127, 0, 0, 1], process::free_port().await?));
    let mut command = process::here(process::tool("redis-server")?);
    command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
    let store = Running::new(process::spawn(command.stdout(Stdio::null()))?, address)?;
    let begin = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if begin.elapsed() > PATIENCE {
            return Err("redis-server does not start".into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(store)
}
