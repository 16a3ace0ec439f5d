//! Callers that leave: one by one, five hundred at once, and one of fifty who wait for the same task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use xpander_grpc_proxy::proto::{GetTaskRequest, TaskStatus, WaitTaskRequest};

use crate::support::{
    calls::{At, EVERYWHERE, failing, follow},
    direct::Direct,
    live::{finished, within},
    platform::{Platform, Reply, task},
    proxy::Proxy,
};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";

/// The platform answers nothing; its connection is closed when the caller resets, and not when a time limit passes.
#[tokio::test]
async fn each_call_that_is_reset_closes_the_platforms_connection_at_once() {
    for at in EVERYWHERE.into_iter().filter(|at| !at.creates() && *at != At::Wait) {
        closes_at_once(at).await;
    }
}

/// The read serves all who wait, and ends with the last of them.
#[tokio::test]
async fn the_last_waiter_that_is_reset_closes_the_platforms_connection_at_once() {
    closes_at_once(At::Wait).await;
}

async fn closes_at_once(at: At) {
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let platform = Platform::start(failing(move |_| {
        arrive.send(()).expect("the test runs");
        Reply::Silence
    }))
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = Direct::connect(&proxy).await.client();
    let call = tokio::spawn(async move { at.fail(&client, "left", None).await });
    within("the request", arrived.recv()).await;
    call.abort();
    within(&format!("{at:?}: the closing of the platform's connection"), platform.hung_up(1)).await;
}

/// A platform whose streams are open and silent, and a proxy before it.
async fn silent() -> (Platform, Proxy, watch::Receiver<usize>) {
    let (opened, opens) = watch::channel(0);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => {
            opened.send_modify(|opened| *opened += 1);
            Reply::Silent(STREAM.into())
        }
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    (platform, proxy, opens)
}

#[tokio::test]
async fn five_hundred_callers_that_reset_in_mid_stream_leave_no_connection_behind() {
    const CALLERS: usize = 500;
    let (platform, proxy, _opens) = silent().await;
    let client = Direct::connect(&proxy).await.client();
    let calls = (0..CALLERS).map(|_| {
        let mut client = client.clone();
        async move { client.stream_events(follow("task-1")).await.expect("a stream") }
    });
    let streams = within("500 streams", join_all(calls)).await;
    assert_eq!(platform.hang_ups(), 0);
    drop(streams);
    within("the closing of all streams", platform.hung_up(CALLERS)).await;
    // Neither that connection nor another one is worse for it.
    for mut client in [client, Direct::connect(&proxy).await.client()] {
        let request = GetTaskRequest { task_id: "task-1".to_owned() };
        within("an answer", client.get_task(request)).await.expect("OK");
    }
}

/// Reset as soon as they are sent: the server may close such a connection, but nothing may stay open behind it.
#[tokio::test]
async fn five_hundred_callers_that_reset_at_once_leave_no_connection_behind() {
    let (platform, proxy, opens) = silent().await;
    let client = Direct::connect(&proxy).await.client();
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.stream_events(follow("task-1")).await.map(drop) })
        })
        .collect();
    within("a first stream", opens.clone().wait_for(|opened| *opened > 0)).await.expect("the platform runs");
    for call in &calls {
        call.abort();
    }
    join_all(calls).await;
    drop(client);
    let mut other = Direct::connect(&proxy).await.client();
    let request = GetTaskRequest { task_id: "task-1".to_owned() };
    within("an answer", other.get_task(request)).await.expect("OK");
    within("the closing of all streams", async {
        while platform.hang_ups() < *opens.borrow() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Fifty wait on one task; one resets; the others get its end, for the reads of one.
#[tokio::test]
async fn one_of_fifty_waiters_leaves_and_the_others_get_the_end() {
    const READS: usize = 6;
    let (reads, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (its_reads, has_left) = (Arc::clone(&reads), Arc::clone(&left));
    let platform = Platform::start(move |_| {
        // Under way until one has left, and for some reads more.
        if has_left.load(Relaxed) == 0 || its_reads.fetch_add(1, Relaxed) < READS {
            Reply::json(200, &task("task-1", "executing"))
        } else {
            Reply::json(200, &finished("completed", "done"))
        }
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let client = Direct::connect(&proxy).await.client();
    let mut calls: Vec<_> = (0..50)
        .map(|_| {
            let mut client = client.clone();
            let request = WaitTaskRequest { task_id: "task-1".to_owned(), timeout: None };
            tokio::spawn(async move { client.wait_task(request).await })
        })
        .collect();
    within("the first reads", async {
        while platform.paths().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // The first one, who has started the follower.
    let leaver = calls.remove(0);
    leaver.abort();
    assert!(leaver.await.expect_err("still waiting").is_cancelled());
    left.store(1, Relaxed);
    for call in within("the end", join_all(calls)).await {
        let task = call.expect("no panic").expect("OK").into_inner().task.expect("a task");
        assert_eq!((task.status(), task.result()), (TaskStatus::Completed, "done"));
    }
    let before = platform.paths().len() - reads.load(Relaxed);
    assert!(reads.load(Relaxed) == READS + 1 && before < 12, "{before} and {} reads", reads.load(Relaxed));
}
