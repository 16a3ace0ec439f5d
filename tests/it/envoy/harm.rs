//! One caller that means harm to those who share Envoy's connections to the replicas with it: what it does through an
//! Envoy with its defaults ends none of their calls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::net::TcpStream;

use super::{followers, readable};
use crate::support::{direct::frame, envoy::Envoy, fleet::Fleet, live::within, load::Load};

/// An invocation of the agent `echo`.
const INVOCATION: &[u8] = b"\x0a\x04echo\x12\x02hi";
/// What belongs to one of Envoy's connections, of which it has one for each of its two threads and three replicas.
const CONNECTIONS: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn what_one_caller_does_through_envoy_ends_nobody_elses_call() {
    let fleet = Fleet::start(&[]).await;
    let task_id = readable(&fleet).await;
    let followers = followers(&fleet).await;
    let load = Load::start(&fleet.envoy, 3, 3, &task_id);
    load.until_each_has_done(5).await;

    for (name, attack) in [
        ("resets", Attack::Resets),
        ("metadata of 45 KB", Attack::Metadata(45_000)),
        ("metadata of 58 KB", Attack::Metadata(58_000)),
        ("frames of one byte", Attack::Frames),
        ("early refusals", Attack::Refusals),
        ("trailers behind early refusals", Attack::Trailers),
    ] {
        let begun = Instant::now();
        join_all((0..4).map(|_| attack.run(&fleet.envoy))).await;
        load.until_each_has_done(5).await;
        for follower in &followers {
            follower.until_events(1).await;
        }
        println!("{name}: {:?}", begun.elapsed());
    }

    load.stop().await.is_without_failure();
    for follower in followers {
        assert_eq!(follower.finish().await.cuts.len(), 0, "a stream was cut");
    }
    let destroyed = fleet.envoy.counter("upstream_cx_destroy_remote_with_active_rq").await;
    println!("connections that replicas ended with calls on them: {destroyed}; there are {CONNECTIONS}");
    assert_eq!(destroyed, 0);
}

/// What it does on a connection of its own to Envoy.
#[derive(Clone, Copy)]
enum Attack {
    /// Bursts of creates, each reset at once.
    Resets,
    /// Heads of so many bytes.
    Metadata(usize),
    /// A message of which each byte is a frame.
    Frames,
    /// Calls of what there is not, whose bodies come all the same.
    Refusals,
    /// The same without bodies, all at once, and with trailers a moment later.
    Trailers,
}

impl Attack {
    async fn run(self, envoy: &Envoy) {
        let socket = TcpStream::connect(envoy.address).await.expect("connects");
        socket.set_nodelay(true).expect("connected");
        let (requests, connection) = h2::client::handshake(socket).await.expect("speaks HTTP/2");
        tokio::spawn(connection);
        let attack = async {
            match self {
                Self::Resets => resets(requests).await,
                Self::Metadata(size) => metadata(requests, size).await,
                Self::Frames => frames(requests).await,
                Self::Refusals => refusals(requests).await,
                Self::Trailers => trailers(requests).await,
            }
        };
        within("an attack", attack).await;
    }
}

fn head(method: &str) -> http::request::Builder {
    Request::post(format!("http://envoy/xpander.agent.v1.AgentService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// Envoy's own guard may end the attacker's connection: then it has done what it could.
async fn resets(requests: SendRequest<Bytes>) {
    for _ in 0..20 {
        let mut answers = Vec::new();
        for _ in 0..50 {
            let Ok(mut ready) = requests.clone().ready().await else { return };
            let Ok((answer, mut body)) = ready.send_request(head("Invoke").body(()).expect("a request"), false) else {
                return;
            };
            let _ = body.send_data(Bytes::from(frame(INVOCATION)), true);
            answers.push(answer);
        }
        // On their way, and taken back together.
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(answers);
    }
}

async fn metadata(requests: SendRequest<Bytes>, size: usize) {
    for _ in 0..40 {
        let Ok(mut ready) = requests.clone().ready().await else { return };
        let large = head("GetTask").header("x-large", "x".repeat(size));
        let Ok((answer, mut body)) = ready.send_request(large.body(()).expect("a request"), false) else { return };
        let _ = body.send_data(Bytes::from(frame(b"\x0a\x06task-1")), true);
        let _ = answer.await;
    }
}

async fn frames(requests: SendRequest<Bytes>) {
    for method in ["GetTask", "Nope"] {
        let Ok(mut ready) = requests.clone().ready().await else { return };
        let Ok((answer, mut body)) = ready.send_request(head(method).body(()).expect("a request"), false) else {
            return;
        };
        for byte in frame(&vec![b'x'; 8_000]) {
            let _ = body.send_data(Bytes::from(vec![byte]), false);
        }
        let _ = body.send_data(Bytes::new(), true);
        let _ = answer.await;
    }
}

async fn refusals(requests: SendRequest<Bytes>) {
    for _ in 0..300 {
        let Ok(mut ready) = requests.clone().ready().await else { return };
        let Ok((answer, mut body)) = ready.send_request(head("Nope").body(()).expect("a request"), false) else {
            return;
        };
        let _ = body.send_data(Bytes::from(vec![0; 65_000]), true);
        let _ = answer.await;
    }
}

/// More at once than a replica's HTTP/2 remembers to have reset.
async fn trailers(requests: SendRequest<Bytes>) {
    for round in 0..40 {
        let mut calls = Vec::new();
        for _ in 0..90 {
            let Ok(mut ready) = requests.clone().ready().await else { return };
            let Ok(call) = ready.send_request(head("Nope").body(()).expect("a request"), false) else { return };
            calls.push(call);
        }
        // On their way when the replica has just reset some of them.
        tokio::time::sleep(Duration::from_millis(round % 12)).await;
        let trailers = HeaderMap::from_iter([(HeaderName::from_static("x"), HeaderValue::from_static("y"))]);
        for (_, body) in calls.iter_mut().rev() {
            let _ = body.send_trailers(trailers.clone());
        }
        for (answer, _) in calls {
            let _ = answer.await;
        }
    }
}
