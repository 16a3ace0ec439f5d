//! A network of a process's own, tied to this machine's by a cable that can be made to swallow everything: what is sent
//! is lost, and neither side is told.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::{Command, id},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use super::envoy::tool;

const HERE: &str = "02:00:5e:00:00:01";
const INSIDE: &str = "02:00:5e:00:00:02";
/// Nobody's: what is sent there, the other end of the cable drops unread.
const NOWHERE: &str = "02:00:5e:00:00:03";

/// The network; gone when it is dropped.
pub struct Network {
    name: String,
    here: Ipv4Addr,
    inside: Ipv4Addr,
}

impl Network {
    /// A network namespace and a pair of virtual Ethernet devices. Needs root.
    pub fn new() -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let name = format!("xp{}-{count}", id());
        // Four addresses of the range that is kept for benchmarks of networks, a different four for each process.
        let nth = (id() * 4 + u32::from(count) % 4) % (1 << 15);
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + nth * 4;
        let network = Self { name, here: (first + 1).into(), inside: (first + 2).into() };
        network.lay();
        network
    }

    fn lay(&self) {
        let Self { name, here, inside } = self;
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name} address {HERE} type veth peer name cable address {INSIDE} netns {name}"));
        ip(&format!("addr add {here}/30 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {name} addr add {inside}/30 dev cable"));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set cable up"));
        self.mend();
    }

    /// From now on the cable swallows everything, both ways.
    pub fn cut(&self) {
        self.lead_to(NOWHERE, NOWHERE);
    }

    /// From now on the cable carries again.
    pub fn mend(&self) {
        self.lead_to(INSIDE, HERE);
    }

    fn lead_to(&self, inwards: &str, outwards: &str) {
        let Self { name, here, inside } = self;
        ip(&format!("neigh replace {inside} lladdr {inwards} dev {name} nud permanent"));
        ip(&format!("-n {name} neigh replace {here} lladdr {outwards} dev cable nud permanent"));
    }

    /// This machine's address, as it is seen from inside.
    pub fn here(&self) -> IpAddr {
        self.here.into()
    }

    /// The address of who is inside.
    pub fn inside(&self) -> IpAddr {
        self.inside.into()
    }

    /// What runs a program inside, which keeps its process.
    pub fn runner(&self) -> Vec<String> {
        let ip = tool("ip").to_str().expect("UTF-8").to_owned();
        vec![ip, "netns".to_owned(), "exec".to_owned(), self.name.clone()]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The cable goes with the namespace, and that one with the last process inside.
        let _ = Command::new(tool("ip")).args(["link", "del", &self.name]).output();
        let _ = Command::new(tool("ip")).args(["netns", "del", &self.name]).output();
    }
}

fn ip(arguments: &str) {
    let run = Command::new(tool("ip")).args(arguments.split(' ')).output().expect("ip runs");
    let why = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "this test needs root and a kernel with network namespaces: ip {arguments}: {why}");
}
