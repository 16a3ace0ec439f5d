//! Nothing is shared between platform keys: no connection, no lookup, no deduplicated answer, no follower.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tonic::Request;
use xpander_grpc_proxy::proto::{InvokeRequest, TaskStatus, WaitTaskRequest};

use super::get;
use crate::support::{
    callers::with,
    calls::invoke,
    live::within,
    platform::{Platform, Reply, Seen, task},
    proxy::{Proxy, settings},
};

/// Keys with their organizations, each different from all others.
const OWNERS: [(&str, &str); 3] = [("key-aaaaaaaa", "org-a"), ("key-bbbbbbbb", "org-a"), ("key-aaaaaaaa", "org-b")];

/// What the proxy's own key is, too: another owner all the same.
const OWN: (&str, &str) = ("key-under-test", "org-1");

async fn passing(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Platform, Proxy) {
    let platform = Platform::with_agents(script).await;
    let mut settings = settings(&platform.base_url());
    settings.auth.pass_through = true;
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

fn of<M>(message: M, (key, organization): (&str, &str)) -> Request<M> {
    with(message, &[("x-api-key", key), ("x-organization-id", organization)])
}

fn made(_: &Seen) -> Reply {
    Reply::json(200, &of_any("completed"))
}

/// A task that may be of any organization.
fn of_any(status: &str) -> Value {
    let mut task = task("task-1", status);
    task["organization_id"] = Value::Null;
    task
}

#[tokio::test]
async fn no_connection_serves_two_keys() {
    let (platform, proxy) = passing(made).await;
    let mut client = proxy.client();
    for _ in 0..3 {
        for key in ["key-aaaaaaaa", "key-bbbbbbbb"] {
            within("an answer", client.get_task(of(get(), (key, "org-a")))).await.expect("OK");
        }
        within("an answer", client.get_task(get())).await.expect("OK");
    }
    let mut connections = BTreeMap::<usize, BTreeSet<String>>::new();
    for request in platform.seen() {
        let key = request.header("x-api-key").expect("a key").to_owned();
        connections.entry(request.connection).or_default().insert(key);
    }
    assert!(connections.values().all(|keys| keys.len() == 1), "{connections:?}");
    assert_eq!(connections.len(), 3, "and one key's calls share one: {connections:?}");
}

#[tokio::test]
async fn no_connection_serves_two_organizations_nor_a_caller_and_the_proxy() {
    let (platform, proxy) = passing(made).await;
    let mut client = proxy.client();
    for owner in [OWNERS[0], OWNERS[2], OWN] {
        within("an answer", client.get_task(of(get(), owner))).await.expect("OK");
    }
    within("an answer", client.get_task(get())).await.expect("OK");
    let connections: BTreeSet<_> = platform.seen().iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 4);
}

#[tokio::test]
async fn no_lookup_of_an_agent_is_shared() {
    let (platform, proxy) = passing(made).await;
    let mut client = proxy.client();
    for _ in 0..2 {
        for owner in OWNERS {
            within("an answer", client.invoke(of(invoke("echo"), owner))).await.expect("OK");
        }
    }
    let lookups: Vec<_> = platform.seen().into_iter().filter(|request| request.path == "/agents/echo").collect();
    assert_eq!(lookups.len(), 3, "one for each, remembered for itself");
}

#[tokio::test]
async fn no_answer_under_a_request_id_is_shared() {
    let (platform, proxy) = passing(|request| {
        let key = request.header("x-api-key").expect("a key");
        let mut task = of_any("completed");
        task["id"] = json!(format!("task-of-{key}"));
        Reply::json(200, &task)
    })
    .await;
    let named = || InvokeRequest { request_id: "r-1".to_owned(), ..invoke("echo") };
    let mut client = proxy.client();
    for _ in 0..2 {
        for (key, organization) in OWNERS.into_iter().chain([OWN]) {
            let answer = within("an answer", client.invoke(of(named(), (key, organization)))).await.expect("OK");
            assert_eq!(answer.into_inner().task.expect("a task").id, format!("task-of-{key}"));
        }
        within("an answer", client.invoke(named())).await.expect("OK");
    }
    let creates = platform.paths().iter().filter(|path| path.starts_with("POST")).count();
    assert_eq!(creates, 5, "one for each, and one for the proxy's own key");
}

#[tokio::test]
async fn no_follower_of_a_task_is_shared() {
    // The task goes on until it has been read twice by each; then it is over, for each in its own words.
    let reads = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
    let (platform, proxy) = passing(move |request| {
        let key = request.header("x-api-key").expect("a key").to_owned();
        let mut reads = reads.lock().expect("no panic");
        *reads.entry(key.clone()).or_default() += 1;
        let mut task = of_any("executing");
        if reads.len() == 2 && reads.values().all(|reads| *reads >= 2) {
            (task["status"], task["result"]) = (json!("completed"), json!(key));
        }
        Reply::json(200, &task)
    })
    .await;
    let wait = |owner: (&'static str, &'static str)| {
        let mut client = proxy.client();
        async move {
            let request = WaitTaskRequest { task_id: "task-1".to_owned(), timeout: None };
            let answer = within("an answer", client.wait_task(of(request, owner))).await.expect("OK");
            answer.into_inner().task.expect("a task")
        }
    };
    let (a, b) = tokio::join!(wait(OWNERS[0]), wait(OWNERS[1]));
    assert_eq!((a.status(), a.result()), (TaskStatus::Completed, "key-aaaaaaaa"));
    assert_eq!((b.status(), b.result()), (TaskStatus::Completed, "key-bbbbbbbb"));
    assert!(platform.seen().len() >= 4);
}
