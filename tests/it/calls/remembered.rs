//! What the process remembers of request ids: all of them, for as long as it says, in the bytes that it may.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::proto::InvokeRequest;

use crate::support::{
    calls::invoke,
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    status::failure,
};

/// What a read is answered with.
type Answer = Arc<Mutex<(u16, Value)>>;

fn named(request_id: &str) -> InvokeRequest {
    InvokeRequest { request_id: request_id.to_owned(), ..invoke("agent-1") }
}

/// A platform that gives each task a number, and answers reads with what is there at the moment.
async fn platform(read: Answer) -> Platform {
    let created = AtomicUsize::new(0);
    Platform::start(move |request| match &*request.method {
        "POST" => Reply::json(200, &task(&format!("task-{}", created.fetch_add(1, Relaxed)), "pending")),
        _ if request.path.starts_with("/agents/") => Reply::json(200, &json!({ "id": "agent-1" })),
        _ => {
            let (status, body) = &*read.lock().expect("no panic");
            Reply::json(*status, body)
        }
    })
    .await
}

fn state(status: &str) -> Answer {
    Arc::new(Mutex::new((200, task("task-0", status))))
}

fn posts(platform: &Platform) -> usize {
    platform.paths().iter().filter(|path| path.starts_with("POST")).count()
}

async fn id(client: &mut Client, request_id: &str) -> String {
    let answer = within("an answer", client.invoke(named(request_id))).await.expect("OK").into_inner();
    answer.task.expect("a task").id
}

/// More than were remembered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_ten_thousand_is_remembered_as_the_last() {
    let platform = platform(state("running")).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = proxy.client();
    assert_eq!(id(&mut client, "first").await, "task-0");
    stream::iter(0..10_100)
        .for_each_concurrent(64, |at| {
            let mut client = client.clone();
            async move { drop(id(&mut client, &format!("r-{at}")).await) }
        })
        .await;
    assert_eq!(id(&mut client, "first").await, "task-0");
    assert_eq!(posts(&platform), 10_101);
}

#[tokio::test]
async fn a_full_memory_refuses_new_ids_and_forgets_none() {
    let platform = platform(state("running")).await;
    let mut settings = settings(&platform.base_url());
    settings.deduplication.memory_bytes = 1000;
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    let mut ids = 0;
    let refused = loop {
        match within("an answer", client.invoke(named(&format!("r-{ids}")))).await {
            Ok(_) => ids += 1,
            refused => break failure(refused),
        }
        assert!(ids < 20, "no bound");
    };
    assert!(ids > 4, "{ids}");
    assert_eq!((refused.code, &*refused.reason), (Code::ResourceExhausted, "DEDUPLICATION_FULL"));
    assert_eq!(refused.facts["outcome"], "not_created");
    assert!(refused.retry_seconds.is_some_and(|wait| (500..=600).contains(&wait)), "{refused:?}");
    // Who has one is known, and who has none needs no room.
    assert_eq!(id(&mut client, "r-0").await, "task-0");
    client.invoke(invoke("agent-1")).await.expect("OK");
    assert_eq!(posts(&platform), ids + 1);
}

/// What made no task takes no room: one caller's failures leave all room to the others.
#[tokio::test]
async fn a_thousand_creates_that_fail_leave_room_for_one_that_does_not() {
    let platform = Platform::start(|request| match &*request.path {
        "/agent-execution/bad" => Reply::json(403, &json!({ "detail": "no" })),
        path if path.starts_with("/agents/") => Reply::json(200, &json!({ "id": &path["/agents/".len()..] })),
        _ => Reply::json(200, &task("task-0", "pending")),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.deduplication.memory_bytes = 4000;
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    id(&mut client, "known").await;
    stream::iter(0..1000)
        .for_each_concurrent(8, |at| {
            let mut client = client.clone();
            async move {
                let bad = InvokeRequest { agent_id: "bad".into(), ..named(&format!("r-{at}")) };
                let failure = failure(within("an answer", client.invoke(bad)).await);
                assert_eq!(failure.code, Code::PermissionDenied, "{at}: {failure:?}");
            }
        })
        .await;
    id(&mut client, "new").await;
    id(&mut client, "known").await;
    assert_eq!(posts(&platform), 1002);
}

#[tokio::test]
async fn a_repeat_reads_what_has_become_of_the_task() {
    let read = state("running");
    let platform = platform(Arc::clone(&read)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = proxy.client();
    id(&mut client, "r-1").await;
    *read.lock().expect("no panic") = (200, task("task-0", "completed"));
    let answer = client.invoke(named("r-1")).await.expect("OK").into_inner().task.expect("a task");
    assert_eq!((&*answer.id, answer.status().as_str_name()), ("task-0", "TASK_STATUS_COMPLETED"));

    // That it cannot be read does not mean that there is none.
    for (status, code) in [(503, Code::Unavailable), (404, Code::NotFound), (403, Code::PermissionDenied)] {
        *read.lock().expect("no panic") = (status, json!({ "detail": "no" }));
        let failure = failure(client.invoke(named("r-1")).await);
        assert_eq!((failure.code, &*failure.facts["task_id"]), (code, "task-0"), "{status}");
        assert_eq!(failure.facts["outcome"], "created", "{status}");
    }
    assert_eq!(posts(&platform), 1);
}

/// Nobody can read it again, so that nothing better is known of it.
#[tokio::test]
async fn a_task_whose_id_is_none_is_not_created_again() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("a/b", "pending"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = proxy.client();
    for _ in 0..2 {
        let failure = failure(client.invoke(named("r-1")).await);
        assert_eq!((&*failure.reason, &*failure.facts["outcome"]), ("CREATE_OUTCOME_UNKNOWN", "unknown"));
    }
    assert_eq!(posts(&platform), 1);
}
