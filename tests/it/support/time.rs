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
    waited_in("/proc/thread-self/schedstat".as_ref()).expect("it runs on Linux")
}

/// How long the threads of that process that serve calls have waited for a processor, together: large work makes one of
/// them its own, and another one goes on with the calls. Those that have nothing to do do not wait, and end after a while.
pub fn waited_by_workers(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs on Linux").flatten();
    let workers = threads
        .map(|thread| thread.path())
        .filter(|folder| fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm == "tokio-rt-worker\n"));
    workers.filter_map(|folder| waited_in(&folder.join("schedstat"))).sum()
}

fn waited_in(schedstat: &Path) -> Option<Duration> {
    let stat = fs::read_to_string(schedstat).ok()?;
    stat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
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
