//! What events cost on their way, and how long they take.

use crate::{
    Outcome, follow,
    invoke::Pair,
    process::Running,
    report::Report,
    sizes::tell,
    stats::{Bar, Spread},
    world::World,
};

/// Streams at once.
const AT_ONCE: u32 = 4;
/// `connected` and `task_finished`, around the chunks.
const AROUND: u64 = 2;
/// Millions of bytes of one event; how many bytes one measure moves; how much dearer a byte of the largest may be.
const LARGE: [u32; 3] = [1, 4, 16];
const MOVED: u32 = 48;
const LINEAR: f64 = 1.5;

/// Processor time per event, in both shapes.
pub async fn per_event(world: &World, pair: &Pair, report: &mut Report) -> Outcome {
    report.title("Streams");
    report.line("| events | the proxy, µs an event | floor, µs an event | × floor |");
    report.line("|---|---|---|---|");
    let shapes = [("each", "each in its own HTTP chunk", 1, 2.0), ("batch", "64 in an HTTP chunk", 4, 1.5)];
    for (shape, name, more, most) in shapes {
        world.say(&format!("events, {name}"));
        let events = world.plan.events * more;
        let mut measured = [Vec::new(), Vec::new()];
        for _ in 0..2 * world.plan.repeats {
            for (row, measured) in [&pair.proxy, &pair.floor].into_iter().zip(&mut measured) {
                measured.push(cost(&row.running, &format!("{shape}-{events}"), events).await?);
            }
        }
        tell(report, name, &measured, 1.0);
        let ratio = Spread::ratios(&measured[0], &measured[1]).median();
        report.bar(Bar::at_most(format!("an event, {name}, by the floor's"), ratio, most, "×"));
    }
    Ok(())
}

/// Microseconds of processor time for each of so many chunk events on a stream.
async fn cost(running: &Running, task_id: &str, events: u32) -> Outcome<f64> {
    let used = running.cpu()?;
    let came = follow::follow(running.address, task_id, AT_ONCE).await?;
    let used = running.cpu()? - used;
    let expected = u64::from(AT_ONCE) * (u64::from(events) + AROUND);
    if came != expected {
        return Err(format!("{came} events came, and not {expected}").into());
    }
    Ok(used / f64::from(events) / f64::from(AT_ONCE))
}

/// How long a chunk is on its way, from the platform's hand to the caller's.
pub async fn delays(world: &World, pair: &Pair, report: &mut Report) -> Outcome {
    world.say("chunks on their way");
    let mut p99 = Vec::new();
    for row in [&pair.proxy, &pair.floor] {
        let delays = follow::delays(row.running.address, &format!("paced-{}", world.plan.chunks)).await?;
        if delays.len() != world.plan.chunks as usize {
            return Err(format!("{} chunks of {} came", delays.len(), world.plan.chunks).into());
        }
        let delays: Spread = delays.into_iter().collect();
        let (half, most) = (delays.median() / 1e3, delays.quantile(0.99) / 1e3);
        report.line(&format!("\nA chunk through {} takes {half:.3} ms (p50), {most:.3} ms (p99).", row.name));
        p99.push(most);
    }
    report.bar(Bar::at_most("a chunk's way, p99", p99[0], 1.0, "ms"));
    Ok(())
}

/// Events of megabytes cost by the byte.
pub async fn large_events(world: &World, pair: &Pair, report: &mut Report) -> Outcome {
    report.title("Large events");
    report.line("| one event of | the proxy, µs a KB | floor, µs a KB | × floor |");
    report.line("|---|---|---|---|");
    let mut costs = Vec::new();
    for size in LARGE {
        world.say(&format!("events of {size} MB"));
        let mut measured = [Vec::new(), Vec::new()];
        for _ in 0..world.plan.repeats {
            for (row, measured) in [&pair.proxy, &pair.floor].into_iter().zip(&mut measured) {
                measured.push(cost_of_bytes(&row.running, size).await?);
            }
        }
        costs.push(tell(report, &format!("{size} MB"), &measured, 1.0));
    }
    report.bar(Bar::at_most("a byte of a 16 MB event by one of 1 MB", costs[2] / costs[0], LINEAR, "×"));
    Ok(())
}

/// Microseconds of processor time for a thousand bytes, in events of so many million.
async fn cost_of_bytes(running: &Running, size: u32) -> Outcome<f64> {
    let times = MOVED / size;
    let used = running.cpu()?;
    for _ in 0..times {
        let came = follow::follow(running.address, &format!("large-{}", size * 1_000_000), 1).await?;
        if came != 1 + AROUND {
            return Err(format!("an event of {size} MB did not come").into());
        }
    }
    let used = running.cpu()? - used;
    Ok(used / f64::from(times * size * 1_000))
}
