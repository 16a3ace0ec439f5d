//! Heads of answers as proxies on the way make them: many headers, and long ones.

use http::Response;
use xpander_grpc_proxy::config::Http2;

use super::get;
use crate::support::{
    frames::{Act, Frames},
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
};

/// So many headers beside what an answer has anyway, of so many bytes together.
fn headers(count: usize, bytes: usize) -> Vec<(String, String)> {
    let name = |nth: usize| format!("x-{nth:03}");
    (0..count).map(|nth| (name(nth), "v".repeat((bytes / count).saturating_sub(name(nth).len() + 4)))).collect()
}

const HEADS: [(usize, usize); 5] = [(101, 4 << 10), (250, 16 << 10), (3, 18 << 10), (60, 60 << 10), (250, 62 << 10)];

#[tokio::test]
async fn heads_of_256_headers_and_64_kib_are_read_over_http1() {
    for (count, bytes) in HEADS {
        let platform = Platform::start(move |_| {
            let body = task("task-1", "executing").to_string();
            let mut head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers(count, bytes) {
                head += &format!("{name}: {value}\r\n");
            }
            Reply::Raw((head + "\r\n" + &body).into_bytes())
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let answer = within("an answer", proxy.client().get_task(get())).await;
        assert!(answer.is_ok(), "{count} headers, {bytes} bytes: {answer:?}");
    }
}

#[tokio::test]
async fn heads_of_256_headers_and_64_kib_are_read_over_http2() {
    for (count, bytes) in HEADS {
        let platform = Frames::start(move |_| {
            let mut head = Response::builder().header("content-type", "application/json");
            for (name, value) in headers(count, bytes) {
                head = head.header(name, value);
            }
            let body = task("task-1", "executing").to_string();
            Act::Answer(head.body(()).expect("a head"), vec![body.into()])
        })
        .await;
        let mut settings = settings(&platform.base_url());
        settings.platform.http2 = Http2::PriorKnowledge;
        let proxy = Proxy::with(&settings).await;
        let answer = within("an answer", proxy.client().get_task(get())).await;
        assert!(answer.is_ok(), "{count} headers, {bytes} bytes: {answer:?}");
    }
}

/// As old servers and appliances in between write them; the client libraries of other languages read them too.
#[tokio::test]
async fn heads_with_headers_that_are_none_are_read() {
    for header in ["x-a: b\r\n c", "server : old", "x a: b", "no colon"] {
        let platform = Platform::start(move |_| {
            let body = task("task-1", "executing").to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{header}\r\n\r\n", body.len());
            Reply::Raw((head + &body).into_bytes())
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let answer = within("an answer", proxy.client().get_task(get())).await;
        assert!(answer.is_ok(), "{header}: {answer:?}");
    }
}
