//! The main table: what one Invoke costs, here and elsewhere.

use std::{path::Path, time::Duration};

use prost::Message as _;
use tokio::time::sleep;
use xpander_grpc_proxy::proto::{InvokeResponse, Task};

use crate::{
    Outcome, envoy, follow,
    h2load::{self, Load, Loaded, ONE, USUAL},
    process::{MEASURED, Running},
    python::{self, Variant},
    report::Report,
    stats::{Bar, Spread},
    world::World,
};

/// How much is asked of a row.
#[derive(Clone, Copy, PartialEq)]
struct Dose {
    /// Calls it is warmed up with, and its cost guessed from.
    warm_up: u32,
    /// The fewest calls of one measure.
    least: u32,
    /// Calls with no other under way.
    alone: u32,
    /// In how many rounds, from the first one on.
    rounds: usize,
}

const USUAL_DOSE: Dose = Dose { warm_up: 2_048, least: 512, alone: 300, rounds: usize::MAX };
/// For what takes a hundred times as long.
const SMALL_DOSE: Dose = Dose { warm_up: 64, least: 128, alone: 20, rounds: 3 };
const ENVOY: &str = "Envoy 1.40, reverse transcoder";
const OFFICIAL: &str = "official Python client behind grpc.aio";
const SHARING: &str = "the same, patched to share one HTTP client";
/// After this time the SDK has exported what there is: by the specification it waits for five seconds.
const EXPORTED: Duration = Duration::from_secs(6);
/// How many spans may be lost, in percent.
const SPANS_MISSING: f64 = 1.0;

/// One thing that answers Invoke, and what was measured of it.
pub struct Row {
    pub name: &'static str,
    pub running: Running,
    /// The size of an answer with its frame.
    answer: usize,
    asks_platform: bool,
    dose: Dose,
    /// So many take about the time of one measure.
    pub calls: u32,
    /// Microseconds of processor time a call, round by round.
    pub cost: Vec<f64>,
    pub per_second: Vec<f64>,
    /// Microseconds a call takes, with no other under way: the median of each round.
    pub latency: Vec<f64>,
}

/// The two that everything is measured of.
pub struct Pair {
    pub proxy: Row,
    pub floor: Row,
}

/// All rows, by what they are.
struct Rows {
    proxy: Row,
    floor: Row,
    traced: Row,
    envoy: Row,
    others: Vec<Row>,
    /// None, unless it is asked for.
    official: Vec<Row>,
    /// What Envoy passes the calls on to; not measured there, and so on the other cores.
    _service: Running,
}

/// Starts everything and measures it round by round.
pub async fn compare(world: &World, report: &mut Report) -> Outcome {
    let mut rows = start(world).await?;
    same_answers(&rows).await?;
    sleep(EXPORTED).await;
    let before = world.counts().await?.spans;
    for round in 1..=world.plan.rounds {
        world.say(&format!("Invoke, round {round} of {}", world.plan.rounds));
        for row in rows.all_mut().filter(|row| round <= row.dose.rounds) {
            let (cost, loaded) = row.measure(world, &world.request(), USUAL, row.calls).await?;
            row.cost.push(cost);
            row.per_second.push(loaded.per_second);
            let alone = row.measure(world, &world.request(), ONE, row.dose.alone).await?.1;
            row.latency.push(alone.latencies.into_iter().collect::<Spread>().median());
        }
    }
    sleep(EXPORTED).await;
    let exported = world.counts().await?.spans - before;
    rows.tell(report, world.plan.rounds, exported);
    Ok(())
}

async fn start(world: &World) -> Outcome<Rows> {
    let floor = async |kind| Running::part(Some(MEASURED), &["floor", &world.base_url, kind]).await;
    let proxy = async |environment: &[_]| Running::proxy(world.proxy(MEASURED, environment)).await;
    let Pair { proxy: usual, floor: bare } = Pair::start(world).await?;
    let endpoint = format!("{}/v1/traces", world.base_url);
    let traced = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*endpoint),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        // So that no span is dropped at full load.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "200000"),
    ];
    let http2 = [("XPANDER_PROXY_PLATFORM__HTTP2", "prior-knowledge")];
    let row = async |name, running| Row::new(world, name, running).await;
    let service = Running::part(None, &["floor", &world.base_url, "constant"]).await?;
    Ok(Rows {
        proxy: usual,
        floor: bare,
        traced: row("the proxy, every call traced and exported", proxy(&traced).await?).await?,
        envoy: row(ENVOY, envoy::transcoder(world.platform.address, &world.folder).await?).await?,
        others: vec![
            row("Envoy 1.40, plain gRPC pass-through", envoy::pass_through(service.address, &world.folder).await?)
                .await?,
            row("the proxy, HTTP/2 to the platform", proxy(&http2).await?).await?,
            row("the floor with reqwest", floor("reqwest").await?).await?,
            row("the floor, HTTP/2 to the platform", floor("hyper-http2").await?).await?,
            row("bare tonic, constant answer", floor("constant").await?).await?,
        ],
        official: if world.plan.has_python { official(world).await? } else { Vec::new() },
        _service: service,
    })
}

async fn official(world: &World) -> Outcome<Vec<Row>> {
    world.say("the official Python client");
    let mut rows = Vec::new();
    for (name, variant) in [(OFFICIAL, Variant::AsItIs), (SHARING, Variant::Shared)] {
        rows.push(Row::dosed(world, name, python::start(world, variant).await?, SMALL_DOSE).await?);
    }
    Ok(rows)
}

/// All say the same, byte for byte; Envoy as far as its types go.
async fn same_answers(rows: &Rows) -> Outcome {
    let floor: InvokeResponse = follow::invoke(rows.floor.running.address, "bench").await?;
    let expected = floor.encode_to_vec();
    for row in [&rows.proxy, &rows.traced].into_iter().chain(&rows.others).chain(&rows.official) {
        let answer: InvokeResponse = follow::invoke(row.running.address, "bench").await?;
        if answer.encode_to_vec() != expected {
            return Err(format!("{} answers otherwise than the floor", row.name).into());
        }
    }
    let (task, expected): (Task, _) =
        (follow::invoke(rows.envoy.running.address, "bench").await?, floor.task.unwrap_or_default());
    let told =
        |task: &Task| (task.id.clone(), task.result.clone(), task.tokens, task.created_at, task.used_tools.clone());
    if told(&task) == told(&expected) { Ok(()) } else { Err("Envoy answers otherwise than the floor".into()) }
}

impl Pair {
    /// The proxy with its defaults, and the floor.
    pub async fn start(world: &World) -> Outcome<Self> {
        let proxy = Running::proxy(world.proxy(MEASURED, &[])).await?;
        let floor = Running::part(Some(MEASURED), &["floor", &world.base_url, "hyper-http1"]).await?;
        Ok(Self {
            proxy: Row::new(world, "**the proxy**", proxy).await?,
            floor: Row::new(world, "**floor**", floor).await?,
        })
    }
}

impl Row {
    /// Something that answers, warmed up.
    pub async fn new(world: &World, name: &'static str, running: Running) -> Outcome<Self> {
        Self::dosed(world, name, running, USUAL_DOSE).await
    }

    async fn dosed(world: &World, name: &'static str, running: Running, dose: Dose) -> Outcome<Self> {
        // What is wrong is told here: h2load does not say why a call fails. Envoy's answer is the task.
        match name {
            ENVOY => drop(follow::invoke::<Task>(running.address, "bench").await?),
            _ => drop(follow::invoke::<InvokeResponse>(running.address, "bench").await?),
        }
        let before = world.counts().await?.creates;
        let answer = h2load::answer_size(running.address, &world.request()).await?;
        let asks_platform = world.counts().await?.creates > before;
        let (cost, per_second, latency) = (Vec::new(), Vec::new(), Vec::new());
        let calls = dose.warm_up;
        let mut row = Self { name, running, answer, asks_platform, dose, calls, cost, per_second, latency };
        let (cost, _) = row.measure(world, &world.request(), USUAL, calls).await?;
        row.calls = calls_in(world.plan.time, cost, dose.least);
        Ok(row)
    }

    /// Makes so many calls; microseconds of processor time for each.
    pub async fn measure(&self, world: &World, request: &Path, load: Load, count: u32) -> Outcome<(f64, Loaded)> {
        self.measure_answers(world, request, load, count, self.answer).await
    }

    /// The same where answers have another size.
    pub async fn measure_answers(
        &self,
        world: &World,
        request: &Path,
        load: Load,
        count: u32,
        answer: usize,
    ) -> Outcome<(f64, Loaded)> {
        let (counted, used) = (world.counts().await?.creates, self.running.cpu()?);
        let loaded = h2load::run(self.running.address, request, load, count, answer).await?;
        let used = self.running.cpu()? - used;
        let counted = world.counts().await?.creates - counted;
        if counted != if self.asks_platform { u64::from(count) } else { 0 } {
            return Err(format!("{}: {count} calls, but {counted} creates at the platform", self.name).into());
        }
        Ok((used / f64::from(count), loaded))
    }

    fn line(&self, floor: &Self) -> String {
        let spread = |values: &[f64]| values.iter().copied().collect::<Spread>();
        format!(
            "| {} | {} | {} | {:.0} | {:.3} ms |",
            self.name,
            spread(&self.cost).range(),
            Spread::ratios(&self.cost, &floor.cost).quartiles(),
            spread(&self.per_second).median(),
            spread(&self.latency).median() / 1e3,
        )
    }
}

impl Rows {
    fn all(&self) -> impl Iterator<Item = &Row> {
        [&self.proxy, &self.traced, &self.floor, &self.envoy].into_iter().chain(&self.others).chain(&self.official)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        let rows = [&mut self.proxy, &mut self.traced, &mut self.floor, &mut self.envoy].into_iter();
        rows.chain(&mut self.others).chain(&mut self.official)
    }

    fn tell(&self, report: &mut Report, rounds: usize, spans: u64) {
        report.title("Invoke");
        report.line("| | µs per call, median [min–max] | × floor, paired (IQR) | calls/s on one core | p50, one call in flight |");
        report.line("|---|---|---|---|---|");
        for row in self.all() {
            report.line(&row.line(&self.floor));
            // Beside what costs a hundred times as much, nothing else could be seen.
            if row.dose == USUAL_DOSE {
                report.chart(row.name, row.cost.iter().copied().collect());
            }
        }
        let calls = rounds as u64 * u64::from(self.traced.calls + USUAL_DOSE.alone);
        report.line(&format!("\n{rounds} interleaved rounds; of {calls} traced calls {spans} spans arrived."));
        if !self.official.is_empty() {
            let (rounds, calls) = (SMALL_DOSE.rounds.min(rounds), SMALL_DOSE.least);
            report.line(&format!("The Python rows: {rounds} rounds of at least {calls} calls, and not in the chart."));
        }
        let ratio = |of: &[f64], to: &[f64]| Spread::ratios(of, to).median();
        report.bar(Bar::at_most("Invoke by the floor's", ratio(&self.proxy.cost, &self.floor.cost), 1.5, "×"));
        report.bar(Bar::at_most("Invoke by Envoy's", ratio(&self.proxy.cost, &self.envoy.cost), 0.3, "×"));
        report.bar(Bar::at_most("traced Invoke by the floor's", ratio(&self.traced.cost, &self.floor.cost), 2.2, "×"));
        let latency = ratio(&self.proxy.latency, &self.floor.latency);
        report.bar(Bar::at_most("p50 of one call by the floor's", latency, 1.4, "×"));
        // A span of the call and one of the platform's request; and a few of agents' lookups, one in five seconds.
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let missing = (100.0 - 100.0 * spans as f64 / (2 * calls) as f64).max(0.0);
        report.bar(Bar::at_most("spans that did not arrive", missing, SPANS_MISSING, "%"));
    }
}

/// How many calls of this cost, in microseconds, take this time, but not fewer than these: a multiple of all that go at
/// once, and not so many that a slow machine takes for ever.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn calls_in(time: Duration, cost: f64, least: u32) -> u32 {
    let calls = (time.as_secs_f64() * 1e6 / cost.max(1.0)).clamp(f64::from(least), 65_536.0) as u32;
    calls.next_multiple_of(128)
}
