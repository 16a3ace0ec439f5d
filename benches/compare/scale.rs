//! What a second worker thread gives.
//!
//! With cores to spare it is the rate that tells. On two cores load and platform need one of them, so the kernel's
//! account of each thread tells instead: a thread with a core of its own is as fast as it is busy, so all threads
//! together are as fast as the busiest lets them.

use std::thread;

use crate::{
    Outcome,
    h2load::{ONE, USUAL},
    invoke::Row,
    process::Running,
    report::Report,
    stats::{Bar, Spread},
    world::World,
};

/// Cores for the proxy, with more than two in the machine or not.
const CORES: &str = "0,1";

/// One worker thread, then two.
pub async fn threads(world: &World, report: &mut Report) -> Outcome {
    world.say("one worker thread and two");
    let mut rows = Vec::new();
    for threads in ["1", "2"] {
        let running = Running::proxy(world.proxy(CORES, &[("TOKIO_WORKER_THREADS", threads)])).await?;
        let row = Row::new(world, "the proxy", running).await?;
        // Nothing but what wakes the second thread up: its first turn is no part of the measure.
        row.measure(world, &world.request(), ONE, 100).await?;
        rows.push(row);
    }
    let has_cores = thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    let mut speeds = [Vec::new(), Vec::new()];
    for _ in 0..2 * world.plan.repeats {
        for (row, speeds) in rows.iter().zip(&mut speeds) {
            let speed = if has_cores { rate(world, row).await? } else { account(world, row).await? };
            speeds.push(speed);
        }
    }
    let gain = Spread::ratios(&speeds[1], &speeds[0]);
    let how = if has_cores { "by the rate of calls" } else { "by the account of each thread, on two cores" };
    report.title("Worker threads");
    report.line(&format!("Two give {} × one, {how}.", gain.quartiles()));
    report.bar(Bar::at_least("two worker threads by one", gain.median(), 1.7, "×"));
    Ok(())
}

async fn rate(world: &World, row: &Row) -> Outcome<f64> {
    Ok(row.measure(world, &world.request(), USUAL, row.calls).await?.1.per_second)
}

/// Calls per second, were every thread alone on its core: so many as the busiest makes possible.
async fn account(world: &World, row: &Row) -> Outcome<f64> {
    let before = row.running.cpu_of_threads()?;
    row.measure(world, &world.request(), USUAL, row.calls).await?;
    let after = row.running.cpu_of_threads()?;
    let busiest = after.iter().zip(&before).map(|(after, before)| after - before).fold(0.0, f64::max);
    Ok(f64::from(row.calls) / busiest * 1e6)
}
