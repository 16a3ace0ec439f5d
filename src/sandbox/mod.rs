//! The embedded platform: an HTTP server in this process that speaks the agent platform's REST and event-stream
//! contract, so that anyone can run the proxy without an account.
//!
//! It is not a mock of the proxy's client: it shares no type with it (only JSON values and types of its own), so that a
//! wrong wire struct cannot be wrong on both sides at once. The platform's official Python client is its judge
//! (`tests/clients/official`).
//!
//! # Routes
//!
//! | request | answer |
//! |---|---|
//! | `GET /agents/{id or name}` | the agent |
//! | `POST /agent-execution/{agent id}` | creates a task, or continues the one named by the body's `id` |
//! | `GET /agent-execution/{task id}/status` | the task |
//! | `DELETE /agent-execution/{task id}` | stops the task |
//! | `GET /agent-execution/{task id}/events` | its events, as server-sent events |
//! | `GET /agents/list` | the agents, but for `http-NNN` and `lookup-NNN` |
//! | `GET /agent-execution/executions/history/{agent id}` | the agent's tasks, oldest first, by the filters of the query |
//! | `GET /agent-execution/executions/history/user/{user id}` | a user's tasks |
//! | `GET /activity/{agent id}/{task id}` | what happened in the task, as far as the platform keeps it |
//!
//! Each also below `/{organization}` and `/agent-controller/{organization}`, since the roots differ by base URL. Any
//! `x-api-key` that is not empty is accepted. Creating takes an agent's id only, never its name: a client has to load
//! the agent first and use the id it is answered with.
//!
//! # Agents
//!
//! Each has the versions `1`, `2` and `3` (the current one), and is named like its id with `-agent` behind it.
//!
//! | id | what it does |
//! |---|---|
//! | `echo` | says the prompt word by word; with output format `json` and a schema, the result is JSON of that schema |
//! | `chat` | the same; a task of it that is continued gets a turn with an id of its own, whose `conversation_id` is the first one's |
//! | `tools` | plans, thinks, calls tools, delegates, logs in: every event type, and one unknown to this version, `quantum_leap` |
//! | `slow` | talks every 100 ms for 30 s, or for as many milliseconds as the prompt says |
//! | `human` | pauses until its task is continued or stopped; a prompt containing `auth` waits for a login instead |
//! | `fail` | ends as `failed`; with the prompt `error`, as `error` |
//! | `big` | a result of as many bytes as the prompt says (1 MiB unless told, at most 32 MiB), its last event trimmed |
//! | `burst` | as many events as the prompt says, without a pause (1,000 unless told, at most 100,000) |
//! | `http-NNN` | is loaded as any other, but creating a task is answered with status `NNN` (400 to 599) |
//! | `lookup-NNN` | loading it is answered with status `NNN` (400 to 599) |
//!
//! # Events
//!
//! A stream begins with `connected`, which has no id; the other events are numbered per task, also across its
//! continuations. A stream shows one turn of its task: from the turn's first event, or after `Last-Event-ID`, to its
//! `task_finished`. A pause does not end a turn.

mod agents;
mod http;
mod lock;
mod store;
mod tasks;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::http::faults::{Begin, End, Fault, FaultBody};
use self::http::platform::Platform;
pub use self::http::route::Route;
pub use self::http::seen::SeenRequest;

/// A running embedded platform. Dropping it stops the server, its connections and its tasks.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    platform: Arc<Platform>,
    _stop_on_drop: DropGuard,
}

impl Sandbox {
    /// Starts a platform that listens on `listen`; port 0 picks a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let platform = Arc::new(Platform::new(stop.clone()));
        let server = http::server::accept(listener, Arc::clone(&platform), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(server));
        Ok(Self { address, platform, _stop_on_drop: stop.drop_guard() })
    }

    /// The address listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to set as `XPANDER_BASE_URL`: the loopback address where the sandbox listens on every interface.
    #[must_use]
    pub fn base_url(&self) -> String {
        let host = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(host, self.address.port()))
    }

    /// The requests received so far, in order: the last 10,000, as long as their bodies fit into 64 MiB.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.platform.seen.all()
    }

    /// Lets one future request of `route` go wrong. Faults of one route are used up in the order they were armed.
    pub fn arm(&self, route: Route, fault: Fault) {
        self.platform.faults.arm(route, fault);
    }

    /// Lets requests for which nothing is armed go wrong as `choose` says for their route, each request anew. Replaces
    /// an earlier choice; `|_| None` ends it.
    pub fn choose_faults(&self, choose: impl FnMut(Route) -> Option<Fault> + Send + 'static) {
        self.platform.faults.choose(choose);
    }

    /// The tasks that were created, oldest first: the last 10,000 that are over, as long as they fit into 256 MiB.
    #[must_use]
    pub fn tasks(&self) -> Vec<KnownTask> {
        let known = |turn: &Arc<tasks::turn::Turn>| KnownTask {
            id: turn.subject().task.clone(),
            title: turn.attribute("title").as_str().unwrap_or_default().to_owned(),
        };
        self.platform.tasks.all().iter().map(known).collect()
    }

    /// How many event streams are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        *self.platform.open_streams.borrow()
    }

    /// Waits until exactly `count` event streams are open. For ever, when that never happens: callers bound it.
    pub async fn until_open_streams(&self, count: usize) {
        // The sender lives in `self`, so that the only error, a closed channel, cannot happen.
        let _ = self.platform.open_streams.subscribe().wait_for(|open| *open == count).await;
    }
}

/// A task there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTask {
    /// Its id.
    pub id: String,
    /// The title it was created with; empty without one.
    pub title: String,
}
