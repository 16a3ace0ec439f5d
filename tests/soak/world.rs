//! The whole: a sandbox that fails, a proxy with a runtime of its own, the callers, and the end of all of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use sha2::{Digest as _, Sha256};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, interval, sleep, timeout},
};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use xpander_grpc_proxy::{
    config::{Settings, TokenHash},
    proto::{
        GetTaskRequest, InvokeStreamRequest, StopTaskRequest, StreamEventsRequest, WaitTaskRequest,
        agent_service_client::AgentServiceClient, invoke_stream_response::Item,
    },
    sandbox::Sandbox,
};

use super::{
    CALLERS_BY_NAME,
    direct::Direct,
    faults::Faults,
    jobs::Job,
    leaks::Held,
    ledger::{Claim, Ledger},
    proxy::{Proxy, settings},
    road::{Road, Way},
    scenes::{Client, Clients, Scene},
    transcript::Transcript,
};

/// How many connections there are of each kind.
const CONNECTIONS: usize = 4;
/// How long the last callers, and what is left behind them, may take.
const AFTERMATH: Duration = Duration::from_mins(1);
/// How many jobs are done when nothing fails any more.
const PLAIN_JOBS: u64 = 20;

/// The parts that callers need.
pub struct World {
    sandbox: Sandbox,
    proxy: Proxy,
    ledger: Arc<Ledger>,
    seed: u64,
}

impl World {
    /// Runs the soak to its end.
    pub fn soak(seed: u64, time: Duration) -> Arc<Ledger> {
        let (edge, town) = (runtime("proxy"), runtime("callers"));
        let ledger = town.block_on(async {
            let ledger = Arc::new(Ledger::default());
            let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
            let settings = impatient(&sandbox.base_url());
            let proxy = edge.spawn(async move { Proxy::with(&settings).await }).await.expect("no panic");
            // Everything that a proxy at rest spawns is spawned.
            sleep(Duration::from_millis(100)).await;
            let idle = Held::by(edge.handle());
            let world = Self { sandbox, proxy, ledger: Arc::clone(&ledger), seed };
            world.run(time, edge.handle(), idle).await;
            ledger
        });
        edge.shutdown_timeout(Duration::from_secs(1));
        ledger
    }

    async fn run(self, time: Duration, edge: &Handle, idle: Held) {
        let mut faults = Faults::new(self.seed, Arc::clone(&self.ledger));
        self.sandbox.choose_faults(move |route| faults.draw(route));
        let mut clients = Vec::new();
        for (caller, count) in CALLERS_BY_NAME {
            clients.push((Arc::new(self.clients(caller).await), count));
        }
        let checks = tokio::spawn(checks(self.proxy.channel(), Arc::clone(&self.ledger)));
        let callers = self.callers(&clients, time);
        if timeout(time + AFTERMATH, self.census_until(callers)).await.is_err() {
            self.ledger.wrong("the callers", "are not done");
        }
        self.sandbox.choose_faults(|_| None);
        if self.ledger.counted("limited greedy") == 0 {
            self.ledger.wrong("the greedy caller", "met no limit");
        }
        // What the platform asked for at last, it asked for a second.
        sleep(Duration::from_secs(2)).await;
        let modest = &clients[1].0.tonic[0];
        join_all((0..PLAIN_JOBS).map(|number| self.plain(number, modest))).await;
        if timeout(AFTERMATH, self.sandbox.until_open_streams(0)).await.is_err() {
            self.ledger.wrong("the sandbox", format!("{} streams are still open", self.sandbox.open_streams()));
        }
        checks.abort();
        drop(clients);
        if let Err(held) = idle.regained(edge, AFTERMATH).await {
            self.ledger.wrong("the proxy", format!("holds {held:?}, and held {idle:?} before its first call"));
        }
        self.census();
        self.ledger.balance();
        if timeout(AFTERMATH, self.proxy.over()).await.is_err() {
            self.ledger.wrong("the proxy", "does not drain");
        }
    }

    async fn clients(&self, caller: &'static str) -> Clients {
        let origin: http::Uri = self.proxy.grpc.parse().expect("a URL");
        let client = |way| AgentServiceClient::with_origin(Road { caller, way }, origin.clone());
        let mut clients = Clients { caller, tonic: Vec::new(), direct: Vec::new() };
        for _ in 0..CONNECTIONS {
            clients.tonic.push(client(Way::Tonic(self.proxy.channel())));
            clients.direct.push(client(Way::Direct(Direct::connect(&self.proxy).await)));
        }
        clients
    }

    /// The callers, each with job after job until the time is over.
    fn callers(&self, clients: &[(Arc<Clients>, usize)], time: Duration) -> impl Future<Output = ()> + use<> {
        let (number, end) = (Arc::new(AtomicU64::new(PLAIN_JOBS)), Instant::now() + time);
        let clients = clients.iter().flat_map(|(clients, count)| std::iter::repeat_n(clients, *count));
        let callers = clients.map(|clients| {
            let (clients, ledger) = (Arc::clone(clients), Arc::clone(&self.ledger));
            let (number, seed) = (Arc::clone(&number), self.seed);
            tokio::spawn(async move {
                while Instant::now() < end {
                    let number = number.fetch_add(1, Relaxed);
                    let scene = Scene::new(number, seed, Arc::clone(&clients), Arc::clone(&ledger));
                    scene.play().await;
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        async {
            for caller in callers {
                caller.await.expect("no panic");
            }
        }
    }

    /// Notes the tasks there are until the callers are done: the sandbox forgets the oldest of very many.
    async fn census_until(&self, callers: impl Future<Output = ()>) {
        let mut seconds = interval(Duration::from_secs(1));
        let mut callers = std::pin::pin!(callers);
        loop {
            tokio::select! {
                () = &mut callers => return,
                _ = seconds.tick() => self.census(),
            }
        }
    }

    fn census(&self) {
        for task in self.sandbox.tasks() {
            self.ledger.task(task.title, task.id);
        }
    }

    /// All six calls, none of which may fail.
    async fn plain(&self, number: u64, client: &Client) {
        let job = Job::random(number, &mut fastrand::Rng::with_seed(number));
        for call in [self.invoke(&job, client.clone()).await, self.invoke_stream(&job, client.clone()).await] {
            call.unwrap_or_else(|wrong| self.ledger.wrong(&job.marker, format!("without faults: {wrong}")));
        }
    }

    async fn invoke(&self, job: &Job, mut client: Client) -> Result<(), String> {
        let task = client
            .invoke(job.request(true))
            .await
            .map_err(|status| in_words(&status))?
            .into_inner()
            .task
            .ok_or("no task")?;
        self.ledger.claim(&job.marker, Claim::Created(task.id.clone()));
        let follow = StreamEventsRequest { task_id: task.id.clone(), ..StreamEventsRequest::default() };
        let mut events = client.stream_events(follow).await.map_err(|status| in_words(&status))?.into_inner();
        let mut transcript = Transcript::new(job, task.id.clone());
        while let Some(message) = events.message().await.map_err(|status| in_words(&status))? {
            transcript.hear(&message.event.ok_or("no event")?)?;
        }
        if transcript.was_late {
            self.ledger.count("stream StreamEvents without faults found the task over");
        }
        if transcript.gaps > 0 || !transcript.is_over {
            return Err(format!("{} gaps, over: {}", transcript.gaps, transcript.is_over));
        }
        let task_id = task.id;
        client
            .wait_task(WaitTaskRequest { task_id: task_id.clone(), timeout: None })
            .await
            .map_err(|status| in_words(&status))?;
        client.get_task(GetTaskRequest { task_id: task_id.clone() }).await.map_err(|status| in_words(&status))?;
        client.stop_task(StopTaskRequest { task_id }).await.map_err(|status| in_words(&status))?;
        Ok(())
    }

    async fn invoke_stream(&self, job: &Job, mut client: Client) -> Result<(), String> {
        let mut job = job.clone();
        job.marker.push_str("-streamed");
        let message = InvokeStreamRequest { invocation: Some(job.request(true)), heartbeat: None };
        let mut stream = client.invoke_stream(message).await.map_err(|status| in_words(&status))?.into_inner();
        let mut transcript = None;
        while let Some(message) = stream.message().await.map_err(|status| in_words(&status))? {
            match (message.item.ok_or("an empty message")?, &mut transcript) {
                (Item::Task(task), None) => {
                    self.ledger.claim(&job.marker, Claim::Created(task.id.clone()));
                    transcript = Some(Transcript::new(&job, task.id));
                }
                (Item::Event(event), Some(transcript)) => transcript.hear(&event)?,
                _ => return Err("messages out of order".to_owned()),
            }
        }
        transcript
            .filter(|heard| heard.is_over && heard.gaps == 0)
            .map(drop)
            .ok_or("a stream without an end".to_owned())
    }
}

/// Asks all the time for what costs nothing, which tells how late this machine is.
async fn checks(channel: Channel, ledger: Arc<Ledger>) {
    let mut health = HealthClient::new(channel);
    loop {
        let began = Instant::now();
        if let Err(status) = health.check(HealthCheckRequest::default()).await {
            ledger.wrong("a health check", in_words(&status));
        }
        ledger.answered_in(began.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
}

fn in_words(status: &tonic::Status) -> String {
    format!("{status:?}")
}

fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build().expect("a runtime")
}

/// Settings that make the proxy try often and give up soon.
fn impatient(base_url: &str) -> Settings {
    let mut settings = settings(base_url);
    settings.platform.retries = 3;
    settings.platform.request_timeout = Duration::from_millis(1_500);
    settings.platform.agent_cache_ttl = Duration::from_millis(200);
    settings.platform.pool_idle_timeout = Duration::from_secs(1);
    settings.events.idle_timeout = Duration::from_millis(500);
    settings.events.reconnect_budget = Duration::from_secs(2);
    for (name, _) in CALLERS_BY_NAME {
        settings.auth.tokens.insert(name.to_owned(), vec![TokenHash(Sha256::digest(name).into())]);
    }
    settings.limits.creates_per_second = [("greedy".to_owned(), 20.0)].into();
    settings
}
