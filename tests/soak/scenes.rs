//! What callers do, by lot: invoke, follow, wait, read, stop, ask twice, leave and come back.

mod streams;

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::future::{join, join_all};
use tokio::time::sleep;
use tonic::Code;
use xpander_grpc_proxy::proto::{
    GetTaskRequest, InvokeRequest, StopTaskRequest, Task, WaitTaskRequest, agent_service_client::AgentServiceClient,
};

use super::{
    calls::{Desk, Ended, Failure, Limits},
    jobs::{Job, is_over},
    ledger::{Claim, Ledger},
    road::Road,
    transcript::Transcript,
};

pub type Client = AgentServiceClient<Road>;

/// The connections of one caller, which all that it does share.
pub struct Clients {
    pub caller: &'static str,
    pub tonic: Vec<Client>,
    pub direct: Vec<Client>,
}

/// A caller with one job.
pub struct Scene {
    job: Job,
    desk: Desk,
    clients: Arc<Clients>,
    rng: Rng,
}

impl Scene {
    pub fn new(number: u64, seed: u64, clients: Arc<Clients>, ledger: Arc<Ledger>) -> Self {
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let job = Job::random(number, &mut rng);
        let desk = Desk { marker: job.marker.clone(), caller: clients.caller, ledger };
        Self { job, desk, clients, rng }
    }

    /// Does the job, somehow.
    pub async fn play(mut self) {
        match self.rng.u32(..10) {
            0..4 => Box::pin(self.invoke_stream()).await,
            4..7 => Box::pin(self.invoke_and_follow()).await,
            7 | 8 => Box::pin(self.invoke_and_wait()).await,
            _ => Box::pin(self.ask_twice()).await,
        }
    }

    /// One that keeps no deadlines itself where there is one: the proxy's answer is what counts.
    fn client(&mut self, limits: Limits) -> Client {
        let clients = if limits.deadline.is_some() { &self.clients.direct } else { &self.clients.tonic };
        let client = self.rng.usize(..clients.len());
        clients[client].clone()
    }

    fn limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        let time = Duration::from_millis(self.rng.u64(1..1_500));
        match self.rng.u32(..20) {
            0 | 1 => limits.deadline = Some(time),
            2 => limits.leaves = Some(time / 4),
            _ => {}
        }
        limits
    }

    async fn invoke_and_follow(&mut self) {
        let Some(task) = self.invoke(true).await else { return };
        let late = if self.rng.bool() { 0 } else { self.rng.u64(..1_000) };
        sleep(Duration::from_millis(late)).await;
        let job = self.job.clone();
        let mut transcript = Transcript::new(&job, task.id.clone());
        let stops = self.rng.u32(..8) == 0;
        let (mut client, desk, after) =
            (self.client(Limits::default()), self.desk.clone(), Duration::from_millis(self.rng.u64(..400)));
        let stop = async {
            if stops {
                sleep(after).await;
                stop(&desk, &mut client, &task.id, Limits::default()).await;
            }
        };
        join(self.resume(&mut transcript), stop).await;
        self.desk.ledger.add("gaps", transcript.gaps);
    }

    async fn invoke_and_wait(&mut self) {
        let is_streamed = self.rng.bool();
        let Some(task) = self.invoke(is_streamed).await else { return };
        let stops = self.rng.u32(..3) == 0;
        let mut waits = Vec::new();
        for _ in 0..self.rng.u32(1..4) {
            let (limits, id) = (self.limits(), task.id.clone());
            let mut client = self.client(limits);
            let (desk, job) = (self.desk.clone(), self.job.clone());
            let patience = self.rng.bool().then(|| i32::try_from(self.rng.u32(1..900)).unwrap_or_default() * 1_000_000);
            waits.push(async move {
                let timeout = patience.map(|nanos| prost_types::Duration { seconds: 0, nanos });
                let request = limits.request(WaitTaskRequest { task_id: id.clone(), timeout });
                let ended = desk.call("WaitTask", limits, client.wait_task(request)).await;
                let is_patient = patience.is_none() && limits.deadline.is_none();
                judge(&desk, &job, &id, "WaitTask", is_patient, ended, |answer| answer.task.map(|task| *task));
            });
        }
        let (desk, limits, job) = (self.desk.clone(), self.limits(), self.job.clone());
        let mut client = self.client(limits);
        let meanwhile = async {
            if stops {
                stop(&desk, &mut client, &task.id, limits).await;
            }
            let request = limits.request(GetTaskRequest { task_id: task.id.clone() });
            let ended = desk.call("GetTask", limits, client.get_task(request)).await;
            judge(&desk, &job, &task.id, "GetTask", false, ended, |answer| answer.task.map(|task| *task));
        };
        join(join_all(waits), meanwhile).await;
    }

    /// Two at once with one request id, and a third one later.
    async fn ask_twice(&mut self) {
        let request = InvokeRequest { request_id: self.job.marker.clone(), ..self.job.request(false) };
        let [first, second] = [self.limits(), self.limits()];
        let (mut one, mut other) = (self.client(first), self.client(second));
        let calls = join(
            self.desk.call("Invoke twice", first, one.invoke(first.request(request.clone()))),
            self.desk.call("Invoke twice", second, other.invoke(second.request(request.clone()))),
        );
        let (first, second) = Box::pin(calls).await;
        let known = self
            .known(first.map(|answer| answer.task.map(|task| *task)))
            .or(self.known(second.map(|answer| answer.task.map(|task| *task))));
        let limits = Limits::default();
        let mut client = self.client(limits);
        let third = self.desk.call("Invoke again", limits, client.invoke(limits.request(request))).await;
        // A caller at its limit hears so for a repeat, too.
        let is_limited = matches!(&third, Ended::Failed(failure) if failure.reason == "CALLER_LIMITED");
        match (known, self.known(third.map(|answer| answer.task.map(|task| *task)))) {
            (Some(known), Some(again)) if known != again => {
                self.desk.wrong(format!("two tasks for one request id: {known} and {again}"));
            }
            (Some(known), None) if !is_limited => {
                self.desk.wrong(format!("the task {known} of the request id is forgotten"));
            }
            _ => {}
        }
    }

    /// Invokes; once more where no task was created.
    async fn invoke(&mut self, events_streaming: bool) -> Option<Task> {
        for _ in 0..2 {
            let limits = self.limits();
            let mut client = self.client(limits);
            let request = limits.request(self.job.request(events_streaming));
            let ended = self.desk.call("Invoke", limits, client.invoke(request)).await;
            let is_retryable = matches!(&ended, Ended::Failed(failure) if failure.fact("outcome") == "not_created");
            let task = self.claimed(ended.map(|answer| answer.task.map(|task| *task)));
            if task.is_some() || !is_retryable {
                return task;
            }
        }
        None
    }

    /// The id of the task that a call with a request id has told: a repeat reads it, which may fail, and tells it all the same.
    fn known(&self, ended: Ended<Option<Task>>) -> Option<String> {
        let told = match &ended {
            Ended::Failed(failure) if failure.fact("outcome") == "created" => Some(failure.fact("task_id").to_owned()),
            _ => None,
        };
        self.claimed(ended).map(|task| task.id).or(told)
    }

    /// Notes what a call that creates has brought.
    fn claimed(&self, ended: Ended<Option<Task>>) -> Option<Task> {
        match ended {
            Ended::Answer(Some(task)) => {
                self.created(&task);
                return Some(task);
            }
            Ended::Answer(None) => self.desk.wrong("an answer without a task"),
            Ended::Failed(failure) => self.not_created("Invoke", &failure),
            Ended::Left => self.desk.ledger.claim(&self.job.marker, Claim::Left),
        }
        None
    }

    fn created(&self, task: &Task) {
        self.desk.ledger.claim(&self.job.marker, created(&task.id));
        if let Some(misfit) = self.job.misfit(task) {
            self.desk.wrong(format!("created {misfit}"));
        }
    }

    fn not_created(&self, name: &str, failure: &Failure) {
        let claim = match failure.fact("outcome") {
            "unknown" => Claim::Unknown,
            "not_created" => Claim::NotCreated,
            "created" => created(failure.fact("task_id")),
            _ => return self.desk.wrong(format!("{name} failed without an outcome: {failure:?}")),
        };
        let is_unknown = claim == Claim::Unknown;
        if is_unknown && (failure.code == Code::Unavailable || !failure.is_pushed_back) {
            self.desk.wrong(format!("{name} failed so that clients try again: {failure:?}"));
        }
        self.desk.ledger.claim(&self.job.marker, claim);
    }
}

fn created(id: &str) -> Claim {
    Claim::Created(id.to_owned())
}

async fn stop(desk: &Desk, client: &mut Client, id: &str, limits: Limits) {
    let request = limits.request(StopTaskRequest { task_id: id.to_owned() });
    if let Ended::Answer(answer) = desk.call("StopTask", limits, client.stop_task(request)).await
        && !answer.task.as_ref().is_some_and(|task| task.id == id && is_over(task))
    {
        desk.wrong(format!("StopTask of {id} answered {answer:?}"));
    }
}

/// Checks the answer of a call that brings a task.
fn judge<T>(
    desk: &Desk,
    job: &Job,
    id: &str,
    name: &str,
    must_be_over: bool,
    ended: Ended<T>,
    task: impl Fn(T) -> Option<Task>,
) {
    match ended.map(task) {
        Ended::Answer(Some(task)) => {
            if let Some(misfit) = job.misfit(&task) {
                desk.wrong(format!("{name} brought {misfit}"));
            }
            if task.id != id || must_be_over && !is_over(&task) {
                desk.wrong(format!("{name} of {id} brought {} that is {:?}", task.id, task.status()));
            }
        }
        Ended::Answer(None) => desk.wrong(format!("{name} without a task")),
        Ended::Failed(failure) if !failure.is_of(id) => {
            desk.wrong(format!("{name} failed without its task: {failure:?}"));
        }
        Ended::Failed(_) | Ended::Left => {}
    }
}

impl<T> Ended<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Ended<U> {
        match self {
            Self::Answer(answer) => Ended::Answer(change(answer)),
            Self::Failed(failure) => Ended::Failed(failure),
            Self::Left => Ended::Left,
        }
    }
}
