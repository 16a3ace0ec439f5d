//! Calls in flight when the drain begins: those that finish in time, and those that are left when it is over.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::Notify, task::JoinHandle};
use tonic::{Code, Status, transport::Endpoint};
use xpander_grpc_proxy::proto::{
    GetTaskRequest, InvokeStreamRequest, StopTaskRequest, WaitTaskRequest, agent_service_client::AgentServiceClient,
};

use crate::support::{
    binary::Serving,
    calls::{follow, invoke},
    live::{finished, within},
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    raw::{Manners, Raw},
    status::failure,
};

/// An event stream that is open and silent.
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";

type Answer = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// A platform that answers nothing but agents and reads of `task-1` until it is told to; then its tasks are over.
struct Held {
    platform: Platform,
    is_over: Arc<Mutex<bool>>,
    go_on: Arc<Notify>,
}

impl Held {
    async fn start() -> Self {
        let (is_over, go_on) = (Arc::new(Mutex::new(false)), Arc::new(Notify::new()));
        let (over, told) = (Arc::clone(&is_over), Arc::clone(&go_on));
        let platform = Platform::with_agents(move |request| {
            let status = if *over.lock().expect("no panic") { "completed" } else { "executing" };
            let reply = Reply::json(200, &task("task-1", status));
            match request.path.as_str() {
                path if path.ends_with("/events") => Reply::Silent(STREAM.into()),
                "/agent-execution/task-1/status" => reply,
                path => {
                    let id = if path.contains("/held") { "held" } else { "task-1" };
                    let mut over = finished("completed", "x");
                    over["id"] = id.into();
                    Reply::After(Arc::clone(&told), Box::new(Reply::json(200, &over)))
                }
            }
        });
        Self { platform: platform.await, is_over, go_on }
    }

    /// Begins one call of each unary kind; they are under way when this returns.
    async fn calls(&self, client: &Client) -> Vec<(&'static str, JoinHandle<Result<(), Status>>)> {
        let client = || client.clone();
        let (mut a, mut b, mut c, mut d) = (client(), client(), client(), client());
        let (get, stop) =
            (GetTaskRequest { task_id: "held".to_owned() }, StopTaskRequest { task_id: "held".to_owned() });
        let wait = WaitTaskRequest { task_id: "task-1".to_owned(), timeout: None };
        let calls: [(_, Answer); 4] = [
            ("Invoke", Box::pin(async move { a.invoke(invoke("agent-1")).await.map(drop) })),
            ("GetTask", Box::pin(async move { b.get_task(get).await.map(drop) })),
            ("StopTask", Box::pin(async move { c.stop_task(stop).await.map(drop) })),
            ("WaitTask", Box::pin(async move { d.wait_task(wait).await.map(drop) })),
        ];
        let calls = calls.into_iter().map(|(name, call)| (name, tokio::spawn(call))).collect();
        self.has_seen(&[
            "POST /agent-execution/agent-1",
            "/held/status",
            "DELETE /agent-execution/held",
            "/task-1/status",
        ])
        .await;
        calls
    }

    async fn has_seen(&self, what: &[&str]) {
        within(&format!("{what:?}"), async {
            while !what.iter().all(|what| self.platform.paths().iter().any(|path| path.contains(what))) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Answers all that is held, and that will be.
    fn go_on(&self) {
        *self.is_over.lock().expect("no panic") = true;
        self.go_on.notify_waiters();
    }
}

#[tokio::test]
async fn every_unary_call_in_flight_finishes() {
    let held = Held::start().await;
    let mut settings = settings(&held.platform.base_url());
    settings.server.drain_timeout = Duration::from_hours(1);
    let mut proxy = Proxy::with(&settings).await;
    let calls = held.calls(&proxy.client()).await;
    proxy.shut_down();
    // The port is closed: the drain has begun.
    within("the closing of the port", async {
        while tokio::net::TcpStream::connect(proxy.grpc.trim_start_matches("http://")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for (name, call) in &calls {
        assert!(!call.is_finished(), "{name}");
    }
    held.go_on();
    for (name, call) in calls {
        within(name, call).await.expect("no panic").unwrap_or_else(|status| panic!("{name}: {status:?}"));
    }
    within("the proxy's end", proxy.over()).await;
}

#[tokio::test]
async fn what_is_left_when_the_drain_is_over_is_told_the_truth_and_the_process_exits_0() {
    let held = Held::start().await;
    let environment = [("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"), ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "500ms")];
    let serving = Serving::before(&held.platform.base_url(), &environment).await;
    let channel = Endpoint::new(serving.grpc.clone()).expect("a URL").connect().await.expect("connects");
    let mut client = AgentServiceClient::new(channel);
    let mut calls = held.calls(&client).await;
    let (mut streaming, mut following) = (client.clone(), client.clone());
    calls.push((
        "InvokeStream",
        tokio::spawn(async move {
            let request = InvokeStreamRequest { invocation: Some(invoke("agent-2")), heartbeat: None };
            streaming.invoke_stream(request).await.map(drop)
        }),
    ));
    calls.push((
        "StreamEvents",
        tokio::spawn(
            async move { following.stream_events(follow("task-1")).await?.into_inner().message().await.map(drop) },
        ),
    ));
    held.has_seen(&["POST /agent-execution/agent-2", "/task-1/events"]).await;
    let begun = Instant::now();
    serving.signal("TERM").await;
    for (name, call) in calls {
        let failure = failure(within(name, call).await.expect("no panic"));
        assert!(begun.elapsed() >= Duration::from_millis(500), "{name}: {:?}", begun.elapsed());
        if name.starts_with("Invoke") {
            // UNAVAILABLE is what clients retry by themselves: that might create a second task.
            assert_eq!((failure.code, &*failure.reason), (Code::Unknown, "CREATE_OUTCOME_UNKNOWN"), "{name}");
            assert_eq!((&*failure.facts["outcome"], &*failure.facts["cause"]), ("unknown", "PROXY_DRAINING"), "{name}");
            assert_eq!((failure.pushback.as_deref(), failure.retry_seconds), (Some("-1"), None), "{name}");
        } else {
            assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"), "{name}");
            assert_eq!((failure.retry_seconds, failure.pushback.as_deref()), (Some(1), Some("1000")), "{name}");
            let id = if matches!(name, "WaitTask" | "StreamEvents") { "task-1" } else { "held" };
            assert_eq!(failure.facts["task_id"], id, "{name}");
        }
    }
    assert_eq!(serving.ended().await, Some(0));
    let gone = client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await;
    assert_eq!(gone.expect_err("nobody is there").code(), Code::Unavailable);
}

/// Whoever says half a preface, or answers nothing, is no call in flight.
#[tokio::test]
async fn connections_that_do_not_answer_do_not_change_the_exit() {
    let platform = Platform::start(|_| Reply::json(200, &json!({}))).await;
    let mut settings = settings(&platform.base_url());
    settings.server.drain_timeout = Duration::from_millis(300);
    let proxy = Proxy::with(&settings).await;
    let _nothing = crate::support::raw::socket(&proxy).await;
    let _mute = Raw::connect(&proxy, Manners::Mute).await;
    within("the proxy's end", proxy.over()).await;
}
