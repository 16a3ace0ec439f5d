//! Creates that end early: where each one stands, and what ends it. Before its request is on its way it is called back:
//! nothing was created, and nothing is sent, also when the platform is there again.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, Request, Status};
use xpander_grpc_proxy::{
    config::Settings,
    proto::{GetTaskRequest, InvokeRequest, InvokeStreamRequest},
};

use crate::{
    load::metric,
    support::{
        calls::invoke,
        direct::Direct,
        gate::Gate,
        live::within,
        platform::{Platform, Reply, task},
        proxy::{Proxy, settings},
        secure::{SecurePlatform, Speaks},
        status::failure,
        time::SOME_TIME,
    },
};

/// Where a create stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Its agent is looked up.
    AtTheLookup,
    /// Nobody listens: it is between two attempts.
    BetweenAttempts,
    /// A connection is made and never comes about.
    AtTheConnection,
    /// The connection's TLS handshake is not answered.
    AtTheHandshake,
    /// The platform has it.
    OnItsWay,
}

const EVERYWHERE: [Stands; 5] =
    [Stands::AtTheLookup, Stands::BetweenAttempts, Stands::AtTheConnection, Stands::AtTheHandshake, Stands::OnItsWay];

/// What ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Deadline,
    /// The proxy's own limit for an attempt passes.
    Limit,
    Reset,
    Drain,
}

/// The ways to create.
#[derive(Clone, Copy, Debug)]
enum Way {
    Invoke,
    Stream,
    RequestId,
}

const WAYS: [Way; 3] = [Way::Invoke, Way::Stream, Way::RequestId];

type Call = JoinHandle<Result<(), Status>>;

/// A create that stands somewhere, and what is behind the proxy.
struct Standing {
    proxy: Proxy,
    direct: Direct,
    place: Place,
    call: Call,
}

/// What is behind the proxy.
enum Place {
    /// A platform that answers when it is told to.
    Held(Platform, Arc<Notify>),
    /// An address where a platform was; now nobody listens, or nobody accepts.
    Away(SocketAddr, Option<Full>),
    /// A platform behind a gate that is held.
    Gated(SecurePlatform, Gate),
}

/// A listener whose queue is full, so that no further connection comes about.
struct Full {
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

fn posts<'a>(paths: impl IntoIterator<Item = &'a String>) -> usize {
    paths.into_iter().filter(|path| path.starts_with("POST")).count()
}

/// A create of this kind, begun with this deadline.
fn begin(direct: &Direct, way: Way, deadline: Option<Duration>) -> Call {
    fn timed<M>(message: M, deadline: Option<Duration>) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        request
    }
    let mut client = direct.client();
    tokio::spawn(async move {
        match way {
            Way::Invoke => client.invoke(timed(invoke("agent-1"), deadline)).await.map(drop),
            Way::Stream => {
                let request = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
                client.invoke_stream(timed(request, deadline)).await.map(drop)
            }
            Way::RequestId => {
                let request = InvokeRequest { request_id: "once".into(), ..invoke("agent-1") };
                client.invoke(timed(request, deadline)).await.map(drop)
            }
        }
    })
}

/// Settings with which a create is tried as long as there is time.
fn patient(base_url: &str, end: End) -> Settings {
    let mut settings = settings(base_url);
    settings.platform.retries = 10;
    settings.platform.agent_cache_ttl = Duration::from_mins(1);
    settings.platform.connect_timeout = Duration::from_mins(1);
    if end == End::Limit {
        settings.platform.request_timeout = SOME_TIME;
    }
    // Where it is not the end itself, a drain waits for what is still under way.
    settings.server.drain_timeout = if end == End::Drain { Duration::from_millis(300) } else { Duration::from_mins(1) };
    settings
}

impl Standing {
    async fn start((proxy, place): (Proxy, Place), stands: Stands, end: End, way: Way) -> Self {
        let direct = Direct::connect(&proxy).await;
        let deadline = (end == End::Deadline).then_some(SOME_TIME);
        let call = begin(&direct, way, deadline);
        let standing = Self { proxy, direct, place, call };
        within(&format!("{stands:?}, {end:?}, {way:?}"), standing.is_there(stands)).await;
        standing
    }

    /// Waits until it stands there, or is over, where what is seen of it passes with it.
    async fn is_there(&self, stands: Stands) {
        loop {
            let is_there = match (&self.place, stands) {
                (Place::Held(platform, _), Stands::OnItsWay) => posts(&platform.paths()) > 0,
                (Place::Held(platform, _), _) => !platform.paths().is_empty(),
                (_, Stands::BetweenAttempts) => {
                    metric(&self.proxy.admin, "xpander_platform_retries_total", "POST").await != "0"
                }
                _ => {
                    let (calls, streams) = ("xpander_calls_active", "xpander_streams_active");
                    self.call.is_finished()
                        || metric(&self.proxy.admin, calls, "").await == "1"
                        || metric(&self.proxy.admin, streams, "").await == "1"
                }
            };
            if is_there {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the create; how its caller hears of it, if it is there to hear.
    async fn end(&mut self, end: End) -> Option<Status> {
        match end {
            End::Deadline | End::Limit => {}
            End::Drain => self.proxy.shut_down(),
            End::Reset => {
                self.call.abort();
                // On the same connection, so behind the news that the caller has left.
                self.direct.client().get_task(GetTaskRequest::default()).await.expect_err("refused");
                return None;
            }
        }
        Some(within("an answer", &mut self.call).await.expect("no panic").expect_err("ended"))
    }

    /// Has the platform there again, and waits until nothing is under way: how many creates it has got.
    async fn creates(self) -> usize {
        let Self { proxy, direct, place, call } = self;
        drop((direct, call));
        match place {
            Place::Held(platform, told) => {
                told.notify_one();
                proxy.over().await;
                posts(&platform.paths())
            }
            Place::Away(address, there) => {
                drop(there);
                let back = Platform::at(address, |_| Reply::json(200, &task("task-2", "pending"))).await;
                proxy.over().await;
                posts(&back.paths())
            }
            Place::Gated(platform, gate) => {
                gate.release();
                proxy.over().await;
                let seen = platform.seen.lock().expect("no panic");
                // But for the first one, with which the agent was looked up.
                posts(seen.iter().map(|(_, path)| path)) - 1
            }
        }
    }
}

/// What has a create stand there.
async fn before(stands: Stands, end: End) -> (Proxy, Place) {
    match stands {
        Stands::AtTheLookup => held("/agents/", end).await,
        Stands::OnItsWay => held("/agent-execution/", end).await,
        Stands::BetweenAttempts => away(end, false).await,
        Stands::AtTheConnection => away(end, true).await,
        Stands::AtTheHandshake => gated(end).await,
    }
}

/// Before a platform that does not answer what has this path.
async fn held(path: &'static str, end: End) -> (Proxy, Place) {
    let told = Arc::new(Notify::new());
    let its_told = Arc::clone(&told);
    let platform = Platform::start(move |request| {
        let reply = match request.path.starts_with("/agents/") {
            true => Reply::json(200, &json!({ "id": "agent-1", "organization_id": "org-1" })),
            false => Reply::json(200, &task("task-1", "pending")),
        };
        if request.path.starts_with(path) { Reply::After(Arc::clone(&its_told), Box::new(reply)) } else { reply }
    })
    .await;
    (Proxy::with(&patient(&platform.base_url(), end)).await, Place::Held(platform, told))
}

/// Before a platform that has gone, whose agent is known: nobody listens, or connections are not accepted.
async fn away(end: End, is_full: bool) -> (Proxy, Place) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let proxy = Proxy::with(&patient(&platform.base_url(), end)).await;
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    let address = platform.vanish().await;
    let there = if is_full { Some(Full::at(address).await) } else { None };
    (proxy, Place::Away(address, there))
}

impl Full {
    async fn at(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(address).expect("free again");
        let (listener, mut queue) = (socket.listen(1).expect("bound"), Vec::new());
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(stream);
        }
        Self { _listener: listener, _queue: queue }
    }
}

/// Before a platform whose agent is known, and which answers nothing more, no TLS handshake either.
async fn gated(end: End) -> (Proxy, Place) {
    let platform = SecurePlatform::start(Speaks::Tls(&[b"http/1.1"]), "localhost").await;
    let port = platform.base_url.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let here = Ipv4Addr::LOCALHOST;
    let gate = Gate::new(here.into(), (here, port).into()).await;
    let mut settings = patient(&gate.base_url().replace("http://127.0.0.1", "https://localhost"), end);
    settings.platform.ca_file = Some(platform.ca_file.clone());
    // Each request gets a connection of its own.
    settings.platform.pool_idle_timeout = Duration::ZERO;
    let proxy = Proxy::with(&settings).await;
    proxy.client().invoke(invoke("agent-1")).await.expect("created");
    gate.hold();
    (proxy, Place::Gated(platform, gate))
}

/// Every place, every end and every way to create; with the outcome that its caller hears, and what the platform gets.
#[tokio::test]
async fn a_create_that_ends_before_it_is_on_its_way_created_nothing_and_is_never_sent() {
    for end in [End::Deadline, End::Limit, End::Reset, End::Drain] {
        // Between attempts no attempt is under way.
        let places = EVERYWHERE.iter().filter(|stands| (end, **stands) != (End::Limit, Stands::BetweenAttempts));
        let mut creates = Vec::new();
        for (stands, way) in places.flat_map(|stands| WAYS.map(|way| (*stands, way))) {
            // One after the other: what goes before a create is not to take longer than its limit.
            creates.push(Box::pin(ends(before(stands, end).await, stands, end, way)));
        }
        join_all(creates).await;
    }
}

async fn ends(before: (Proxy, Place), stands: Stands, end: End, way: Way) {
    let row = format!("{stands:?}, {end:?}, {way:?}");
    let mut standing = Standing::start(before, stands, end, way).await;
    let is_on_its_way = stands == Stands::OnItsWay;
    if let Some(status) = standing.end(end).await {
        let failure = failure(Err::<(), _>(status));
        let code = match end {
            End::Drain if is_on_its_way => Code::Unknown,
            End::Drain => Code::Unavailable,
            _ => Code::DeadlineExceeded,
        };
        let outcome = if is_on_its_way { "unknown" } else { "not_created" };
        assert_eq!((failure.code, &*failure.facts["outcome"]), (code, outcome), "{row}: {failure:?}");
        assert_eq!(failure.reason == "CREATE_OUTCOME_UNKNOWN", is_on_its_way, "{row}");
        assert_eq!(failure.pushback.as_deref() == Some("-1"), is_on_its_way, "{row}");
    }
    assert_eq!(standing.creates().await, usize::from(is_on_its_way), "{row}");
}
