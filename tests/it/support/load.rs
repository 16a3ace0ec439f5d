//! Callers that go on calling, one call at a time each, and write down what became of each call.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest, WaitTaskRequest};

use super::{calls::invoke, envoy::Envoy, live::within, proxy::Client};

/// The rest between two calls of a caller, so that a platform of limited memory remembers all of them.
const REST: Duration = Duration::from_millis(8);

/// The deadline of each call: a call whose answer got lost would end by it, and not sooner.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// What became of the calls.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many calls each caller has behind it.
    pub done: BTreeMap<usize, usize>,
    /// The creates that were answered: title and task id.
    pub created: BTreeMap<String, String>,
    /// Those that failed, by title.
    pub create_failures: BTreeMap<String, Failed>,
    pub reads: usize,
    pub read_failures: Vec<Status>,
    /// The longest that a call took.
    pub slowest_read: Duration,
    pub slowest_create: Duration,
}

/// A create that failed.
#[derive(Debug)]
pub struct Failed {
    pub caller: usize,
    pub begun: Instant,
    pub status: Status,
}

/// The callers; they stop when they are told, or when this is dropped.
pub struct Load {
    ledger: watch::Sender<Ledger>,
    over: CancellationToken,
    callers: JoinSet<()>,
}

impl Load {
    /// So many callers that read the task of this id, and so many that create tasks, each with a connection of its own.
    pub fn start(envoy: &Envoy, readers: usize, creators: usize, task_id: &str) -> Self {
        let (ledger, over, mut callers) = (watch::Sender::default(), CancellationToken::new(), JoinSet::new());
        for nth in 0..readers + creators {
            let caller = Caller { nth, client: envoy.client(), ledger: ledger.clone(), over: over.clone() };
            if nth < readers {
                callers.spawn(caller.read(task_id.to_owned()));
            } else {
                callers.spawn(caller.create());
            }
        }
        let load = Self { ledger, over, callers };
        load.ledger.send_modify(|ledger| ledger.done = (0..readers + creators).map(|nth| (nth, 0)).collect());
        load
    }

    /// Waits until each caller has got so many more calls behind it.
    pub async fn until_each_has_done(&self, more: usize) {
        let begun = self.ledger.borrow().done.clone();
        let mut ledger = self.ledger.subscribe();
        let goes_on = ledger.wait_for(|ledger| ledger.done.iter().all(|(nth, done)| *done >= begun[nth] + more));
        within("so many more calls of each caller", goes_on).await.expect("the load goes on");
    }

    /// Ends it after the calls that are under way.
    pub async fn stop(mut self) -> Ledger {
        self.over.cancel();
        within("the callers' ends", async {
            while let Some(ended) = self.callers.join_next().await {
                ended.expect("no panic");
            }
        })
        .await;
        self.ledger.send_replace(Ledger::default())
    }
}

impl Ledger {
    /// Asserts that no call failed at all.
    pub fn is_without_failure(&self) {
        assert!(self.read_failures.is_empty(), "{:?}", self.read_failures);
        assert!(self.create_failures.is_empty(), "{:?}", self.create_failures);
    }
}

struct Caller {
    nth: usize,
    client: Client,
    ledger: watch::Sender<Ledger>,
    over: CancellationToken,
}

impl Caller {
    /// Every second read waits for a task that is over already.
    async fn read(mut self, id: String) {
        for count in 0.. {
            let begun = Instant::now();
            let answer = if count % 2 == 0 {
                let request = in_time(GetTaskRequest { task_id: id.clone() });
                within("an answer", self.client.get_task(request)).await.map(|answer| answer.into_inner().task)
            } else {
                let request = in_time(WaitTaskRequest { task_id: id.clone(), timeout: None });
                within("an answer", self.client.wait_task(request)).await.map(|answer| answer.into_inner().task)
            };
            let goes_on = self
                .note(|ledger| {
                    ledger.reads += 1;
                    ledger.slowest_read = ledger.slowest_read.max(begun.elapsed());
                    match answer {
                        Ok(task) => assert_eq!(task.expect("a task").id, id),
                        Err(status) => ledger.read_failures.push(status),
                    }
                })
                .await;
            if !goes_on {
                return;
            }
        }
    }

    async fn create(mut self) {
        for count in 0.. {
            let title = format!("{}-{count}", self.nth);
            let (request, begun) = (in_time(titled("echo", "hi", &title)), Instant::now());
            let answer = within("an answer", self.client.invoke(request)).await;
            let caller = self.nth;
            let goes_on = self
                .note(|ledger| {
                    ledger.slowest_create = ledger.slowest_create.max(begun.elapsed());
                    match answer {
                        Ok(answer) => {
                            let task = answer.into_inner().task.expect("a task");
                            ledger.created.insert(title, task.id);
                        }
                        Err(status) => {
                            ledger.create_failures.insert(title, Failed { caller, begun, status });
                        }
                    }
                })
                .await;
            if !goes_on {
                return;
            }
        }
    }

    /// Writes down what became of a call; whether there is another one.
    async fn note(&self, write: impl FnOnce(&mut Ledger)) -> bool {
        self.ledger.send_modify(|ledger| {
            write(ledger);
            *ledger.done.entry(self.nth).or_default() += 1;
        });
        self.over.run_until_cancelled(sleep(REST)).await.is_some()
    }
}

/// A request with the deadline.
fn in_time<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

/// An invocation that is found again by its title.
pub fn titled(agent: &str, prompt: &str, title: &str) -> InvokeRequest {
    InvokeRequest { prompt: prompt.to_owned(), title: Some(title.to_owned()), ..invoke(agent) }
}
