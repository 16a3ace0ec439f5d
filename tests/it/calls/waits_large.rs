//! Large tasks that many wait for: each gets the whole of it, and all of them together take no more than there is room for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Notify;
use tonic::{Code, Status};
use xpander_grpc_proxy::{
    config::Tasks,
    proto::{InvokeRequest, Task, TaskStatus, WaitTaskRequest},
};

use crate::{
    hostile::{MB, Process},
    load::{metric, until},
    support::{
        callers::{bearer, let_in},
        calls::invoke,
        live::within,
        platform::{Platform, Reply, task},
        proxy::{Proxy, settings},
        status::failure,
    },
};

const CALLERS: usize = 60;
const SIZE: usize = 2 * MB;
const ROOM: (&str, &str) = ("XPANDER_PROXY_SERVER__MAX_BUFFERED_BYTES", "4194304");

/// The task with this id and status, large.
fn large(id: &str, status: &str) -> Reply {
    let mut task = task(id, status);
    task["result"] = json!("x".repeat(SIZE));
    Reply::json(200, &task)
}

fn waiting(timeout: Option<i64>) -> WaitTaskRequest {
    let timeout = timeout.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
    WaitTaskRequest { task_id: "task-1".to_owned(), timeout }
}

async fn are_all_there(process: &Process, gauge: &str) {
    until("the calls", async || metric(process.admin(), gauge, "").await == CALLERS.to_string()).await;
}

/// That who is answered has all of it, and that the others were slow to read it, and gave way.
fn check(answers: Vec<Result<Task, Status>>) {
    let mut whole = 0;
    for answer in answers {
        match answer {
            Ok(task) => {
                assert_eq!(task.result().len(), SIZE);
                whole += 1;
            }
            Err(status) => {
                let failure = failure(Err::<(), _>(status));
                assert_eq!(failure.code, Code::ResourceExhausted, "{failure:?}");
            }
        }
    }
    assert!(whole > 0, "nobody is answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_one_large_task_take_no_more_than_there_is_room_for() {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let platform = Platform::start(move |request| match (request.path.contains("/well/"), over.load(Relaxed)) {
        (true, _) => Reply::json(200, &task("well", "executing")),
        (_, false) => Reply::json(200, &task("task-1", "executing")),
        (_, true) => large("task-1", "completed"),
    });
    let process = Process::with(platform.await, &[ROOM]).await;
    let waits = join_all((0..CALLERS).map(|_| async {
        let answer = process.client().wait_task(waiting(None)).await?;
        Ok(*answer.into_inner().task.expect("a task"))
    }));
    let end = async {
        are_all_there(&process, "xpander_waits_active").await;
        is_over.store(true, Relaxed);
    };
    let (answers, ()) = within("answers", async { tokio::join!(waits, end) }).await;
    check(answers);
    // Two at a time, each as JSON, as a task and as an answer, and what the allocator keeps of them; all would be 240 MB.
    assert!(process.peak() < 100 * MB, "{} MB", process.peak() / MB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_one_large_create_take_no_more_than_there_is_room_for() {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let platform = Platform::with_agents(move |request| match &*request.method {
        "POST" => Reply::After(Arc::clone(&told), Box::new(large("task-1", "pending"))),
        _ => Reply::json(200, &task("well", "executing")),
    });
    let process = Process::with(platform.await, &[ROOM]).await;
    let creates = join_all((0..CALLERS).map(|_| async {
        let request = InvokeRequest { request_id: "r-1".to_owned(), ..invoke("agent-1") };
        let answer = process.client().invoke(request).await?;
        Ok(*answer.into_inner().task.expect("a task"))
    }));
    let end = async {
        are_all_there(&process, "xpander_calls_active").await;
        go_on.notify_one();
    };
    let (answers, ()) = within("answers", async { tokio::join!(creates, end) }).await;
    check(answers);
    assert!(process.peak() < 100 * MB, "{} MB", process.peak() / MB);
}

/// Neither the read that finds whose the task is nor those of the waiting keep room; the state is told when the time is up.
#[tokio::test]
async fn waiting_for_a_large_task_takes_no_room() {
    let platform = Platform::with_agents(|_| large("task-1", "executing")).await;
    let mut settings = settings(&platform.base_url());
    let_in(&mut settings, &[("orders", "t-orders")]);
    settings.auth.agents = [("orders".to_owned(), ["agent-1".to_owned()].into())].into();
    settings.auth.tasks = Tasks::Agent;
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    let wait = tokio::spawn(async move { client.wait_task(bearer(waiting(None), "t-orders")).await });
    let reads = || platform.paths().iter().filter(|path| path.ends_with("/status")).count();
    until("a read for the right and two of the task", async || reads() > 2).await;
    until("no room", async || metric(&proxy.admin, "xpander_answers_size_bytes", "").await == "0").await;
    wait.abort();
    let mut client = proxy.client();
    let now = within("an answer", client.wait_task(bearer(waiting(Some(0)), "t-orders"))).await.expect("OK");
    let now = now.into_inner().task.expect("a task");
    assert_eq!((now.status(), now.result().len()), (TaskStatus::Executing, SIZE));
}
