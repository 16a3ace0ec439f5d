//! `WaitTask`: until the task is over or waits for a person, or the time is up; fifty waiters cost no more than one.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::{Task, TaskStatus, WaitTaskRequest};

use crate::support::{
    live::within,
    sandbox::{Caller, World},
    status::failure,
};

fn waiting(task: &Task, timeout: Option<Duration>) -> WaitTaskRequest {
    let timeout = timeout.map(|timeout| timeout.try_into().expect("a duration"));
    WaitTaskRequest { task_id: task.id.clone(), timeout }
}

async fn wait(caller: &mut Caller, request: Request<WaitTaskRequest>) -> Task {
    let answer = within("an answer", caller.0.wait_task(request)).await;
    *answer.expect("OK").into_inner().task.expect("a task")
}

#[tokio::test]
async fn it_returns_at_each_terminal_status() {
    let world = World::start().await;
    let mut caller = world.client();
    for (agent, prompt, status) in [
        ("echo", "hi", TaskStatus::Completed),
        ("fail", "hi", TaskStatus::Failed),
        ("fail", "error", TaskStatus::Error),
        ("slow", "300", TaskStatus::Completed),
    ] {
        let task = caller.ask(agent, prompt).await;
        assert_eq!(caller.wait(&task.id).await.status(), status, "{agent} {prompt}");
    }
    let task = caller.ask("slow", "60000").await;
    let mut stopper = caller.clone();
    let (waited, _) = tokio::join!(caller.wait(&task.id), stopper.stop(&task.id));
    assert_eq!(waited.status(), TaskStatus::Stopped);
}

#[tokio::test]
async fn it_returns_when_the_task_waits_for_a_person() {
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("human", "please").await;
    let paused = caller.wait(&task.id).await;
    assert!(paused.status() == TaskStatus::Paused && paused.hitl_request.is_some());
    let task = caller.ask("human", "auth").await;
    let paused = caller.wait(&task.id).await;
    assert!(paused.status() == TaskStatus::Paused && paused.pending_eca_request.is_some());
}

#[tokio::test]
async fn its_timeout_gives_the_latest_state() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("slow", "60000").await;
    let begun = Instant::now();
    let latest = wait(&mut caller, Request::new(waiting(&task, Some(TIMEOUT)))).await;
    assert_eq!(latest.status(), TaskStatus::Executing);
    assert!(begun.elapsed() >= TIMEOUT && begun.elapsed() < 4 * TIMEOUT, "{:?}", begun.elapsed());
    // No time at all: the state as it is.
    let now = wait(&mut caller, Request::new(waiting(&task, Some(Duration::ZERO)))).await;
    assert_eq!(now.status(), TaskStatus::Executing);
}

#[tokio::test]
async fn a_deadline_shorter_than_the_timeout_still_brings_the_latest_state() {
    const DEADLINE: Duration = Duration::from_millis(1_500);
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("slow", "60000").await;
    for timeout in [None, Some(Duration::from_mins(1))] {
        let mut late = 0;
        // A busy machine may be late by itself, but not every time.
        let state = loop {
            let mut request = Request::new(waiting(&task, timeout));
            request.set_timeout(DEADLINE);
            let begun = Instant::now();
            match within("an answer", caller.0.wait_task(request)).await {
                Ok(answer) => {
                    assert!(begun.elapsed() > DEADLINE / 2, "{:?}", begun.elapsed());
                    break answer.into_inner().task.expect("a task").status();
                }
                Err(_) => late += 1,
            }
            assert!(late < 4, "it is late each time");
        };
        assert_eq!(state, TaskStatus::Executing);
    }
}

#[tokio::test]
async fn fifty_waiters_cost_the_reads_of_one() {
    let world = World::start().await;
    let mut caller = world.client();
    let reads = |task: &Task| world.seen("GET", &format!("/agent-execution/{}", task.id)).len();
    let alone = caller.ask("slow", "1500").await;
    caller.wait(&alone.id).await;
    let shared = caller.ask("slow", "1500").await;
    let waits = (0..50).map(|_| {
        let (mut caller, id) = (caller.clone(), shared.id.clone());
        async move { caller.wait(&id).await }
    });
    let waited = join_all(waits).await;
    assert!(waited.iter().all(|task| task.status() == TaskStatus::Completed && task == &waited[0]));
    assert!(reads(&shared) <= reads(&alone) + 2, "{} for fifty, {} for one", reads(&shared), reads(&alone));
    assert!(reads(&alone) > 2, "it is asked more than once");
}

#[tokio::test]
async fn a_waiter_that_leaves_does_not_take_the_others_along() {
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("slow", "1000").await;
    let mut hasty = Request::new(waiting(&task, None));
    hasty.set_timeout(Duration::from_millis(200));
    let mut other = caller.clone();
    let (latest, done) = tokio::join!(wait(&mut other, hasty), caller.wait(&task.id));
    assert_eq!((latest.status(), done.status()), (TaskStatus::Executing, TaskStatus::Completed));
}

#[tokio::test]
async fn nobody_waiting_costs_nothing() {
    let world = World::start().await;
    let mut caller = world.client();
    let task = caller.ask("slow", "60000").await;
    wait(&mut caller, Request::new(waiting(&task, Some(Duration::from_millis(300))))).await;
    let reads = || world.seen("GET", &format!("/agent-execution/{}", task.id)).len();
    // One more read may be on its way; after the longest pause there must not be another.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let before = reads();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(reads(), before);
}

#[tokio::test]
async fn a_task_that_is_unknown_is_not_waited_for() {
    let world = World::start().await;
    let request = WaitTaskRequest { task_id: "nothing".to_owned(), timeout: None };
    let failure = failure(within("an answer", world.proxy.client().wait_task(request)).await);
    assert_eq!((failure.code, &*failure.facts["task_id"]), (Code::NotFound, "nothing"));
}
