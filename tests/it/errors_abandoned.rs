//! A caller that leaves while its create is under way does not abandon it.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tonic::{Code, Request};
use xpander_grpc_proxy::{
    config::Settings,
    proto::{GetTaskRequest, InvokeRequest},
};

use crate::support::{
    calls::invoke,
    direct::Direct,
    live::within,
    platform::{Platform, Reply, Seen, task},
    proxy::{Proxy, settings},
    status::failure,
    time::SOME_TIME,
};

/// A platform whose answers to some requests are held back, and a proxy before it.
struct HeldBack {
    platform: Platform,
    proxy: Proxy,
    release: Arc<Notify>,
    arrived: mpsc::UnboundedReceiver<String>,
}

impl HeldBack {
    /// Holds back what `is_held` picks.
    async fn start(is_held: fn(&Seen) -> bool, tune: impl FnOnce(&mut Settings)) -> Self {
        let release = Arc::new(Notify::new());
        let (arrive, arrived) = mpsc::unbounded_channel();
        let held = Arc::clone(&release);
        let platform = Platform::start(move |request| {
            arrive.send(format!("{} {}", request.method, request.path)).expect("the test runs");
            let reply = match request.path.strip_prefix("/agents/") {
                Some(id) => Reply::json(200, &json!({ "id": id })),
                None if request.method == "GET" => Reply::json(200, &task(request.task_id(), "pending")),
                None => Reply::json(200, &task("task-1", "pending")),
            };
            if is_held(request) { Reply::After(Arc::clone(&held), Box::new(reply)) } else { reply }
        })
        .await;
        let mut settings = settings(&platform.base_url());
        settings.server.drain_timeout = Duration::from_mins(1);
        tune(&mut settings);
        let proxy = Proxy::with(&settings).await;
        Self { platform, proxy, release, arrived }
    }

    async fn arrives(&mut self, request: &str) {
        let arrival = async { while self.arrived.recv().await.expect("the platform runs") != request {} };
        within(request, arrival).await;
    }

    /// Makes a call that leaves once `request` has arrived, and waits until the proxy has learnt of it.
    async fn leave_at(&mut self, invocation: InvokeRequest, request: &str) {
        let mut client = self.proxy.client();
        let mut leaving = client.clone();
        let call = tokio::spawn(async move { leaving.invoke(invocation).await });
        self.arrives(request).await;
        call.abort();
        assert!(call.await.expect_err("still under way").is_cancelled());
        // On the same connection, so behind the news that the caller has left.
        client.get_task(GetTaskRequest { task_id: "task-2".into() }).await.expect("a task");
    }
}

const CREATE: &str = "POST /agent-execution/agent-1";

fn is_create(request: &Seen) -> bool {
    request.method == "POST"
}

#[tokio::test]
async fn a_create_is_awaited_when_its_caller_leaves() {
    let mut held = HeldBack::start(is_create, |_| {}).await;
    held.leave_at(invoke("agent-1"), CREATE).await;
    held.proxy.shut_down();
    held.release.notify_one();
    held.proxy.over().await;
    assert_eq!(held.platform.hang_ups(), 0, "the answer was awaited");
    let paths = held.platform.paths();
    assert_eq!(paths.iter().filter(|path| *path == CREATE).count(), 1, "{paths:?}");
    assert!(!paths.iter().any(|path| path.starts_with("DELETE")), "{paths:?}");
}

#[tokio::test]
async fn an_abandoned_task_is_stopped_where_the_setting_asks_for_that() {
    let mut held = HeldBack::start(is_create, |settings| settings.agents.stop_abandoned = true).await;
    held.leave_at(invoke("agent-1"), CREATE).await;
    held.release.notify_one();
    held.arrives("DELETE /agent-execution/task-1").await;
}

#[tokio::test]
async fn a_task_is_stopped_too_when_its_callers_deadline_passed() {
    let mut held = HeldBack::start(is_create, |settings| settings.agents.stop_abandoned = true).await;
    let mut request = Request::new(invoke("agent-1"));
    request.set_timeout(SOME_TIME);
    let failure = failure(Direct::connect(&held.proxy).await.client().invoke(request).await);
    assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::DeadlineExceeded, "unknown"));
    held.release.notify_one();
    held.arrives("DELETE /agent-execution/task-1").await;
}

#[tokio::test]
async fn a_task_that_reached_its_caller_is_not_stopped() {
    let mut held = HeldBack::start(|_| false, |settings| settings.agents.stop_abandoned = true).await;
    held.proxy.client().invoke(invoke("agent-1")).await.expect("created");
    held.proxy.shut_down();
    held.proxy.over().await;
    assert_eq!(held.platform.paths(), ["GET /agents/agent-1", CREATE]);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_create_creates_nothing() {
    let mut held = HeldBack::start(is_lookup, |_| {}).await;
    held.leave_at(invoke("agent-1"), "GET /agents/agent-1").await;
    held.release.notify_one();
    held.proxy.shut_down();
    held.proxy.over().await;
    assert!(!held.platform.paths().contains(&CREATE.to_owned()), "{:?}", held.platform.paths());
}

#[tokio::test]
async fn a_create_with_a_request_id_waits_for_the_caller_who_comes_back() {
    let mut held = HeldBack::start(is_create, |_| {}).await;
    let request = InvokeRequest { request_id: "once".into(), ..invoke("agent-1") };
    held.leave_at(request.clone(), CREATE).await;
    held.release.notify_one();
    let task = held.proxy.client().invoke(request).await.expect("the first one's").into_inner().task;
    assert_eq!(task.expect("a task").id, "task-1");
    assert_eq!(held.platform.paths().iter().filter(|path| *path == CREATE).count(), 1);
}

fn is_lookup(request: &Seen) -> bool {
    request.path.starts_with("/agents/")
}

fn named(prompt: &str) -> InvokeRequest {
    InvokeRequest { request_id: "once".into(), prompt: prompt.into(), ..invoke("agent-1") }
}

#[tokio::test]
async fn one_of_two_callers_under_a_name_leaves_and_the_other_gets_the_task() {
    let mut held = HeldBack::start(is_lookup, |_| {}).await;
    let mut client = held.proxy.client();
    let stays = tokio::spawn(async move { client.invoke(named("hi")).await });
    held.arrives("GET /agents/agent-1").await;
    let mut leaves = Request::new(named("hi"));
    leaves.set_timeout(SOME_TIME);
    let failure = failure(Direct::connect(&held.proxy).await.client().invoke(leaves).await);
    // It goes on for the other one, who waits.
    assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::DeadlineExceeded, "unknown"));
    held.release.notify_one();
    let task = stays.await.expect("no panic").expect("created").into_inner().task;
    assert_eq!(task.expect("a task").id, "task-1");
    assert_eq!(held.platform.paths(), ["GET /agents/agent-1", CREATE]);
}

#[tokio::test]
async fn the_last_caller_that_leaves_before_the_create_is_on_its_way_frees_its_name() {
    let mut held = HeldBack::start(is_lookup, |_| {}).await;
    for _ in 0..2 {
        held.leave_at(named("hi"), "GET /agents/agent-1").await;
    }
    let mut client = held.proxy.client();
    // Also for other content: nothing was done under this name.
    let call = tokio::spawn(async move { client.invoke(named("ho")).await });
    held.arrives("GET /agents/agent-1").await;
    held.release.notify_waiters();
    call.await.expect("no panic").expect("created");
    assert_eq!(held.platform.paths().iter().filter(|path| *path == CREATE).count(), 1);
}
