//! One replica: the real binary as a process, with its own way to the platform, and its log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};
use xpander_grpc_proxy::sandbox::SeenRequest;

use super::{binary::run_by, gate::Gate, live::within, network::Network};

/// A replica; killed when it is dropped.
pub struct Replica {
    /// Where it serves gRPC.
    pub address: SocketAddr,
    /// The platform key it uses, by which the platform knows it.
    pub key: String,
    pub gate: Gate,
    log: watch::Receiver<Vec<Value>>,
    child: Child,
}

impl Replica {
    /// Once it serves; in this machine's network or in another one.
    pub async fn start(
        nth: usize,
        platform: SocketAddr,
        environment: &[(String, String)],
        network: Option<&Network>,
    ) -> Self {
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let gate = Gate::new(network.map_or(local, Network::here), platform).await;
        let (base_url, key) = (gate.base_url(), format!("key-of-replica-{nth}"));
        let own = [
            ("XPANDER_BASE_URL", &*base_url),
            ("XPANDER_API_KEY", &*key),
            ("XPANDER_ORGANIZATION_ID", "org-1"),
            ("NO_PROXY", "*"),
        ];
        let more = environment.iter().map(|(name, value)| (&**name, &**value));
        let environment: Vec<_> = own.into_iter().chain(more).collect();
        let listen = SocketAddr::new(network.map_or(local, Network::inside), 0).to_string();
        let arguments = ["serve", "--listen", &listen, "--admin-listen", "127.0.0.1:0"];
        let runner = network.map(Network::runner).unwrap_or_default();
        let mut child = run_by(&runner, &arguments, &environment).spawn().expect("it runs");
        let mut log = read(&mut child);
        let serving = |lines: &Vec<Value>| lines.iter().any(|line| line["message"] == "serving");
        let told = within("the replica serves", log.wait_for(serving)).await.map(|_| ());
        let lines = log.borrow().clone();
        told.unwrap_or_else(|_| panic!("the replica ended: {lines:?}"));
        let address = lines.iter().find_map(|line| line["grpc"].as_str()?.parse().ok()).expect("an address");
        Self { address, key, gate, log, child }
    }

    /// Sends a signal, e.g. `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill runs");
        assert!(sent.success());
    }

    /// Kills it as no program can prevent, and waits until it is gone.
    pub async fn kill(&mut self) {
        within("the replica's death", self.child.kill()).await.expect("it ran");
    }

    /// Waits for its end; its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        within("the replica's end", self.child.wait()).await.expect("it ran").code()
    }

    /// Waits until so many lines of its log are like this.
    pub async fn until_told(&self, what: &str, count: usize, is_so: impl Fn(&Value) -> bool) {
        let mut log = self.log.clone();
        let told = log.wait_for(|lines| lines.iter().filter(|line| is_so(line)).count() >= count);
        within(what, told).await.expect("its log goes on");
    }

    /// Whether the platform has this request from it.
    pub fn sent(&self, request: &SeenRequest) -> bool {
        request.header("x-api-key") == Some(&*self.key)
    }
}

/// The log of a process as it comes. It is read to the end, or the process would wait for its reader one day.
fn read(child: &mut Child) -> watch::Receiver<Vec<Value>> {
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (log, told) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            log.send_modify(|log: &mut Vec<Value>| log.push(serde_json::from_str(&line).unwrap_or(line.into())));
        }
    });
    told
}
