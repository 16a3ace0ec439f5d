//! The drain: health first, then no new connections, calls in flight finish, streams that are left are ended with a hint.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use xpander_grpc_proxy::proto::GetTaskRequest;

use super::{SERVICE, get};
use crate::support::{
    calls::follow,
    live::{Followed, Live, finished, result, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::failure,
};

/// A platform that reads a task when it is told to, a proxy before it, and a call of `GetTask` that is under way.
async fn held(drain_timeout: Duration) -> (Platform, Proxy, Arc<Notify>, JoinHandle<String>) {
    let told = Arc::new(Notify::new());
    let go_on = Arc::clone(&told);
    let answer = move |_: &_| Reply::After(Arc::clone(&told), Box::new(Reply::json(200, &finished("completed", "x"))));
    let platform = Platform::start(answer).await;
    let mut settings = settings(&platform.base_url());
    settings.server.drain_timeout = drain_timeout;
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    let call = tokio::spawn(async move {
        let answer = client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await;
        answer.map_or_else(|status| status.to_string(), |answer| answer.into_inner().task.expect("a task").id)
    });
    within("the call's arrival", async {
        while platform.seen().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    (platform, proxy, go_on, call)
}

/// Waits until nobody listens there any more.
async fn refused(url: &str) {
    let address = url.trim_start_matches("http://").to_owned();
    within("the closing of the port", async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_in_flight_finishes_while_new_connections_are_refused() {
    let (_platform, mut proxy, go_on, call) = held(Duration::from_hours(1)).await;
    proxy.shut_down();
    refused(&proxy.grpc).await;
    assert!(!call.is_finished());
    go_on.notify_one();
    assert_eq!(within("the call's end", call).await.expect("no panic"), "task-1");
    within("the proxy's end with its last call", proxy.over()).await;
}

#[tokio::test]
async fn a_proxy_without_calls_ends_at_once_though_connections_are_open() {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let mut settings = settings(&platform.base_url());
    settings.server.drain_timeout = Duration::from_hours(1);
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await.expect("OK");
    within("the proxy's end", proxy.over()).await;
    let gone = client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await;
    assert_eq!(gone.expect_err("nobody is there").code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_that_is_left_ends_unavailable_with_its_last_event_and_a_hint() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.drain_timeout = TIMEOUT;
    let mut proxy = Proxy::with(&settings).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    live.send(format!("id: 7\n{}", event("chunk", &json!("one"))));
    assert_eq!(followed.text().await, "one");
    let begun = Instant::now();
    proxy.shut_down();
    let failure = failure(followed.try_next().await);
    assert!(begun.elapsed() >= TIMEOUT, "{:?}", begun.elapsed());
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PROXY_DRAINING"));
    assert_eq!((&*failure.facts["task_id"], &*failure.facts["last_event_id"]), ("task-1", "7"));
    assert!(failure.retry_seconds.is_some());
    within("the closing of the platform's stream", live.platform.hung_up(1)).await;
    within("the proxy's end", proxy.over()).await;
}

#[tokio::test]
async fn a_stream_that_ends_within_the_drain_ends_properly() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.drain_timeout = Duration::from_hours(1);
    let mut proxy = Proxy::with(&settings).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    proxy.shut_down();
    refused(&proxy.grpc).await;
    // It goes on until then.
    live.send(event("chunk", &json!("one")));
    assert_eq!(followed.text().await, "one");
    live.send(event("task_finished", &finished("completed", "done")));
    assert_eq!(result(&followed.next().await), "done");
    followed.is_over().await;
    within("the proxy's end", proxy.over()).await;
}

#[tokio::test]
async fn a_caller_who_reads_nothing_does_not_hold_the_drain_up() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.drain_timeout = Duration::from_millis(200);
    let proxy = Proxy::with(&settings).await;
    let _unread = Followed::with(&mut proxy.client(), Request::new(follow("task-1"))).await;
    (0..1_000).for_each(|_| live.chunk(&"x".repeat(16 << 10)));
    within("the proxy's end", proxy.over()).await;
}

async fn status(health: &mut HealthClient<Channel>, service: &str) -> &'static str {
    let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.expect("OK");
    answer.into_inner().status().as_str_name()
}

#[tokio::test]
async fn health_and_readiness_turn_at_once_and_serving_goes_on_for_the_drain_delay() {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let mut settings = settings(&platform.base_url());
    // All that follows is within it, on the slowest machine.
    settings.server.drain_delay = Duration::from_hours(1);
    let mut proxy = Proxy::with(&settings).await;
    let mut health = HealthClient::new(proxy.channel());
    let watched = health.watch(HealthCheckRequest { service: SERVICE.to_owned() }).await.expect("OK");
    let mut watched = watched.into_inner();
    let mut next = async || {
        let message = within("a change of health", watched.message()).await.expect("OK").expect("a status");
        message.status().as_str_name()
    };
    assert_eq!(next().await, "SERVING");
    proxy.shut_down();
    assert_eq!(next().await, "NOT_SERVING");
    assert_eq!((status(&mut health, "").await, status(&mut health, SERVICE).await), ("NOT_SERVING", "NOT_SERVING"));
    let (code, body) = get(&format!("{}/readyz", proxy.admin)).await;
    assert_eq!((code, body.contains("shutting down")), (503, true), "{body}");
    assert_eq!(get(&format!("{}/livez", proxy.admin)).await.0, 200);
    // Over a new connection, as a balancer that has not noticed yet.
    let answer = proxy.client().get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await;
    answer.expect("still served");
}

#[tokio::test]
async fn the_port_closes_after_the_drain_delay() {
    const DELAY: Duration = Duration::from_millis(500);
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let mut settings = settings(&platform.base_url());
    settings.server.drain_delay = DELAY;
    let mut proxy = Proxy::with(&settings).await;
    let begun = Instant::now();
    proxy.shut_down();
    refused(&proxy.grpc).await;
    assert!(begun.elapsed() >= DELAY, "{:?}", begun.elapsed());
    within("the proxy's end", proxy.over()).await;
}
