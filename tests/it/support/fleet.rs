//! Three replicas of the real binary behind Envoy, before one embedded platform that knows them apart by their keys.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use xpander_grpc_proxy::sandbox::{Sandbox, SeenRequest};

use super::{
    binary::binary,
    envoy::{Envoy, MutualTls},
    gate::Gate,
    live::within,
};

const REPLICAS: usize = 3;
/// What the embedded platform remembers: of requests, and of tasks that are over.
const MEMORY: usize = 10_000;

/// All of it; ends when it is dropped.
pub struct Fleet {
    pub envoy: Envoy,
    pub replicas: Vec<Replica>,
    pub sandbox: Sandbox,
}

/// A replica; killed when it is dropped.
pub struct Replica {
    /// Where it serves gRPC, also after a restart.
    pub address: SocketAddr,
    /// The platform key it uses, by which the platform knows it.
    pub key: String,
    pub gate: Gate,
    environment: Vec<(String, String)>,
    child: Child,
}

impl Fleet {
    /// Replicas with this environment beside what they need.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        Self::with(environment, None).await
    }

    /// The same, which Envoy reaches by mutual TLS.
    pub async fn with(environment: &[(&str, &str)], tls: Option<&MutualTls>) -> Self {
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
        let mut replicas = Vec::new();
        for nth in 0..REPLICAS {
            replicas.push(Replica::start(nth, sandbox.address(), environment).await);
        }
        let addresses: Vec<_> = replicas.iter().map(|replica| replica.address).collect();
        let envoy = Envoy::before(&addresses, tls).await;
        Self { envoy, replicas, sandbox }
    }

    /// The requests that the platform has seen so far, of which it must not have forgotten one.
    pub fn seen(&self) -> Vec<SeenRequest> {
        let seen = self.sandbox.seen();
        assert!(seen.len() < MEMORY && self.sandbox.tasks().len() < MEMORY, "too much load for this platform");
        seen
    }

    /// How many tasks there are of each title.
    pub fn titles(&self) -> BTreeMap<String, usize> {
        let mut titles = BTreeMap::new();
        for task in self.sandbox.tasks() {
            *titles.entry(task.title).or_default() += 1;
        }
        titles
    }
}

impl Replica {
    async fn start(nth: usize, platform: SocketAddr, environment: &[(&str, &str)]) -> Self {
        let (gate, key) = (Gate::to(platform).await, format!("key-of-replica-{nth}"));
        let base_url = gate.base_url();
        let own = [
            ("XPANDER_BASE_URL", &*base_url),
            ("XPANDER_API_KEY", &*key),
            ("XPANDER_ORGANIZATION_ID", "org-1"),
            ("NO_PROXY", "*"),
        ];
        let all = own.iter().chain(environment);
        let environment = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
        let (child, address) = spawn(([127, 0, 0, 1], 0).into(), &environment).await;
        Self { address, key, gate, environment, child }
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

    /// Starts another process in the place of the one that has ended, on the same address.
    pub async fn replace(&mut self) {
        let (child, address) = spawn(self.address, &self.environment).await;
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// Whether the platform has this request from it.
    pub fn sent(&self, request: &SeenRequest) -> bool {
        request.header("x-api-key") == Some(&*self.key)
    }
}

/// A serving process and where it serves. Its log is read to the end, or it would wait for its reader one day.
async fn spawn(listen: SocketAddr, environment: &[(String, String)]) -> (Child, SocketAddr) {
    let listen = listen.to_string();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    let arguments = ["serve", "--listen", &listen, "--admin-listen", "127.0.0.1:0"];
    let mut child = binary(&arguments, &environment).spawn().expect("it runs");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = String::new();
    let address = within("the replica serves", async {
        while let Some(line) = log.next_line().await.expect("UTF-8") {
            match serde_json::from_str::<Value>(&line) {
                Ok(line) if line["message"] == "serving" => {
                    return line["grpc"].as_str().and_then(|address| address.parse().ok()).expect("an address");
                }
                _ => said = said + &line + "\n",
            }
        }
        panic!("the replica ended: {said}")
    })
    .await;
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    (child, address)
}
