//! Servers that close a connection that was unused for some seconds, at the very moment when a request is on its way.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
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

/// How long a connection is kept here; servers keep theirs for 2 s (gunicorn), 5 s (uvicorn, Node) and longer.
const KEPT: Duration = Duration::from_millis(1200);

/// Since when each connection is unused.
#[derive(Default)]
struct Unused(Mutex<HashMap<usize, Instant>>);

impl Unused {
    /// Whether this request comes too late on its connection.
    fn is_too_late(&self, connection: usize) -> bool {
        let mut since = self.0.lock().expect("no panic");
        since.insert(connection, Instant::now()).is_some_and(|since| since.elapsed() >= KEPT)
    }
}

/// Creates, reads and stops one after the other with pauses that are too long for the server.
async fn check(proxy: &Proxy) {
    let mut client: Client = proxy.client();
    for _ in 0..3 {
        for _ in 0..2 {
            // The agent is known the second time: the create is all that is sent.
            within("an answer", client.invoke(invoke("agent-1"))).await.expect("a create");
            sleep(KEPT).await;
        }
        within("an answer", client.get_task(get())).await.expect("a read");
        sleep(KEPT).await;
        within("an answer", client.stop_task(StopTaskRequest { task_id: "task-1".to_owned() })).await.expect("a stop");
        sleep(KEPT).await;
        let other = InvokeRequest { agent_id: "agent-2".to_owned(), ..invoke("agent-2") };
        within("an answer", client.invoke(other)).await.expect("a create");
    }
}

#[tokio::test]
async fn what_is_sent_once_takes_no_connection_over_http1_that_the_server_is_about_to_close() {
    let unused = Unused::default();
    let platform = Platform::start(move |request| {
        if unused.is_too_late(request.connection) {
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
    check(&Proxy::with(&settings).await).await;
}

#[tokio::test]
async fn nor_over_http2() {
    let unused = Unused::default();
    let platform = Frames::start(move |asked| {
        if unused.is_too_late(asked.connection) {
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
    check(&Proxy::with(&settings).await).await;
}

#[tokio::test]
async fn a_create_right_behind_its_agents_lookup_shares_the_connection() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    within("an answer", proxy.client().invoke(invoke("agent-1"))).await.expect("a create");
    assert_eq!(platform.seen().iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0]);
}
