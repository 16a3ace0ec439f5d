//! What every measure shares: how much of everything, the platform, and what it has counted.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{Outcome, floor::http::Http, h2load, process::Running};

/// How much of everything.
pub struct Plan {
    pub is_whole: bool,
    /// Rounds of the main table.
    pub rounds: usize,
    /// Rounds of everything else.
    pub repeats: usize,
    /// About how much processor time one measure takes.
    pub time: Duration,
    /// Events of one stream, and chunks whose delay is measured.
    pub events: u32,
    pub chunks: u32,
    pub idle_streams: usize,
    pub idle_time: Duration,
}

/// The platform, and what is needed to ask it.
pub struct World {
    pub plan: Plan,
    pub platform: Running,
    pub base_url: String,
    /// For files that other programs read.
    pub folder: PathBuf,
    http: Http,
    begun: Instant,
}

/// What the platform has counted.
#[derive(Clone, Copy)]
pub struct Counts {
    pub creates: u64,
    pub spans: u64,
}

impl Plan {
    pub fn whole() -> Self {
        Self {
            is_whole: true,
            rounds: 20,
            repeats: 5,
            time: Duration::from_millis(700),
            events: 20_000,
            chunks: 3_000,
            idle_streams: 10_000,
            idle_time: Duration::from_secs(10),
        }
    }

    pub fn quick() -> Self {
        Self {
            is_whole: false,
            rounds: 3,
            repeats: 1,
            time: Duration::from_millis(300),
            events: 5_000,
            chunks: 500,
            idle_streams: 1_000,
            idle_time: Duration::from_secs(2),
        }
    }
}

impl World {
    pub async fn start(plan: Plan) -> Outcome<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare");
        fs::create_dir_all(&folder)?;
        h2load::write_request(&folder.join("bench"), "bench")?;
        let platform = Running::part(None, &["platform"]).await?;
        let base_url = format!("http://{}", platform.address);
        Ok(Self { plan, platform, base_url, folder, http: Http::new("hyper-http1")?, begun: Instant::now() })
    }

    /// The file with the usual request.
    pub fn request(&self) -> PathBuf {
        self.folder.join("bench")
    }

    pub async fn counts(&self) -> Outcome<Counts> {
        let text = self.http.get(&format!("{}/counts", self.base_url)).await?.whole().await?;
        let numbers: Vec<u64> = str::from_utf8(&text)?.split(' ').flat_map(str::parse).collect();
        let [creates, _, spans] = numbers[..] else { return Err("the platform has no counts".into()) };
        Ok(Counts { creates, spans })
    }

    /// Tells who waits what is being done.
    pub fn say(&self, text: &str) {
        eprintln!("compare: {:4} s  {text}", self.begun.elapsed().as_secs());
    }
}
