//! File descriptors: the process takes as many as it may have, and outlives having none left.

use std::{fs, time::Duration};

use tokio::{net::TcpStream, time::sleep};
use tonic::Code;
use xpander_grpc_proxy::{
    proto::{GetTaskRequest, InvokeStreamRequest},
    sandbox::Sandbox,
};

use crate::{
    load::{metric, until},
    support::{binary::Serving, live::within, sandbox::asking, status::failure},
};

/// The binary before a sandbox, with so many open files at first and at most.
async fn serving(sandbox: &Sandbox, first: u32, most: u32, environment: &[(&str, &str)]) -> Serving {
    let runner = ["/usr/bin/prlimit".to_owned(), format!("--nofile={first}:{most}")];
    Serving::run_by(&runner, &sandbox.base_url(), environment).await
}

async fn sandbox() -> Sandbox {
    Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox")
}

/// What the kernel says of a process in this file.
fn told(serving: &Serving, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", serving.id())).expect("it runs")
}

#[tokio::test]
async fn as_many_files_may_be_open_as_the_system_allows_at_most() {
    let sandbox = sandbox().await;
    let serving = serving(&sandbox, 64, 15_000, &[]).await;
    let limits = told(&serving, "limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    assert_eq!(line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["15000", "15000"]);
    let log = serving.whole_log().await;
    assert!(!log.contains("WARN"), "enough for its streams: {log}");
}

#[tokio::test]
async fn a_limit_below_the_streams_is_told_at_the_start() {
    let sandbox = sandbox().await;
    let log = serving(&sandbox, 64, 300, &[("XPANDER_PROXY_SERVER__MAX_STREAMS", "301")]).await.whole_log().await;
    assert!(log.contains("WARN") && log.contains("\"limit\":300") && log.contains("server.max_streams"), "{log}");
    let log = serving(&sandbox, 64, 300, &[("XPANDER_PROXY_SERVER__MAX_STREAMS", "300")]).await.whole_log().await;
    assert!(!log.contains("WARN"), "{log}");
}

#[tokio::test]
async fn a_process_without_file_descriptors_keeps_its_calls_rests_and_recovers() {
    let sandbox = sandbox().await;
    // Or the connections that fill it would be closed.
    let patient = [("XPANDER_PROXY_SERVER__HANDSHAKE_TIMEOUT", "1h"), ("XPANDER_PROXY_SERVER__MAX_STREAMS", "10")];
    let mut serving = serving(&sandbox, 80, 80, &patient).await;
    let mut before = serving.client();
    let task = within("an answer", before.invoke(asking("echo", "hi"))).await.expect("OK").into_inner().task;
    let get = || GetTaskRequest { task_id: task.as_ref().expect("a task").id.clone() };
    within("an answer", before.get_task(get())).await.expect("OK");

    let address = serving.grpc.trim_start_matches("http://").to_owned();
    let mut filling = Vec::new();
    for _ in 0..100 {
        filling.push(within("a connection", TcpStream::connect(&address)).await.expect("connects"));
    }
    serving.line("connections are refused: server.max_connections are open, or as many files as may be").await;
    // What it has goes on, and it does not spend its time on what it cannot have.
    within("an answer", before.get_task(get())).await.expect("OK");
    let used = ticks(&serving);
    sleep(Duration::from_secs(1)).await;
    assert!(ticks(&serving) - used < 30, "of a hundred: it does not rest");

    drop(filling);
    within("an answer", serving.client().get_task(get())).await.expect("OK");
    let log = serving.whole_log().await;
    // Once each time that there are none left; the create's own connection, which is kept for a second, may free one.
    let told = log.matches("connections are refused").count();
    assert!((1..=2).contains(&told), "{log}");
}

/// Connections that do nothing take what they may, and leave the rest to probes and to the platform's connections.
#[tokio::test]
async fn idle_connections_leave_descriptors_to_probes() {
    let sandbox = sandbox().await;
    let serving = serving(&sandbox, 128, 128, &[("XPANDER_PROXY_SERVER__HANDSHAKE_TIMEOUT", "1h")]).await;
    let mut before = serving.client();
    within("an answer", before.invoke(asking("echo", "hi"))).await.expect("OK");
    let mut idle = Vec::new();
    for address in [&serving.grpc, &serving.admin] {
        for _ in 0..150 {
            let address = address.trim_start_matches("http://");
            idle.push(within("a connection", TcpStream::connect(address)).await.expect("connects"));
        }
    }
    for _ in 0..20 {
        assert_ne!(metric(&serving.admin, "xpander_connections_refused_total", "").await, "0");
        within("an answer", before.invoke(asking("echo", "hi"))).await.expect("OK");
    }
}

/// Streams have connections of their own to the platform over HTTP/1.1: those for which there is none are refused.
#[tokio::test]
async fn streams_leave_descriptors_to_probes() {
    let sandbox = sandbox().await;
    let serving = serving(&sandbox, 160, 160, &[]).await;
    let mut client = serving.client();
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..200 {
        // Of which nothing more comes: what nobody reads would end the caller's own connection one day.
        let request = InvokeStreamRequest { invocation: Some(asking("human", "hi")), heartbeat: None };
        match within("an answer", client.invoke_stream(request)).await {
            Ok(stream) => open.push(stream),
            Err(status) => {
                let refusal = failure::<()>(Err(status));
                assert_eq!((refusal.code, &*refusal.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"));
                assert!(refusal.message.contains("open files"), "{}", refusal.message);
                refused += 1;
            }
        }
    }
    assert!(refused > 50 && open.len() > 50, "{refused} of {}", open.len() + refused);
    // What is left serves probes, and nobody waits for it.
    for _ in 0..20 {
        assert_ne!(metric(&serving.admin, "xpander_streams_active", "").await, "");
    }
    drop(open);
    until("a descriptor", async || client.clone().invoke(asking("echo", "hi")).await.is_ok()).await;
}

/// The processor time it has used, in hundredths of a second.
fn ticks(serving: &Serving) -> u64 {
    let stat = told(serving, "stat");
    let (_, after_name) = stat.rsplit_once(')').expect("a name");
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
