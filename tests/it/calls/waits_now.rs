//! `WaitTask` for a short time: the task as it is now, or the error that GetTask would give, whoever else waits for it.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tonic::{Code, Request};
use xpander_grpc_proxy::{
    config::{Mode, Settings},
    proto::{GetTaskRequest, TaskStatus, WaitTaskRequest},
};

use crate::support::{
    direct::Direct,
    folder::Folder,
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    status::failure,
};

fn waiting(timeout: Option<Duration>) -> WaitTaskRequest {
    WaitTaskRequest { task_id: "task-1".to_owned(), timeout: timeout.map(|time| time.try_into().expect("a duration")) }
}

/// A task that is read with this status, or as its number says where that is no 200.
struct World {
    platform: Platform,
    proxy: Proxy,
    status: Arc<Mutex<&'static str>>,
    http: Arc<AtomicU16>,
}

impl World {
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (status, http) = (Arc::new(Mutex::new("pending")), Arc::new(AtomicU16::new(200)));
        let (its_status, its_http) = (Arc::clone(&status), Arc::clone(&http));
        let platform = Platform::start(move |_| match its_http.load(Relaxed) {
            200 => Reply::json(200, &task("task-1", *its_status.lock().expect("no panic"))),
            429 => Reply::Http(429, vec![("retry-after", "20".to_owned())], b"{}".to_vec()),
            refused => Reply::json(refused, &json!({ "detail": "no" })),
        })
        .await;
        let mut settings = settings(&platform.base_url());
        settings.platform.retries = 0;
        change(&mut settings);
        let proxy = Proxy::with(&settings).await;
        Self { platform, proxy, status, http }
    }

    fn reads(&self) -> usize {
        self.platform.seen().len()
    }

    /// Somebody waits for the task, for long, and the pauses between reads have become long.
    async fn patient(&self) -> tokio::task::JoinHandle<()> {
        let mut client = self.proxy.client();
        let patient = tokio::spawn(async move { drop(client.wait_task(waiting(None)).await) });
        within("some reads", async {
            while self.reads() < 6 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        patient
    }
}

async fn status(client: &mut Client, timeout: Duration) -> TaskStatus {
    let answer = within("an answer", client.wait_task(waiting(Some(timeout)))).await.expect("OK");
    answer.into_inner().task.expect("a task").status()
}

#[tokio::test]
async fn it_is_told_as_it_is_now_though_somebody_else_waits() {
    let world = World::with(|_| {}).await;
    let patient = world.patient().await;
    for (now, expected) in [("executing", TaskStatus::Executing), ("pending", TaskStatus::Pending)] {
        for timeout in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(30)] {
            *world.status.lock().expect("no panic") = now;
            assert_eq!(status(&mut world.proxy.client(), timeout).await, expected, "{timeout:?}");
        }
    }
    patient.abort();
}

/// A failure that a patient waiter sits out is one that GetTask tells.
#[tokio::test]
async fn the_error_is_the_one_that_get_task_would_give() {
    for (refused, reason) in
        [(503, "PLATFORM_UNAVAILABLE"), (429, "PLATFORM_RATE_LIMITED"), (502, "PLATFORM_UNAVAILABLE")]
    {
        // Each of them asks the platform itself.
        let world = World::with(|settings| settings.limits.mode = Mode::Observe).await;
        let patient = world.patient().await;
        world.http.store(refused, Relaxed);
        let mut client = world.proxy.client();
        for timeout in [Duration::ZERO, Duration::from_millis(20)] {
            let told = failure(within("an answer", client.wait_task(waiting(Some(timeout)))).await);
            let get = failure(client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await);
            assert_eq!((told.code, &told.reason, &told.facts), (get.code, &get.reason, &get.facts), "{timeout:?}");
            assert_eq!(told.reason, reason);
        }
        world.http.store(200, Relaxed);
        assert_eq!(status(&mut client, Duration::ZERO).await, TaskStatus::Pending);
        patient.abort();
    }
}

/// Those who come at once share a read.
#[tokio::test]
async fn many_who_ask_at_once_cost_little_more_than_one() {
    let world = World::with(|_| {}).await;
    let patient = world.patient().await;
    let before = world.reads();
    let client = world.proxy.client();
    let asked = (0..50).map(|_| {
        let mut client = client.clone();
        async move { status(&mut client, Duration::ZERO).await }
    });
    join_all(asked).await;
    assert!(world.reads() - before <= 10, "{} reads", world.reads() - before);
    patient.abort();
}

#[tokio::test]
async fn a_deadline_ends_it_where_the_platform_says_nothing() {
    let asked = AtomicUsize::new(0);
    let platform = Platform::start(move |_| match asked.fetch_add(1, Relaxed) {
        0 => Reply::json(200, &task("task-1", "pending")),
        _ => Reply::Silence,
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut patient = proxy.client();
    let patient = tokio::spawn(async move { drop(patient.wait_task(waiting(None)).await) });
    within("the second read", async {
        while platform.seen().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut request = Request::new(waiting(Some(Duration::ZERO)));
    request.set_timeout(Duration::from_millis(300));
    let direct = Direct::connect(&proxy).await;
    assert_eq!(failure(direct.client().wait_task(request).await).code, Code::DeadlineExceeded);
    patient.abort();
}

#[tokio::test]
async fn a_waiter_goes_on_with_the_key_that_is_in_force() {
    let folder = Folder::new();
    let path = folder.write("key", "key-number-1\n");
    let world = World::with(|settings| settings.platform.api_key_file = Some(path.clone())).await;
    let patient = world.patient().await;
    fs::write(&path, "key-number-2\n").expect("written");
    within("the new key", async {
        while world.platform.seen().last().and_then(|request| request.header("x-api-key").map(str::to_owned)).as_deref()
            != Some("key-number-2")
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // One for all, under the new key too.
    let before = world.reads();
    assert_eq!(status(&mut world.proxy.client(), Duration::ZERO).await, TaskStatus::Pending);
    assert!(world.reads() - before <= 2, "{}", world.reads() - before);
    patient.abort();
}
