//! Load and overload: shares of calls and streams, storms of resets, callers that are slow on purpose, and connections
//! that grow old.

mod aging;
mod permits;
mod resets;
mod shared;
mod shedding;
mod slow;
mod slow_connections;
mod unread;

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::Notify;
use tonic::Code;
use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use crate::support::{
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    status::Failure,
};

/// An event stream that is open and silent.
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";

/// A platform under load, with a proxy before it: its tasks go on and on, what has `held` in its path is answered when
/// the test says so, and its streams are silent.
pub struct Busy {
    platform: Platform,
    pub proxy: Proxy,
    go_on: Arc<Notify>,
}

impl Busy {
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let go_on = Arc::new(Notify::new());
        let told = Arc::clone(&go_on);
        let platform = Platform::start(move |request| {
            if request.path.ends_with("/events") {
                return Reply::Silent(STREAM.into());
            }
            let reply = match request.path.strip_prefix("/agents/") {
                Some(id) => return Reply::json(200, &json!({ "id": id, "organization_id": "org-1" })),
                None if request.method == "POST" => Reply::json(200, &task("task-1", "executing")),
                None => Reply::json(200, &task(request.task_id(), "executing")),
            };
            if request.path.contains("held") { Reply::After(Arc::clone(&told), Box::new(reply)) } else { reply }
        })
        .await;
        let mut settings = settings(&platform.base_url());
        change(&mut settings);
        let proxy = Proxy::with(&settings).await;
        Self { platform, proxy, go_on }
    }

    /// How many requests with this in their method and path the platform has seen.
    pub fn seen(&self, what: &str) -> usize {
        self.platform.paths().iter().filter(|path| path.contains(what)).count()
    }

    /// A value on `/metrics`, of this method.
    pub async fn metric(&self, name: &str, method: &str) -> String {
        metric(&self.proxy.admin, name, method).await
    }

    pub async fn has_seen(&self, what: &str, count: usize) {
        until(what, async || self.seen(what) >= count).await;
    }
}

/// A value on `/metrics` there, of this method if there are several.
pub async fn metric(admin: &str, name: &str, method: &str) -> String {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = within("metrics", http.get(format!("{admin}/metrics")).send()).await.expect("an answer");
    let metrics = answer.text().await.expect("a text");
    let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(method));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

/// Asks again and again until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn get(task_id: &str) -> GetTaskRequest {
    GetTaskRequest { task_id: task_id.to_owned() }
}

/// Calls until a unary call is admitted; the others are shed.
async fn until_a_call_is_admitted(client: &Client) {
    until("a share of the calls", async || {
        let mut client = client.clone();
        match client.get_task(get("task-1")).await {
            Ok(_) => true,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                false
            }
        }
    })
    .await;
}

pub fn is_shed(failure: &Failure, setting: &str) {
    assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"), "{failure:?}");
    assert_eq!((failure.retry_seconds, failure.message.contains(setting)), (Some(1), true), "{failure:?}");
}
