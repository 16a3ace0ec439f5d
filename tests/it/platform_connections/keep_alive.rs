//! Servers that close a connection that was unused for a second or some more, at the very moment when a request is on its
//! way.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::time::sleep;
use xpander_grpc_proxy::{
    config::Http2,
    proto::{InvokeRequest, StopTaskRequest},
};

use super::get;
use crate::support::{
    calls::invoke,
    frames::{Act, Frames, json},
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
};

/// How long nothing is sent; servers keep a connection for 1 s (HAProxy, where it is set so), 2 s (gunicorn), 5 s
/// (uvicorn, Node) and longer.
const PAUSE: Duration = Duration::from_millis(600);

/// The connections that are known, and those that the server is about to close.
#[derive(Default)]
struct Unused(Mutex<(HashSet<usize>, HashSet<usize>)>);

impl Unused {
    /// Whether a request comes too late on its connection.
    fn is_too_late(&self, connection: usize) -> bool {
        let mut connections = self.0.lock().expect("no panic");
        connections.0.insert(connection);
        connections.1.contains(&connection)
    }

    /// Lets so much time pass that the server closes all connections.
    async fn pause(&self) {
        sleep(PAUSE).await;
        let mut connections = self.0.lock().expect("no panic");
        connections.1 = connections.0.clone();
    }
}

/// Creates, reads and stops one after the other with pauses that are too long for the server.
async fn check(proxy: &Proxy, unused: &Unused) {
    let mut client: Client = proxy.client();
    for _ in 0..3 {
        for _ in 0..2 {
            // The agent is known the second time: the create is all that is sent.
            within("an answer", client.invoke(invoke("agent-1"))).await.expect("a create");
            unused.pause().await;
        }
        within("an answer", client.get_task(get())).await.expect("a read");
        unused.pause().await;
        within("an answer", client.stop_task(StopTaskRequest { task_id: "task-1".to_owned() })).await.expect("a stop");
        unused.pause().await;
        let other = InvokeRequest { agent_id: "agent-2".to_owned(), ..invoke("agent-2") };
        within("an answer", client.invoke(other)).await.expect("a create");
    }
}

#[tokio::test]
async fn what_is_sent_once_takes_no_connection_over_http1_that_the_server_is_about_to_close() {
    let unused = Arc::new(Unused::default());
    let closes = Arc::clone(&unused);
    let platform = Platform::start(move |request| {
        if closes.is_too_late(request.connection) {
            return Reply::Reset(Vec::new());
        }
        match request.path.strip_prefix("/agents/") {
            Some(id) => Reply::json(200, &json!({ "id": id })),
            None => Reply::json(200, &task("task-1", "executing")),
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.platform.retries = 1;
    check(&Proxy::with(&settings).await, &unused).await;
}

#[tokio::test]
async fn nor_over_http2() {
    let unused = Arc::new(Unused::default());
    let closes = Arc::clone(&unused);
    let platform = Frames::start(move |asked| {
        if closes.is_too_late(asked.connection) {
            return Act::Close;
        }
        match asked.path.strip_prefix("/agents/") {
            Some(id) => json(&json!({ "id": id })),
            None => json(&task("task-1", "executing")),
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    (settings.platform.retries, settings.platform.http2) = (1, Http2::PriorKnowledge);
    check(&Proxy::with(&settings).await, &unused).await;
}

#[tokio::test]
async fn a_create_right_behind_its_agents_lookup_shares_the_connection() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    within("an answer", proxy.client().invoke(invoke("agent-1"))).await.expect("a create");
    assert_eq!(platform.seen().iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0]);
}

/// However soon it closes them, as long as that has arrived: what was not sent yet is sent over another.
#[tokio::test]
async fn a_connection_that_the_server_has_closed_takes_nothing() {
    let platform = Platform::with_agents(|_| {
        let answer = task("task-1", "executing").to_string();
        // It does not say that it closes.
        Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).into_bytes())
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for _ in 0..20 {
        within("an answer", proxy.client().invoke(invoke("agent-1"))).await.expect("a create");
        let last = platform.seen().last().expect("a create").connection;
        platform.connection_ends(last).await;
    }
    let creates = platform.seen().iter().filter(|request| request.method == "POST").count();
    assert_eq!(creates, 20);
}
