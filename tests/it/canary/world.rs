//! The binary before a platform that echoes what it is asked, with everything it tells of its work: its log at the
//! finest level, its spans and metrics at a real receiver, its pages and its `check`.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr},
    sync::{Notify, watch},
};
use tonic::transport::Endpoint;

use super::{
    marks::{API_KEY, COLLECTOR_TOKEN, TOKEN},
    platform::script,
};
use crate::support::{
    binary::{binary, run},
    collector::Collector,
    live::within,
    platform::Platform,
    proxy::Client,
};

/// How many streams there may be at once.
pub const STREAMS: usize = 40;

/// The binary and what is around it.
pub struct World {
    pub platform: Platform,
    /// Lets the answers come that the platform holds back.
    pub release: Arc<Notify>,
    pub grpc: String,
    admin: String,
    collector: Collector,
    log: watch::Receiver<String>,
    child: Child,
    folder: Folder,
    environment: Vec<(String, String)>,
}

/// A folder with the files of secrets; goes with its world.
pub struct Folder(PathBuf);

impl World {
    /// With a log of this format.
    pub async fn start(format: &str) -> Self {
        let release = Arc::new(Notify::new());
        let platform = Platform::start(script(Arc::clone(&release))).await;
        let (collector, folder) = (Collector::grpc().await, Folder::new());
        folder.write_key(API_KEY);
        folder.write_tokens(&good_tokens());
        let environment = environment(&platform, &collector, &folder, format);
        let variables: Vec<_> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        let here = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let mut child = binary(&here, &variables).spawn().expect("it runs");
        let log = collect(child.stderr.take().expect("piped"));
        let [grpc, admin] = addresses(log.clone()).await;
        Self { platform, release, grpc, admin, collector, log, child, folder, environment }
    }

    pub fn client(&self) -> Client {
        let channel = Endpoint::new(self.grpc.clone()).expect("a URL").connect_lazy();
        Client::new(channel).max_encoding_message_size(usize::MAX)
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Waits until the log has this so many times.
    pub async fn logged(&self, text: &str, times: usize) {
        let mut log = self.log.clone();
        within(text, log.wait_for(|log| log.matches(text).count() >= times)).await.expect("it runs");
    }

    /// What `check` says to its settings, and to these on top.
    pub async fn check(&self, more: &[(&str, &str)]) -> String {
        let own = self.environment.iter().map(|(name, value)| (&**name, &**value));
        let environment: Vec<_> = own.chain(more.iter().copied()).collect();
        let run = run(&["check"], &environment).await;
        run.out + &run.err
    }

    /// The pages of the admin port.
    pub async fn pages(&self) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut pages = String::new();
        for page in ["metrics", "readyz", "livez"] {
            let answer = within(page, client.get(format!("{}/{page}", self.admin)).send()).await.expect("a page");
            pages += &answer.text().await.expect("text");
        }
        pages
    }

    /// Begins the drain.
    pub async fn terminate(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let kill = tokio::process::Command::new("kill").args(["-s", "TERM", &id]).status().await;
        assert!(kill.expect("kill runs").success());
    }

    /// Waits for its end; its log, and what was exported, as text.
    pub async fn end(mut self) -> (String, String) {
        let ended = within("the end of serve", self.child.wait()).await.expect("it ran");
        assert_eq!(ended.code(), Some(0));
        // The log's end is the end of its sender.
        within("the log's end", async { while self.log.changed().await.is_ok() {} }).await;
        let received = self.collector.received();
        // A caller's `tracestate` is meant for tracing systems: OTLP has a field of its own for it.
        let spans = received
            .spans
            .iter()
            .map(|spotted| Span { trace_state: String::new(), ..spotted.span.clone() }.encode_to_vec());
        let exports = spans.chain(received.metrics.iter().map(Message::encode_to_vec));
        let exported: String = exports.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
        let resources: String = received.spans.iter().map(|spotted| format!("{:?}", spotted.resource)).collect();
        (self.log.borrow().clone(), exported + &resources)
    }
}

/// The hash of the caller's token, under its name.
pub fn good_tokens() -> String {
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("orders={hash}\n")
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("canary-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn write_key(&self, key: &str) {
        fs::write(self.path("key"), key).expect("written");
    }

    pub fn write_tokens(&self, tokens: &str) {
        fs::write(self.path("tokens"), tokens).expect("written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn environment(platform: &Platform, collector: &Collector, folder: &Folder, format: &str) -> Vec<(String, String)> {
    let proxys = [
        ("TELEMETRY__LOG_FILTER", "trace".to_owned()),
        ("TELEMETRY__LOG_FORMAT", format.to_owned()),
        ("PLATFORM__RETRIES", "0".to_owned()),
        ("PLATFORM__REQUEST_TIMEOUT", "1s".to_owned()),
        ("EVENTS__IDLE_TIMEOUT", "500ms".to_owned()),
        ("EVENTS__RECONNECT_BUDGET", "500ms".to_owned()),
        ("EVENTS__MAX_EVENT_BYTES", "65536".to_owned()),
        ("AUTH__TOKENS_FILE", folder.path("tokens")),
        ("AUTH__PASS_THROUGH", "true".to_owned()),
        ("AGENTS__STOP_ABANDONED", "true".to_owned()),
        ("AUTH__LIST_TASKS", "*".to_owned()),
        ("TELEMETRY__GEN_AI", "true".to_owned()),
        ("USERS__CALLERS", "orders".to_owned()),
        ("USERS__PRINCIPAL", "true".to_owned()),
        (
            "USERS__METADATA",
            "id=x-user-id,email=x-user-email,first_name=x-user-first-name,last_name=x-user-last-name".to_owned(),
        ),
        ("SERVER__MAX_STREAMS", STREAMS.to_string()),
        ("SERVER__MAX_RESETS_PER_CONNECTION", "100000".to_owned()),
        ("SERVER__DRAIN_DELAY", "0s".to_owned()),
        ("SERVER__DRAIN_TIMEOUT", "500ms".to_owned()),
    ];
    let others = [
        ("XPANDER_BASE_URL", platform.base_url()),
        ("XPANDER_ORGANIZATION_ID", "org-1".to_owned()),
        ("XPANDER_API_KEY_FILE", folder.path("key")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{COLLECTOR_TOKEN}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200".to_owned()),
    ];
    let proxys = proxys.map(|(name, value)| (format!("XPANDER_PROXY_{name}"), value));
    proxys.into_iter().chain(others.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// All that comes out of it.
fn collect(mut err: ChildStderr) -> watch::Receiver<String> {
    let (log, read) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut piece = vec![0; 64 << 10];
        while let Ok(count @ 1..) = err.read(&mut piece).await {
            log.send_modify(|log| log.push_str(&String::from_utf8_lossy(&piece[..count])));
        }
    });
    read
}

/// Where gRPC and the admin port are, from the line that says so in either format.
async fn addresses(mut log: watch::Receiver<String>) -> [String; 2] {
    let line =
        |log: &str| log.lines().find(|line| line.contains("serving") && line.contains("admin")).map(str::to_owned);
    let log = within("the addresses", log.wait_for(|log| line(log).is_some() && log.ends_with('\n'))).await;
    let line = line(&log.expect("it runs")).expect("found");
    let mut ports = line.split("127.0.0.1:").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    [(); 2].map(|()| format!("http://127.0.0.1:{}", ports.next().flatten().expect("a port")))
}
