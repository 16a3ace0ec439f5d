//! What a second worker thread gives, to a proxy with the first two cores.
//!
//! With more cores for load and platform it is the rate of calls that tells. On a machine of two they need a part of one,
//! so that the rate tells of them, too; there the kernel's account of each thread tells: how long it ran, and how long it
//! was ready to run and waited for a core. On free cores it would have run whenever it was ready. Of one call, let
//!
//! - `c` be the processor time of all threads and `w` that of the worker threads,
//! - `s` the busiest worker's share of the time that the workers were ready: 1 of one, ½ of two with the same to do.
//!
//! The busiest worker has `s·w` to do for each call, and does no more than a second's work in a second; two cores do no
//! more than two seconds' work of all threads. The rate that two free cores allow is the lesser of `1/(s·w)` and `2/c`, so
//! that two workers give, of one's rate,
//!
//! ```text
//! max(w₁, c₁/2) / max(s·w₂, c₂/2)
//! ```
//!
//! It is 2 where the work is even and costs no more than before, less what the threads beside the workers need, such as
//! the log's. What workers cost each other in processor time, to steal work or to spin at a lock, is in `w₂`. What they
//! cost each other asleep is not: then both would be ready less of the time than the one, which is why that is told, too.
//! But a load that gets too little of its core lets them sleep as well.

use std::thread;

use crate::{
    Outcome,
    h2load::USUAL,
    invoke::Row,
    process::{Running, Thread},
    report::Report,
    stats::{Bar, Spread},
    world::World,
};

/// Cores for the proxy, with more than two in the machine or not.
const CORES: &str = "0,1";
/// What Tokio calls its worker threads.
const WORKER: &str = "tokio-rt-worker";

/// What the threads of a proxy did during one measure; in microseconds for each call.
struct Account {
    /// Processor time of all threads, and of the workers.
    all: f64,
    workers: f64,
    /// Of the time that the workers were ready: the busiest one's share.
    busiest: f64,
    /// How many workers were ready at a time, on average.
    ready: f64,
}

/// One worker thread, then two.
pub async fn threads(world: &World, report: &mut Report) -> Outcome {
    world.say("one worker thread and two");
    let mut rows = Vec::new();
    for threads in ["1", "2"] {
        let running = Running::proxy(world.proxy(CORES, &[("TOKIO_WORKER_THREADS", threads)])).await?;
        rows.push(Row::new(world, "the proxy", running).await?);
    }
    report.title("Worker threads");
    // This process has the cores of load and platform.
    let has_cores = thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    let speeds =
        if has_cores { by_rate(world, &rows, report).await? } else { by_account(world, &rows, report).await? };
    let gain = Spread::ratios(&speeds[1], &speeds[0]);
    report.line(&format!("\nTwo give {} × one.", gain.quartiles()));
    report.bar(Bar::at_least("two worker threads by one", gain.median(), 1.7, "×"));
    Ok(())
}

/// Calls per second as they come, round by round, of each row.
async fn by_rate(world: &World, rows: &[Row], report: &mut Report) -> Outcome<[Vec<f64>; 2]> {
    let mut speeds = [Vec::new(), Vec::new()];
    for _ in 0..2 * world.plan.repeats {
        for (row, speeds) in rows.iter().zip(&mut speeds) {
            speeds.push(row.measure(world, &world.request(), USUAL, row.calls).await?.1.per_second);
        }
    }
    report.line("On cores of their own, with the load on others:\n\n| worker threads | calls/s |\n|---|---|");
    for (threads, speeds) in speeds.iter().enumerate() {
        report.line(&format!("| {} | {} |", threads + 1, speeds.iter().copied().collect::<Spread>().range()));
    }
    Ok(speeds)
}

/// The same as two free cores would allow it.
async fn by_account(world: &World, rows: &[Row], report: &mut Report) -> Outcome<[Vec<f64>; 2]> {
    let mut accounts = [Vec::new(), Vec::new()];
    for _ in 0..2 * world.plan.repeats {
        for (row, accounts) in rows.iter().zip(&mut accounts) {
            accounts.push(Account::take(world, row).await?);
        }
    }
    report.line("By the account of each thread, since the load has a part of one of the two cores:\n");
    report.line(
        "| worker threads | all threads, µs a call | workers, µs a call | busiest worker's share | workers ready | calls/s on free cores |",
    );
    report.line("|---|---|---|---|---|---|");
    for (threads, accounts) in accounts.iter().enumerate() {
        let of = |value: fn(&Account) -> f64| accounts.iter().map(value).collect::<Spread>();
        report.line(&format!(
            "| {} | {} | {} | {} | {} | {} |",
            threads + 1,
            of(|account| account.all).range(),
            of(|account| account.workers).range(),
            of(|account| account.busiest).range(),
            of(|account| account.ready).range(),
            of(Account::speed).range(),
        ));
    }
    Ok(accounts.map(|accounts| accounts.iter().map(Account::speed).collect()))
}

impl Account {
    async fn take(world: &World, row: &Row) -> Outcome<Self> {
        let before = row.running.threads()?;
        let (_, loaded) = row.measure(world, &world.request(), USUAL, row.calls).await?;
        let spent: Vec<Thread> =
            row.running.threads()?.into_iter().map(|(id, after)| after.since(before.get(&id))).collect();
        let calls = f64::from(row.calls);
        let workers = || spent.iter().filter(|thread| thread.name == WORKER);
        let ready: f64 = workers().map(Thread::ready).sum();
        if ready <= 0.0 {
            return Err(format!("no thread {WORKER} was ready: does this kernel keep a schedstat?").into());
        }
        Ok(Self {
            all: spent.iter().map(|thread| thread.ran).sum::<f64>() / calls,
            workers: workers().map(|thread| thread.ran).sum::<f64>() / calls,
            busiest: workers().map(Thread::ready).fold(0.0, f64::max) / ready,
            ready: ready / (calls / loaded.per_second * 1e6),
        })
    }

    /// Calls per second on two free cores.
    fn speed(&self) -> f64 {
        1e6 / f64::max(self.busiest * self.workers, self.all / 2.0)
    }
}
