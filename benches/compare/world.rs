//! What every measure shares: how much of everything, the platform, and what it has counted.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::process::Command;

use crate::{
    Outcome,
    floor::http::Http,
    h2load,
    process::{self, Running},
    samples,
};

/// How much of everything.
pub struct Plan {
    pub is_whole: bool,
    /// Whether the official client is measured, too.
    pub has_python: bool,
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
    /// The proxy's own: of this build, or another.
    pub binary: PathBuf,
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
            has_python: false,
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
            has_python: false,
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
    pub async fn start(plan: Plan, binary: Option<&str>) -> Outcome<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare");
        fs::create_dir_all(&folder)?;
        h2load::write_request(&folder.join("bench"), "bench")?;
        let platform = Running::part(None, &["platform"]).await?;
        let binary = binary.unwrap_or(env!("CARGO_BIN_EXE_xpander-grpc-proxy"));
        let binary = fs::canonicalize(binary).map_err(|error| format!("{binary}: {error}"))?;
        let base_url = format!("http://{}", platform.address);
        let http = Http::new("hyper-http1")?;
        Ok(Self { plan, binary, platform, base_url, folder, http, begun: Instant::now() })
    }

    /// The proxy with its defaults, and these settings.
    pub fn proxy(&self, cores: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = process::on_cores(cores, &self.binary);
        command.arg("serve").envs([
            ("XPANDER_PROXY_SERVER__LISTEN", "127.0.0.1:0"),
            ("XPANDER_PROXY_SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
        ]);
        command.envs(self.platform_settings()).envs(environment.iter().copied());
        command
    }

    /// What the proxy and the official client read of the platform in their environment.
    pub fn platform_settings(&self) -> [(&str, &str); 3] {
        [
            ("XPANDER_API_KEY", "key-of-the-bench"),
            ("XPANDER_ORGANIZATION_ID", samples::ORGANIZATION),
            ("XPANDER_BASE_URL", &self.base_url),
        ]
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
