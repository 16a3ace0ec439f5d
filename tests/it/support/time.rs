//! Time, measured so that what a busy machine does besides does not count.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Long enough for a busy machine to do all that a test wants to see before a deadline or a limit passes.
pub const SOME_TIME: Duration = Duration::from_secs(3);

/// A moment on a runtime with one thread, which is asked on that thread.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    waited: Duration,
}

impl Moment {
    pub fn now() -> Self {
        Self { at: Instant::now(), waited: waited() }
    }

    /// The time since then: for what must not be shorter.
    pub fn elapsed(&self) -> Duration {
        self.until(&Self::now())
    }

    /// The time from this moment to that one.
    pub fn until(&self, later: &Self) -> Duration {
        later.at - self.at
    }

    /// The time since then without that in which the thread could have gone on and had no processor: for what must not
    /// be longer.
    pub fn alone(&self) -> Duration {
        self.alone_until(&Self::now())
    }

    /// The same from this moment to that one.
    pub fn alone_until(&self, later: &Self) -> Duration {
        self.until(later).saturating_sub(later.waited - self.waited)
    }
}

/// How long this thread has waited for a processor.
fn waited() -> Duration {
    waited_in("/proc/thread-self/schedstat".as_ref())
}

/// How long the first thread that serves calls in that process has waited for a processor.
pub fn waited_by_worker(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs on Linux").flatten();
    // Those that large work is done on have the same name, come later, and may be gone by now. Ids begin anew at times.
    let workers = threads.filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (before, behind) = stat.rsplit_once(')')?;
        let begun = behind.split_whitespace().nth(19)?.parse::<u64>().ok()?;
        before.ends_with("(tokio-rt-worker").then(|| (begun, thread.path()))
    });
    let (_, worker) = workers.min().expect("a thread for calls");
    waited_in(&worker.join("schedstat"))
}

fn waited_in(schedstat: &Path) -> Duration {
    let stat = fs::read_to_string(schedstat).expect("it runs on Linux");
    Duration::from_nanos(stat.split_whitespace().nth(1).expect("a time").parse().expect("a number"))
}

/// The processor time that a process has taken.
pub fn effort(process: u32) -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs on Linux");
    // Behind the name, which may have spaces: the state, then ten numbers, then the time of its own and the system's.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let times = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(times.sum::<u64>() * 1_000 / TICKS_PER_SECOND)
}
