//! What must not grow: the proxy's tasks, the process's sockets, the number of panics.

use std::{
    fs, panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, time::sleep};

/// What a proxy at rest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The tasks of its runtime.
    tasks: usize,
    /// The sockets of this process; none where the system does not tell.
    sockets: usize,
}

impl Held {
    pub fn by(proxy: &Handle) -> Self {
        let files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let is_socket = |file: &fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
        };
        Self { tasks: proxy.metrics().num_alive_tasks(), sockets: files.filter(is_socket).count() }
    }

    /// Waits until no more is held than this; what is, when it is not let go in time.
    pub async fn regained(self, proxy: &Handle, within: Duration) -> Result<(), Self> {
        let began = Instant::now();
        loop {
            let now = Self::by(proxy);
            if now.tasks <= self.tasks && now.sockets <= self.sockets {
                return Ok(());
            }
            if began.elapsed() > within {
                return Err(now);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Counts panics from now on, in whatever task: the runtime keeps those of tasks that nobody waits for to itself.
pub fn count_panics(seed: u64) -> impl Fn() -> usize {
    let panics = Arc::new(AtomicUsize::new(0));
    let (its_panics, usual) = (Arc::clone(&panics), panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        its_panics.fetch_add(1, Relaxed);
        usual(panic);
        super::say(&format!("SOAK_SEED={seed}"));
    }));
    move || panics.load(Relaxed)
}
