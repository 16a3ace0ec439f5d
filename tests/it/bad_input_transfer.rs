//! Answers that are wrong below their JSON: too large, compressed, a bomb, a redirect, cut off.

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use crate::support::{
    calls::{At, EVERYWHERE, failing},
    platform::{Platform, Reply},
    proxy::{Proxy, settings},
    status::failure,
};

/// `{"id":"task-1","title":"gzipped"}`, by gzip.
const GZIPPED: [u8; 52] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xca, 0x4c, 0x51, 0xb2, 0x52, 0x2a, 0x49,
    0x2c, 0xce, 0xd6, 0x35, 0x54, 0xd2, 0x51, 0x2a, 0xc9, 0x2c, 0xc9, 0x49, 0x05, 0x0a, 0xa4, 0x57, 0x65, 0x16, 0x14,
    0xa4, 0xa6, 0x28, 0xd5, 0x02, 0x00, 0xcd, 0xf7, 0xad, 0x04, 0x21, 0x00, 0x00, 0x00,
];

/// A zstd frame of so many blocks, each 128 KiB of white space in four bytes.
fn bomb(blocks: u32) -> Vec<u8> {
    // Magic number; no checksum and no size; a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for block in 1..=blocks {
        let head = (128 << 10) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    frame
}

async fn start(
    tune: impl FnOnce(&mut Settings),
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> (Platform, Proxy) {
    let platform = Platform::start(failing(reply)).await;
    let mut settings = settings(&platform.base_url());
    tune(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

#[tokio::test]
async fn ten_megabytes_of_html_are_a_502_like_any_other() {
    let page = format!("<html>{}</html>", "<p>Bad Gateway</p>".repeat(600_000));
    let (_platform, proxy) = start(|_| {}, move |_| Reply::text(502, "text/html", &page)).await;
    for at in EVERYWHERE {
        let failure = at.fail(&proxy.client(), "1", None).await;
        let code = if at.creates() { Code::Unknown } else { Code::Unavailable };
        assert_eq!((failure.code, &*failure.facts["http_status"]), (code, "502"), "{at:?}: {failure:?}");
        assert!(failure.message.len() < 200 && !failure.message.contains('<'), "{at:?}: {}", failure.message);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Platform::start(|_| Reply::json(200, &json!({ "id": "task-1" }))).await;
    let location = elsewhere.base_url();
    let redirect = move |case: &str| {
        Reply::Http(case.parse().expect("a status"), vec![("location", format!("{location}/x"))], Vec::new())
    };
    let (_platform, proxy) = start(|_| {}, redirect).await;
    let client = proxy.client();
    let cells = ["301", "302", "303", "307", "308"].into_iter().flat_map(|case| EVERYWHERE.map(|at| (case, at)));
    join_all(cells.map(async |(case, at)| {
        let failure = at.fail(&client, case, None).await;
        assert_eq!((failure.code, &*failure.facts["http_status"]), (Code::Internal, case), "{at:?}: {failure:?}");
        // The usual cause is named, and where it leads is not.
        let told = ["redirect", "platform.base_url", "https://"];
        assert!(told.iter().all(|word| failure.message.contains(word)), "{at:?}: {failure:?}");
        assert!(!failure.message.contains("127.0.0.1"), "{at:?}: {failure:?}");
    }))
    .await;
    assert!(elsewhere.seen().is_empty(), "the key went elsewhere: {:?}", elsewhere.paths());
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_limit_and_not_beyond() {
    let answer = json!({ "id": "task-1", "title": "x".repeat(10_000) }).to_string();
    let size = answer.len();
    for (limit, is_read) in [(size, true), (size - 1, false)] {
        let answer = answer.clone();
        let tune = |settings: &mut Settings| settings.platform.max_answer_bytes = limit;
        let (_platform, proxy) = start(tune, move |_| Reply::text(200, "application/json", &answer)).await;
        let result = proxy.client().get_task(GetTaskRequest { task_id: "task-1".into() }).await;
        assert_eq!(result.is_ok(), is_read, "{limit} of {size} bytes");
        if !is_read {
            let failure = failure(result);
            assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"));
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let gzipped = |_: &str| Reply::Http(200, vec![("content-encoding", "gzip".to_owned())], GZIPPED.to_vec());
    let (platform, proxy) = start(|_| {}, gzipped).await;
    let task = proxy.client().get_task(GetTaskRequest { task_id: "task-1".into() }).await.expect("a task");
    assert_eq!(task.into_inner().task.and_then(|task| task.title).as_deref(), Some("gzipped"));
    let seen = platform.seen();
    assert!(seen[0].header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip")), "{seen:?}");
}

#[tokio::test]
async fn a_compressed_answer_that_is_none_is_an_error() {
    let broken =
        |_: &str| Reply::Http(200, vec![("content-encoding", "gzip".to_owned())], b"{\"id\": \"task-1\"}".to_vec());
    let (_platform, proxy) = start(|_| {}, broken).await;
    let failure = At::Get.fail(&proxy.client(), "1", None).await;
    assert_eq!(failure.code, Code::Internal, "not the JSON expected: {failure:?}");
}

#[tokio::test]
async fn a_bomb_goes_off_at_the_limit() {
    // Four gigabytes in 128 KiB, for each call.
    let bomb = bomb(32 << 10);
    let reply = move |case: &str| {
        let status = case.parse().expect("a status");
        Reply::Http(status, vec![("content-encoding", "zstd".to_owned())], bomb.clone())
    };
    let (_platform, proxy) = start(|settings| settings.platform.max_answer_bytes = 1 << 20, reply).await;
    let client = proxy.client();
    join_all(EVERYWHERE.map(async |at| {
        let failure = at.fail(&client, "200", None).await;
        assert_eq!((failure.code, &*failure.facts["http_status"]), (Code::Internal, "200"), "{at:?}: {failure:?}");
        let failure = at.fail(&client, "403", None).await;
        assert_eq!(failure.code, Code::PermissionDenied, "{at:?}: {failure:?}");
    }))
    .await;
}

#[tokio::test]
async fn white_space_in_four_bytes_a_block_is_read_below_the_limit() {
    // The same frame, so that the bomb is one and not merely broken: no JSON in it, but readable.
    let small = bomb(2);
    let reply = move |_: &str| Reply::Http(200, vec![("content-encoding", "zstd".to_owned())], small.clone());
    let (_platform, proxy) = start(|_| {}, reply).await;
    let failure = At::Get.fail(&proxy.client(), "1", None).await;
    assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"));
    assert!(failure.message.contains("Eof"), "it was decoded: {}", failure.message);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_a_lost_connection() {
    let cut = |_: &str| Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\": \"task-1\"}".to_vec());
    let (_platform, proxy) = start(|_| {}, cut).await;
    // Of a list it would be none from its first byte on.
    for at in EVERYWHERE.into_iter().filter(|at| !at.lists()) {
        let failure = at.fail(&proxy.client(), "1", None).await;
        let code = if at.creates() { Code::Unknown } else { Code::Unavailable };
        assert_eq!(failure.code, code, "{at:?}: {failure:?}");
    }
}
