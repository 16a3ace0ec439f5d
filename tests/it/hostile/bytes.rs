//! Bytes that come oddly: one at a time, between lone CRs, behind endless headers.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tonic::{Code, transport::Endpoint};
use xpander_grpc_proxy::proto::GetTaskRequest;

use super::{MB, end, platform};
use crate::support::{
    calls::{At, EVERYWHERE, failing},
    live::{Followed, Live, result, within},
    platform::{Platform, Reply, event},
    proxy::{Client, Proxy, settings},
    time::SOME_TIME,
};

#[tokio::test]
async fn lone_crs_end_lines_and_their_events_arrive_at_once() {
    let live = Live::executing().await;
    let proxy = Proxy::start(&live.platform.base_url()).await;
    let mut followed = Followed::begin(&mut proxy.client()).await;
    let event = |text| event("chunk", &json!(text)).trim_end().to_owned();
    live.send(event("one") + "\r\r");
    assert_eq!(followed.text().await, "one", "without waiting for what may be a LF");
    live.send("\n\r\r\r\n\r");
    live.send(": ping\rid: 7\r".to_owned() + &event("two") + "\r");
    live.send("\n");
    live.send("\r\n");
    assert_eq!(followed.text().await, "two");
    live.send(vec![b'\r'; 4 * MB]);
    live.send(event("three") + "\r\r");
    assert_eq!(followed.text().await, "three");
}

#[tokio::test]
async fn a_header_of_a_megabyte_from_the_platform_is_a_lost_answer() {
    let long = "x".repeat(MB);
    let one = format!("HTTP/1.1 200 OK\r\nx-long: {long}\r\ncontent-length: 2\r\n\r\n{{}}");
    let endless = format!("HTTP/1.1 200 OK\r\nx-long: {long}{long}");
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 2\r\n\r\n{{}}", "x-short: x\r\n".repeat(MB / 12));
    let heads = [one, endless, many];
    let nth = move |case: &str| Reply::Raw(heads[case.parse::<usize>().expect("a row")].clone().into_bytes());
    let platform = Platform::start(failing(nth)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    for at in EVERYWHERE {
        for case in ["0", "1", "2"] {
            let failure = within("an answer", at.fail(&proxy.client(), case, None)).await;
            let code = if at.creates() { Code::Unknown } else { Code::Unavailable };
            assert_eq!(failure.code, code, "{at:?} {case}: {failure:?}");
        }
    }
}

const DRIP: Duration = Duration::from_millis(1);
/// So slow that a stream takes longer than a request may.
const SLOWER: Duration = Duration::from_millis(10);

fn stream_of(events: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{events}").into()
}

#[tokio::test]
async fn what_drips_in_byte_by_byte_arrives() {
    let answer = r#"{"id": "task-2", "result": "fine", "status": "completed"}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).into_bytes();
    let events = stream_of(&(event("chunk", &json!("gööd")) + &String::from_utf8(end()).expect("UTF-8")));
    let stream = move || Reply::Dripped(events.clone(), SLOWER);
    let platform = platform(stream, move || Reply::Dripped(answer.clone(), DRIP)).await;
    let mut settings = settings(&platform.base_url());
    // A stream is not bounded by the time of a request, and every byte is a sign of life.
    settings.platform.request_timeout = SOME_TIME;
    settings.events.idle_timeout = Duration::from_secs(2);
    let proxy = Proxy::with(&settings).await;
    // The caller's bytes come one at a time too.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let relay = format!("http://{}", listener.local_addr().expect("bound"));
    let address = proxy.grpc.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        let (caller, _) = listener.accept().await.expect("a caller");
        let (proxy, (mut from, mut back)) = (TcpStream::connect(address).await.expect("connects"), caller.into_split());
        proxy.set_nodelay(true).expect("connected");
        let (mut answers, mut bytes) = proxy.into_split();
        tokio::spawn(async move { copy(&mut answers, &mut back).await });
        while let Ok(byte) = from.read_u8().await {
            sleep(DRIP / 4).await;
            bytes.write_u8(byte).await.expect("the proxy reads on");
        }
    });
    let mut client = Client::new(Endpoint::new(relay).expect("a URL").connect_lazy());
    let task = within("an answer", client.get_task(GetTaskRequest { task_id: "task-2".to_owned() })).await.expect("OK");
    assert_eq!(task.into_inner().task.expect("a task").result.as_deref(), Some("fine"));
    let begun = Instant::now();
    let mut followed = Followed::begin(&mut client).await;
    assert_eq!(followed.text().await, "gööd");
    assert_eq!(result(&followed.next().await), "done");
    followed.is_over().await;
    assert!(begun.elapsed() > SOME_TIME, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_drips_for_too_long_ends_by_the_timeouts() {
    let slowly = Duration::from_millis(50);
    let drip = move |text: String| Reply::Dripped(text.into_bytes(), slowly);
    // For longer than any test waits.
    let long = "x".repeat(100_000);
    let nth = move |case: &str| match case {
        "head" => drip(format!("HTTP/1.1 200 OK\r\nx-long: {long}")),
        "body" => drip(format!("HTTP/1.1 200 OK\r\n\r\n{{\"id\": \"{long}")),
        _ => drip(format!("HTTP/1.1 403 X\r\n\r\n{{\"detail\": \"{long}")),
    };
    let platform = Platform::start(failing(nth)).await;
    let mut settings = settings(&platform.base_url());
    settings.platform.request_timeout = Duration::from_millis(400);
    let proxy = Proxy::with(&settings).await;
    let client = proxy.client();
    let cells = ["head", "body"].into_iter().flat_map(|case| EVERYWHERE.map(|at| (case, at)));
    join_all(cells.map(async |(case, at)| {
        let failure = within("an answer", at.fail(&client, case, None)).await;
        assert_eq!(failure.code, Code::DeadlineExceeded, "{at:?} {case}: {failure:?}");
    }))
    .await;
    // A refusal is one by its status; of its body as much is read as comes in two seconds.
    settings.platform.request_timeout = Duration::from_hours(1);
    let proxy = Proxy::with(&settings).await;
    let failure = within("a refusal", At::Get.fail(&proxy.client(), "refusal", None)).await;
    assert_eq!(failure.code, Code::PermissionDenied, "{failure:?}");
}
