//! The connections to the platform: through a forward proxy where the environment names one, pooled, and closed in time.

mod authorities;
mod causes;
mod codings;
mod dead;
mod heads;
mod http2;
mod interim;
mod keep_alive;
mod slow_readers;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use xpander_grpc_proxy::proto::GetTaskRequest;

use crate::support::{
    binary::Serving,
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    secure::{SecurePlatform, Speaks},
};

/// A forward proxy that takes every tunnel to one place, and notes what for.
struct ForwardProxy {
    url: String,
    tunnels: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl ForwardProxy {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let tunnels: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&tunnels);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(tunnel(socket, port, Arc::clone(&log)));
            }
        });
        Self { url, tunnels, accepting }
    }

    fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().expect("no panic").clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn tunnel(socket: TcpStream, port: u16, log: Arc<Mutex<Vec<String>>>) {
    let mut socket = BufReader::new(socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_until(b'\n', &mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    log.lock().expect("no panic").push(first);
    let mut platform = TcpStream::connect(("127.0.0.1", port)).await.expect("the platform listens");
    socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("written");
    let _ = copy_bidirectional(&mut socket, &mut platform).await;
}

/// The binary in front of a secure platform, with this environment on top; the task that it reads.
async fn read_a_task(platform: &SecurePlatform, environment: &[(&str, &str)]) -> Value {
    let ca_file = platform.ca_file.to_str().expect("UTF-8");
    let environment = [&[("XPANDER_PROXY_PLATFORM__CA_FILE", ca_file)], environment].concat();
    let serving = Serving::before(&platform.base_url, &environment).await;
    serving.run(&["get", "task-1", "--json"]).await.json().remove(0)
}

fn port(platform: &SecurePlatform) -> u16 {
    platform.base_url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// A platform that is not on this machine, as far as its name says: only a forward proxy finds it.
async fn elsewhere() -> SecurePlatform {
    let mut platform = SecurePlatform::start(Speaks::Tls(&[b"h2", b"http/1.1"]), "platform.test").await;
    platform.base_url = platform.base_url.replace("localhost", "platform.test");
    platform
}

#[tokio::test]
async fn https_proxy_is_honoured() {
    let platform = elsewhere().await;
    let forward = ForwardProxy::to(port(&platform)).await;
    let without_scheme = forward.url.trim_start_matches("http://");
    let variables = [
        &[("HTTPS_PROXY", &*forward.url)][..],
        &[("https_proxy", &forward.url)],
        &[("ALL_PROXY", &forward.url)],
        &[("HTTPS_PROXY", without_scheme)],
        // An empty one hides nothing.
        &[("HTTPS_PROXY", ""), ("https_proxy", &forward.url), ("NO_PROXY", "")],
        &[("HTTPS_PROXY", &forward.url), ("NO_PROXY", "localhost,.other.test")],
    ];
    for environment in variables {
        assert_eq!(read_a_task(&platform, environment).await["task"]["id"], "task-1", "{environment:?}");
    }
    let target = format!("CONNECT platform.test:{} HTTP/1.1", port(&platform));
    assert_eq!(forward.tunnels(), vec![target; variables.len()]);
}

#[tokio::test]
async fn no_proxy_is_honoured() {
    let platform = elsewhere().await;
    let forward = ForwardProxy::to(port(&platform)).await;
    for without in ["platform.test", "other.test, .test", "*", " platform.test "] {
        let serving = Serving::before(
            &platform.base_url,
            &[
                ("XPANDER_PROXY_PLATFORM__CA_FILE", platform.ca_file.to_str().expect("UTF-8")),
                ("HTTPS_PROXY", &forward.url),
                ("NO_PROXY", without),
            ],
        )
        .await;
        // Nobody else knows the name.
        assert_eq!(serving.run(&["get", "task-1"]).await.code, Some(5), "{without}");
    }
    assert_eq!(forward.tunnels(), Vec::<String>::new());
}

#[tokio::test]
async fn a_platform_on_this_machine_is_reached_without_a_proxy() {
    let platform = SecurePlatform::start(Speaks::Tls(&[b"http/1.1"]), "localhost").await;
    let forward = ForwardProxy::to(port(&platform)).await;
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        assert_eq!(read_a_task(&platform, &[(variable, &forward.url)]).await["task"]["id"], "task-1");
    }
    assert_eq!(forward.tunnels(), Vec::<String>::new());
}

fn get() -> GetTaskRequest {
    GetTaskRequest { task_id: "task-1".to_owned() }
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection_and_tell_nothing_of_where_they_come_from() {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for _ in 0..5 {
        within("an answer", proxy.client().get_task(get())).await.expect("OK");
    }
    let seen = platform.seen();
    assert_eq!(seen.iter().map(|request| request.connection).collect::<Vec<_>>(), [0; 5]);
    assert!(seen.iter().all(|request| request.header("referer").is_none() && request.header("cookie").is_none()));
}

#[tokio::test]
async fn an_unused_connection_is_closed_within_the_idle_time() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let mut settings = settings(&format!("http://{}", listener.local_addr().expect("bound")));
    settings.platform.pool_idle_timeout = Duration::from_millis(300);
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    let call = tokio::spawn(async move { client.get_task(get()).await });
    let (mut socket, _) = within("a connection", listener.accept()).await.expect("accepted");
    let mut request = [0; 4096];
    within("a request", socket.read(&mut request)).await.expect("read");
    let body = task("task-1", "executing").to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all((head + &body).as_bytes()).await.expect("written");
    within("an answer", call).await.expect("no panic").expect("OK");
    // The proxy hangs up, not the platform.
    assert_eq!(within("the end of the connection", socket.read(&mut request)).await.expect("read"), 0);
}
