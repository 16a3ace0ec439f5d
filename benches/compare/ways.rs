//! What a `request_id` adds to an Invoke, remembered by the process and in a store that all replicas share; and what it adds
//! that the caller shows who it is, by a token of ours and by a JWT.
//!
//! Each call may have an id of its own, so that the load is tonic's own client in this process, on the other cores: what it
//! costs is nobody's, and the rate is not told. The store is a redis-server on those cores, too.

use std::{fs, net::SocketAddr, process::Stdio, time::Duration};

use futures_util::future::try_join_all;
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use tonic::{Request, metadata::AsciiMetadataValue};
use xpander_grpc_proxy::proto::InvokeRequest;

use crate::{
    Outcome, follow, issuer,
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

/// A token of ours.
const TOKEN: &str = "token-of-the-bench";

/// One way to call, and what was measured of it.
struct Way {
    name: &'static str,
    proxy: Running,
    has_id: bool,
    /// What the caller shows.
    shown: Option<AsciiMetadataValue>,
    /// Microseconds of processor time a call, and of the store's.
    cost: Vec<f64>,
    stores: Vec<f64>,
    /// Microseconds a call takes with no other under way, the median of each round.
    latency: Vec<f64>,
}

/// By what remembers a call's `request_id`.
pub async fn request_ids(world: &World, report: &mut Report) -> Outcome {
    let store = store().await?;
    let url = format!("redis://{}", store.address);
    let with_store = [MEMORY, PATIENT, ("XPANDER_PROXY_DEDUPLICATION__STORE", &*url)];
    let mut ways = [
        Way::new(world, "without a `request_id`", &[MEMORY]).await?,
        Way { has_id: true, ..Way::new(world, "with one, no store", &[MEMORY]).await? },
        Way { has_id: true, ..Way::new(world, "with one, and a store", &with_store).await? },
    ];
    compare(world, &mut ways, Some(&store)).await?;
    report.title("Invoke, by what remembers its `request_id`");
    tell(report, &ways, true);
    Ok(())
}

/// By how the caller shows who it is.
pub async fn callers(world: &World, report: &mut Report) -> Outcome {
    let (tokens, jwks) = (world.folder.join("tokens"), world.folder.join("jwks"));
    fs::write(&tokens, format!("bench={}\n", hex(&Sha256::digest(TOKEN))))?;
    let key = issuer::Key::rsa("bench");
    fs::write(&jwks, issuer::set(&[&key]))?;
    let (tokens, jwks) = (tokens.display().to_string(), jwks.display().to_string());
    let [named, meant] = issuer::VARIABLES;
    let by_jwt = [named, meant, ("XPANDER_PROXY_AUTH__JWT__JWKS_FILE", &*jwks)];
    let by_token = [("XPANDER_PROXY_AUTH__TOKENS_FILE", &*tokens)];
    let shown = |token: &str| Outcome::Ok(Some(format!("Bearer {token}").parse()?));
    let mut ways = [
        Way::new(world, "nobody is asked", &[]).await?,
        Way { shown: shown(TOKEN)?, ..Way::new(world, "a token of ours", &by_token).await? },
        Way {
            shown: shown(&key.token(&issuer::claims(issuer::ORDERS)))?,
            ..Way::new(world, "a JWT, the same in each call", &by_jwt).await?
        },
    ];
    compare(world, &mut ways, None).await?;
    report.title("Invoke, by how the caller shows who it is");
    tell(report, &ways, false);
    Ok(())
}

/// Measures the ways round by round.
async fn compare(world: &World, ways: &mut [Way], store: Option<&Running>) -> Outcome {
    let count = if world.plan.is_whole { 16_384 } else { 4_096 };
    for way in &*ways {
        way.load(world, CONNECTIONS, CALLS, 2_048).await?;
    }
    for round in 1..=world.plan.rounds {
        world.say(&format!("ways to call, round {round} of {}", world.plan.rounds));
        for way in &mut *ways {
            let (used, stores) = (way.proxy.cpu()?, store.map(Running::cpu).transpose()?);
            way.load(world, CONNECTIONS, CALLS, count).await?;
            way.cost.push((way.proxy.cpu()? - used) / f64::from(count));
            if let (Some(store), Some(before)) = (store, stores) {
                way.stores.push((store.cpu()? - before) / f64::from(count));
            }
            let alone = way.load(world, 1, 1, ALONE).await?;
            way.latency.push(alone.into_iter().collect::<Spread>().median());
        }
    }
    Ok(())
}

/// What was measured; the first way is what the others are compared with.
fn tell(report: &mut Report, ways: &[Way], has_store: bool) {
    let (head, line) = if has_store { (" the store's µs per call |", "---|") } else { ("", "") };
    report.line(&format!(
        "| | µs per call, median [min–max] | × the first, paired (IQR) | p50, one call in flight |{head}"
    ));
    report.line(&format!("|---|---|---|---|{line}"));
    for way in ways {
        let spread = |values: &[f64]| values.iter().copied().collect::<Spread>();
        let of_store = if has_store { format!(" {:.1} |", spread(&way.stores).median()) } else { String::new() };
        report.line(&format!(
            "| {} | {} | {} | {:.3} ms |{of_store}",
            way.name,
            spread(&way.cost).range(),
            Spread::ratios(&way.cost, &ways[0].cost).quartiles(),
            spread(&way.latency).median() / 1e3,
        ));
    }
}

impl Way {
    async fn new(world: &World, name: &'static str, environment: &[(&str, &str)]) -> Outcome<Self> {
        let proxy = Running::proxy(world.proxy(MEASURED, environment)).await?;
        let (cost, stores, latency) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { name, proxy, has_id: false, shown: None, cost, stores, latency })
    }

    /// Makes so many calls, which the platform must have seen; how long each took, in microseconds.
    async fn load(&self, world: &World, connections: u32, calls: u32, count: u32) -> Outcome<Vec<f64>> {
        let before = world.counts().await?.creates;
        let mut loops = Vec::new();
        for _ in 0..connections {
            let client = follow::connect(self.proxy.address).await?;
            for _ in 0..calls {
                let (mut client, has_id, shown) = (client.clone(), self.has_id, self.shown.clone());
                // On a task of its own: all cores that are not measured may make load.
                loops.push(tokio::spawn(async move {
                    let mut times = Vec::new();
                    for _ in 0..count / connections / calls {
                        let request_id = if has_id { format!("{:032x}", fastrand::u128(..)) } else { String::new() };
                        let request = InvokeRequest { request_id, ..samples::invoke_request("bench") };
                        let mut request = Request::new(request);
                        if let Some(shown) = &shown {
                            request.metadata_mut().insert("authorization", shown.clone());
                        }
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
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
