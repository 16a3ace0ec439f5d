//! From nothing to the first answer, and how small the process is.

use std::{fs, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use xpander_grpc_proxy::proto::InvokeResponse;

use crate::{
    Outcome, follow,
    process::{self, MEASURED, Running},
    report::Report,
    stats::{Bar, Spread},
    world::World,
};

/// How long the start may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two tries to connect.
const TRY_AGAIN: Duration = Duration::from_micros(500);

/// Time to the first answer, memory after it, size of the binary.
pub async fn measure(world: &World, report: &mut Report) -> Outcome {
    world.say("starts");
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..=2 * world.plan.repeats {
        // Asked for before it listens, so that not the harness's own waiting is measured.
        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port().await?));
        let listen = address.to_string();
        let begin = Instant::now();
        let proxy = process::spawn(&mut world.proxy(MEASURED, &[("XPANDER_PROXY_SERVER__LISTEN", &listen)]))?;
        let proxy = Running::new(proxy, address)?;
        while TcpStream::connect(proxy.address).await.is_err() {
            if begin.elapsed() > PATIENCE {
                return Err("the proxy does not start".into());
            }
            sleep(TRY_AGAIN).await;
        }
        follow::invoke::<InvokeResponse>(proxy.address, "bench").await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        sleep(Duration::from_millis(200)).await;
        memory.push(proxy.resident()? / f64::from(1 << 20));
    }
    let (times, memory): (Spread, Spread) = (times.into_iter().collect(), memory.into_iter().collect());
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let size = fs::metadata(&world.binary)?.len() as f64 / 1e6;
    report.title("Start and size");
    report.line("| | |");
    report.line("|---|---|");
    report.line(&format!("| process start to first answer | {} ms |", times.range()));
    report.line(&format!("| resident memory after it, idle | {} MiB |", memory.range()));
    report.line(&format!("| the stripped binary | {size:.1} MB |"));
    report.bar(Bar::at_most("start to first answer", times.median(), 100.0, "ms"));
    report.bar(Bar::at_most("idle memory", memory.median(), 20.0, "MiB"));
    report.bar(Bar::at_most("the binary", size, 20.0, "MB"));
    Ok(())
}
