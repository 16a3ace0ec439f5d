//! Replicas of the real binary behind Envoy, before one embedded platform that knows them apart by their keys. They come
//! and go as pods do: each on a port of its own.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::time::sleep;
use xpander_grpc_proxy::sandbox::{Sandbox, SeenRequest};

use super::{
    envoy::{Envoy, Mesh},
    network::Network,
    replica::Replica,
};

const REPLICAS: usize = 3;
/// The replica that lives in a network of its own, where there is one.
pub const APART: usize = 1;
/// What the embedded platform remembers: of requests, and of tasks that are over.
const MEMORY: usize = 10_000;

/// All of it; ends when it is dropped.
pub struct Fleet {
    pub envoy: Envoy,
    pub replicas: Vec<Replica>,
    pub sandbox: Sandbox,
    environment: Vec<(String, String)>,
    /// How many replicas there have been.
    started: usize,
}

impl Fleet {
    /// Three replicas with this environment beside what they need.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        Self::with(environment, Mesh::default(), None).await
    }

    /// The same in a mesh that differs, and one of them in a network of its own.
    pub async fn with(environment: &[(&str, &str)], mesh: Mesh, apart: Option<&Network>) -> Self {
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
        let environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut replicas = Vec::new();
        for nth in 0..REPLICAS {
            let network = apart.filter(|_| nth == APART);
            replicas.push(Replica::start(nth, sandbox.address(), &environment, network).await);
        }
        let envoy = Envoy::before(&addresses(&replicas), &mesh).await;
        Self { envoy, replicas, sandbox, environment, started: REPLICAS }
    }

    /// Adds a replica, once Envoy knows it healthy.
    pub async fn grow(&mut self) -> &Replica {
        let replica = Replica::start(self.started, self.sandbox.address(), &self.environment, None).await;
        self.started += 1;
        self.replicas.push(replica);
        self.envoy.has(&addresses(&self.replicas));
        let replica = self.replicas.last().expect("pushed");
        self.envoy.until_healthy(replica.address).await;
        replica
    }

    /// Takes a replica away as Kubernetes does, which tells the mesh and the process independently of each other: either
    /// may hear of it late.
    pub async fn shrink(&mut self, nth: usize, late: Late) -> Replica {
        let mut replica = self.replicas.remove(nth);
        let addresses = addresses(&self.replicas);
        match late {
            Late::Replica(by) => {
                self.envoy.has(&addresses);
                sleep(by).await;
                replica.signal("TERM").await;
            }
            Late::Mesh(by) => {
                replica.signal("TERM").await;
                sleep(by).await;
                self.envoy.has(&addresses);
            }
        }
        assert_eq!(replica.ended().await, Some(0));
        self.envoy.until_unhealthy(replica.address).await;
        replica
    }

    /// The requests that the platform has seen so far, of which it must not have forgotten one.
    pub fn seen(&self) -> Vec<SeenRequest> {
        let seen = self.sandbox.seen();
        assert!(seen.len() < MEMORY && self.sandbox.tasks().len() < MEMORY, "too much load for this platform");
        seen
    }

    /// How many requests the platform has seen from a replica.
    pub fn sent(&self, replica: &Replica) -> usize {
        self.seen().iter().filter(|request| replica.sent(request)).count()
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

/// Who learns last that a replica is to go, and by how much.
#[derive(Clone, Copy, Debug)]
pub enum Late {
    Replica(Duration),
    Mesh(Duration),
}

fn addresses(replicas: &[Replica]) -> Vec<SocketAddr> {
    replicas.iter().map(|replica| replica.address).collect()
}
