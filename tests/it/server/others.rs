//! What is not the API's: health, reflection and the admin port have bounds of their own, whoever asks.

use std::time::{Duration, Instant};

use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Streaming};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use crate::{
    load::until,
    support::{
        live::within,
        platform::{Platform, Reply, task},
        proxy::{Proxy, settings},
        raw::{DATA, END_HEADERS, END_STREAM, HEADERS, Manners, RST_STREAM, Raw, SETTINGS, bytes, closed, head_of},
        status::failure,
    },
};

async fn start(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let mut settings = settings(&platform.base_url());
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

fn everything() -> HealthCheckRequest {
    HealthCheckRequest { service: String::new() }
}

async fn watch(proxy: &Proxy) -> Result<Streaming<HealthCheckResponse>, tonic::Status> {
    let mut health = HealthClient::new(proxy.channel());
    Ok(within("an answer", health.watch(everything())).await?.into_inner())
}

#[tokio::test]
async fn watches_and_reflection_have_a_share_of_their_own() {
    let (_platform, proxy) = start(|settings| settings.server.max_other_streams = 2).await;
    let watched = watch(&proxy).await.expect("a share");
    let mut reflection = ServerReflectionClient::new(proxy.channel());
    let reflected = within("an answer", reflection.server_reflection_info(stream::pending())).await.expect("OK");
    let refused = failure(watch(&proxy).await);
    assert_eq!((refused.code, &*refused.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"));
    assert!(refused.message.contains("server.max_other_streams"), "{}", refused.message);
    // Neither probes nor the API wait for them.
    within("a check", HealthClient::new(proxy.channel()).check(everything())).await.expect("OK");
    within("an answer", proxy.client().get_task(GetTaskRequest { task_id: "task-1".to_owned() })).await.expect("OK");
    drop(watched);
    until("room", async || watch(&proxy).await.is_ok()).await;
    drop(reflected);
}

/// Whoever sends half of a check, or does not take the answer, holds no place that a probe needs.
#[tokio::test]
async fn a_check_is_never_refused_and_the_oldest_gives_way() {
    const MOST: u32 = 20;
    let (_platform, proxy) = start(|settings| settings.server.max_other_streams = MOST).await;
    let half = |raw: &mut Raw| {
        let stream = raw.stream();
        (stream, bytes(HEADERS, END_HEADERS, stream, &head_of("proxy", "/grpc.health.v1.Health/Check")))
    };
    let mut raw = Raw::connect(&proxy, Manners::Good).await;
    let (first, head) = half(&mut raw);
    raw.send(&head).await;
    for _ in 0..5 * MOST {
        let (_, head) = half(&mut raw);
        raw.send(&head).await;
    }
    // A window of nothing: a head comes, and no message.
    raw.send(&bytes(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    for _ in 0..5 * MOST {
        let (stream, head) = half(&mut raw);
        raw.send(&[head, bytes(DATA, END_STREAM, stream, &[0; 5])].concat()).await;
    }
    raw.until("the oldest's end", |heard| heard.of(RST_STREAM, first) > 0 || heard.of(HEADERS, first) > 0).await;
    for _ in 0..3 * MOST {
        within("a check", HealthClient::new(proxy.channel()).check(everything())).await.expect("OK");
    }
}

/// Nobody counts the bytes of what asks for them, so a name is all that they may hold.
#[tokio::test]
async fn what_asks_for_health_or_reflection_is_small() {
    let (_platform, proxy) = start(|_| {}).await;
    let service = "x".repeat(5_000);
    let check = HealthClient::new(proxy.channel()).check(HealthCheckRequest { service: service.clone() }).await;
    assert_eq!(check.expect_err("too large").code(), Code::OutOfRange);
    let request =
        ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::FileByFilename(service)) };
    let mut reflection = ServerReflectionClient::new(proxy.channel());
    let answers = reflection.server_reflection_info(stream::iter([request])).await;
    let code = match answers {
        Err(status) => status.code(),
        Ok(answers) => match within("an answer", answers.into_inner().message()).await {
            Err(status) => status.code(),
            // It ends with what it could not read.
            Ok(None) => Code::OutOfRange,
            Ok(Some(answer)) => panic!("{answer:?}"),
        },
    };
    assert_eq!(code, Code::OutOfRange);
}

async fn admin(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.admin.trim_start_matches("http://")).await.expect("connects")
}

async fn is_live(proxy: &Proxy) {
    let mut socket = admin(proxy).await;
    socket.write_all(b"GET /livez HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n").await.expect("connected");
    let mut answer = String::new();
    within("an answer", socket.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("live\n"), "{answer}");
}

#[tokio::test]
async fn silent_connections_to_the_admin_port_are_closed_in_time() {
    const PATIENCE: Duration = Duration::from_millis(300);
    let (_platform, proxy) = start(|settings| settings.server.handshake_timeout = PATIENCE).await;
    // Silent, half of a head, and between two requests.
    for words in [&b""[..], b"GET /livez HT", b"GET /livez HTTP/1.1\r\nhost: proxy\r\n\r\n"] {
        let begun = Instant::now();
        let mut socket = admin(&proxy).await;
        socket.write_all(words).await.expect("connected");
        closed(&mut socket).await;
        assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < 20 * PATIENCE, "{words:?}: {:?}", begun.elapsed());
    }
}

/// However many there are, the newest is served: it may be a probe's.
#[tokio::test]
async fn connections_to_the_admin_port_are_few_and_the_oldest_gives_way() {
    let (_platform, proxy) = start(|settings| settings.server.handshake_timeout = Duration::from_hours(1)).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(admin(&proxy).await);
    }
    is_live(&proxy).await;
    for mut socket in silent.drain(..180) {
        closed(&mut socket).await;
    }
}
