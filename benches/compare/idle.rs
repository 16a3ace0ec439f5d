//! What streams cost on which nothing happens.

use tokio::time::sleep;

use crate::{
    Outcome, follow,
    process::{MEASURED, Running},
    report::Report,
    stats::Bar,
    world::World,
};

/// Kinds of connections to the platform, and the memory a stream may take, in KiB.
const KINDS: [(&str, &str, f64); 2] = [("off", "HTTP/1.1", 40.0), ("prior-knowledge", "HTTP/2", 20.0)];
/// How much of a core idle streams may use, in percent: the kernel counts hundredths of a second.
const IDLE: f64 = 1.0;

/// Memory of each, and processor time of all.
pub async fn streams(world: &World, report: &mut Report) -> Outcome {
    let count = world.plan.idle_streams;
    report.title("Idle streams");
    report.line("| to the platform | streams | memory each | processor time, all |");
    report.line("|---|---|---|---|");
    for (http2, name, most) in KINDS {
        world.say(&format!("{count} idle streams, {name}"));
        let environment = [("XPANDER_PROXY_PLATFORM__HTTP2", http2)];
        let proxy = Running::proxy(world.proxy(MEASURED, &environment)).await?;
        // What the first stream of all costs is no stream's.
        drop(follow::hold(proxy.address, 1).await?);
        let empty = proxy.resident()?;
        let held = follow::hold(proxy.address, count).await?;
        sleep(world.plan.idle_time / 10).await;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let each = (proxy.resident()? - empty) / held.len() as f64 / 1024.0;
        let used = proxy.cpu()?;
        sleep(world.plan.idle_time).await;
        let used = (proxy.cpu()? - used) / 1e6 / world.plan.idle_time.as_secs_f64() * 100.0;
        report.line(&format!("| {name} | {} | {each:.1} KiB | {used:.2} % of a core |", held.len()));
        report.bar(Bar::at_most(format!("an idle stream, {name}"), each, most, "KiB"));
        report.bar(Bar::at_most(format!("idle streams, {name}"), used, IDLE, "% of a core"));
    }
    Ok(())
}
