//! A real Envoy in front of replicas: started on a free port, waited for, asked what it knows, killed when it is
//! dropped. What it is told is in the module below.

mod config;

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::sleep,
};
use tonic::transport::{Channel, Endpoint};
use xpander_grpc_proxy::proto::agent_service_client::AgentServiceClient;

pub use self::config::{HEALTH_TIMEOUT, Mesh, PING_TIMEOUT, PINGED_EVERY};
use super::{live::within, proxy::Client};

/// How often Envoy asks each replica's health.
pub const HEALTH_INTERVAL: Duration = Duration::from_millis(200);

/// The file with the replicas.
const ENDPOINTS: &str = "endpoints.json";

/// The pause between two looks at what Envoy says of itself; it tells nobody by itself.
const LOOK: Duration = Duration::from_millis(20);

/// What Envoy shows to the replicas and trusts in them: PEM files.
#[derive(Clone, Debug)]
pub struct MutualTls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub ca_file: PathBuf,
    /// The DNS name that the replicas' certificates carry.
    pub name: String,
}

/// Envoy; killed when it is dropped.
pub struct Envoy {
    /// Where callers reach it: HTTP/2 without TLS.
    pub address: SocketAddr,
    admin: String,
    http: reqwest::Client,
    folder: PathBuf,
    /// Held: Envoy is killed with it.
    _child: Child,
}

impl Envoy {
    /// Envoy in front of these replicas, once it knows all of them healthy.
    pub async fn before(replicas: &[SocketAddr], mesh: &Mesh) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("envoy-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let config = folder.join("envoy.json");
        tell(&folder, replicas);
        fs::write(&config, config::bootstrap(mesh, &folder.join(ENDPOINTS)).to_string()).expect("written");
        let (admin_file, log) = (folder.join("admin"), folder.join("log"));
        let mut child = Command::new(tool("envoy"))
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("created"))
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let admin = within("Envoy's admin port", async {
            loop {
                if let Ok(Some(ended)) = child.try_wait() {
                    panic!("Envoy ended with {ended}: {}", fs::read_to_string(&log).unwrap_or_default());
                }
                match fs::read_to_string(&admin_file) {
                    Ok(address) if !address.is_empty() => return address,
                    _ => sleep(LOOK).await,
                }
            }
        })
        .await;
        // The client insists on one, though it speaks no TLS here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let address = ([127, 0, 0, 1], 0).into();
        let mut envoy = Self { address, admin: format!("http://{admin}"), http, folder, _child: child };
        envoy.until("Envoy is ready", async |envoy| envoy.get("ready").await.trim() == "LIVE").await;
        envoy.address = envoy.listener().await;
        for replica in replicas {
            envoy.until_healthy(*replica).await;
        }
        envoy
    }

    /// These are the replicas from now on.
    pub fn has(&self, replicas: &[SocketAddr]) {
        tell(&self.folder, replicas);
    }

    /// A connection of one's own; calls on different ones may meet different threads of Envoy.
    pub fn channel(&self) -> Channel {
        Endpoint::new(format!("http://{}", self.address)).expect("a URL").connect_lazy()
    }

    pub fn client(&self) -> Client {
        AgentServiceClient::new(self.channel())
    }

    /// Whether new calls go to a replica.
    pub async fn is_healthy(&self, replica: SocketAddr) -> bool {
        let port = u64::from(replica.port());
        let clusters = self.json("clusters?format=json").await;
        let hosts = clusters["cluster_statuses"].as_array().into_iter().flatten();
        let mut hosts = hosts.flat_map(|cluster| cluster["host_statuses"].as_array().into_iter().flatten());
        hosts.find(|host| host["address"]["socket_address"]["port_value"] == port).is_some_and(|host| {
            let health = &host["health_status"];
            health["eds_health_status"] == "HEALTHY"
                && ["failed_active_health_check", "pending_active_hc"].iter().all(|flag| health[flag] != true)
        })
    }

    pub async fn until_healthy(&self, replica: SocketAddr) {
        self.until("the replica is healthy", async |envoy| envoy.is_healthy(replica).await).await;
    }

    /// It is unhealthy, or Envoy does not know it any more.
    pub async fn until_unhealthy(&self, replica: SocketAddr) {
        self.until("the replica is unhealthy", async |envoy| !envoy.is_healthy(replica).await).await;
    }

    /// One of the replicas' counters, e.g. `upstream_rq_retry`.
    pub async fn counter(&self, name: &str) -> u64 {
        let stats = self.json(&format!("stats?format=json&filter=^cluster.{}.{name}$", config::CLUSTER)).await;
        stats["stats"][0]["value"].as_u64().unwrap_or_else(|| panic!("no counter {name}: {stats}"))
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        within(what, async {
            while !is_so(self).await {
                sleep(LOOK).await;
            }
        })
        .await;
    }

    /// The port that Envoy took for its callers.
    async fn listener(&self) -> SocketAddr {
        let listeners = self.json("listeners?format=json").await;
        let port = listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"].as_u64();
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or_else(|| panic!("no port: {listeners}"));
        ([127, 0, 0, 1], port).into()
    }

    async fn json(&self, path: &str) -> Value {
        let text = self.get(path).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// Whatever admin answers, also with an error's status.
    async fn get(&self, path: &str) -> String {
        let answer = within(path, self.http.get(format!("{}/{path}", self.admin)).send()).await.expect("an answer");
        answer.text().await.expect("a text")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes the replicas where Envoy looks for them: it takes up a file that is moved there, and never half of one.
fn tell(folder: &Path, replicas: &[SocketAddr]) {
    let new = folder.join("new");
    fs::write(&new, config::endpoints(replicas).to_string()).expect("written");
    fs::rename(new, folder.join(ENDPOINTS)).expect("moved");
}

/// A program that `.ci/tools` installs.
pub fn tool(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin").join(name);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = std::iter::once(own).chain(env::split_paths(&path).map(|folder| folder.join(name)));
    places.find(|place| place.is_file()).unwrap_or_else(|| panic!("there is no {name}: .ci/tools installs it"))
}
