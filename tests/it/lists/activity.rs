//! Activity logs: entry by entry as they arrive, no faster than they are taken, however long the log is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::json;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use xpander_grpc_proxy::{
    config::Settings,
    proto::{
        ActivityEntry, ActivityThread, GetTaskActivityRequest, GetTaskActivityResponse, activity_entry::Entry,
        get_task_activity_response::Item,
    },
};

use crate::{
    hostile::{MB, Process},
    load::until,
    support::{
        direct::Direct,
        live::within,
        platform::{Platform, Reply, task},
        proxy::{Client, Proxy, settings},
        status::failure,
    },
};

/// A platform whose tasks have this log.
async fn platform(log: impl Fn() -> Reply + Send + Sync + 'static) -> Platform {
    Platform::start(move |request| match &*request.path {
        path if path.starts_with("/activity/") => log(),
        _ => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await
}

fn of(task_id: &str) -> GetTaskActivityRequest {
    GetTaskActivityRequest { task_id: task_id.to_owned() }
}

async fn open(client: &mut Client) -> Streaming<GetTaskActivityResponse> {
    within("a log", client.get_task_activity(of("task-1"))).await.expect("OK").into_inner()
}

async fn next(stream: &mut Streaming<GetTaskActivityResponse>) -> Result<Option<Item>, Status> {
    let message = within("a message", stream.message()).await?;
    Ok(message.map(|message| message.item.expect("an item")))
}

async fn thread(stream: &mut Streaming<GetTaskActivityResponse>) -> ActivityThread {
    match next(stream).await.expect("OK") {
        Some(Item::Thread(thread)) => *thread,
        _ => panic!("a thread is expected"),
    }
}

async fn entry(stream: &mut Streaming<GetTaskActivityResponse>) -> ActivityEntry {
    match next(stream).await.expect("OK") {
        Some(Item::Entry(entry)) => *entry,
        _ => panic!("an entry is expected"),
    }
}

#[tokio::test]
async fn an_entry_is_with_the_caller_before_the_next_one_has_been_written() {
    let (send, pieces) = mpsc::unbounded_channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let platform = platform(move || Reply::Stream(pieces.lock().expect("no panic").take().expect("once"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let write = |text: &str| send.send(text.as_bytes().to_vec()).expect("open");
    write(r#"{"id": "task-1", "user": {"id": "u", "email": "a@b.c"}, "messages": ["#);
    let mut stream = open(&mut proxy.client()).await;
    let told = thread(&mut stream).await;
    assert_eq!((told.id.as_deref(), told.user.and_then(|user| user.id).as_deref()), (Some("task-1"), Some("u")));
    for (text, id) in [(r#"{"id": "m1"},"#, "m1"), (r#"{"id": "m2", "role": "agent", "content": {}}"#, "m2")] {
        write(text);
        assert_eq!(entry(&mut stream).await.id.as_deref(), Some(id));
    }
    // What is said of the thread behind its entries is told, too, with all else.
    write(r#"], "created_at": "2026-04-10T19:01:35Z", "mood": 1}"#);
    drop(send);
    let told = thread(&mut stream).await;
    assert_eq!((told.id.as_deref(), told.created_at.map(|at| at.seconds)), (Some("task-1"), Some(1_775_847_695)));
    assert!(told.user.is_some() && told.other.is_some_and(|other| other.fields().contains_key("mood")));
    assert!(next(&mut stream).await.expect("OK").is_none());
}

/// A log of so many entries of a kilobyte, made as it is written.
fn long(count: usize, written: &Arc<AtomicUsize>) -> Reply {
    let text = "x".repeat(900);
    let entries = (0..count).map(move |id| {
        let entry = json!({ "id": format!("m-{id}"), "role": "agent", "content": { "text": text, "files": [] } });
        format!("{}{entry}", if id == 0 { r#"{"id": "task-1", "messages": ["# } else { "," }).into_bytes()
    });
    Reply::Made(Box::new(entries.chain([b"]}".to_vec()])), Arc::clone(written))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_a_hundred_megabytes_passes_through_a_few() {
    const COUNT: usize = 105_000;
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let platform = Platform::start(move |request| match request.task_id() {
        "well" => Reply::json(200, &task("well", "executing")),
        "task-1" => Reply::json(200, &task("task-1", "executing")),
        _ => long(COUNT, &counted),
    })
    .await;
    let process = Process::before(platform).await;
    let mut stream = open(&mut process.client()).await;
    thread(&mut stream).await;
    for id in 0..COUNT {
        assert_eq!(entry(&mut stream).await.id, Some(format!("m-{id}")));
    }
    assert!(next(&mut stream).await.expect("OK").is_none());
    assert!(written.load(Relaxed) > 100_000_000, "{}", written.load(Relaxed));
    assert!(process.peak() < 16 * MB, "{} MB", process.peak() / MB);
}

#[tokio::test]
async fn a_caller_that_does_not_read_stops_the_platform_and_one_that_leaves_closes_it() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let platform = platform(move || long(105_000, &counted)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut client = Direct::connect(&proxy).await.client();
    let stream = within("a log", client.get_task_activity(of("task-1"))).await.expect("OK");
    // It has stopped when it has not written for as many looks as that.
    let (mut before, mut looks) = (0, 0);
    until("a platform that has stopped", || {
        let now = written.load(Relaxed);
        looks = if std::mem::replace(&mut before, now) == now && now > 0 { looks + 1 } else { 0 };
        let has_stopped = looks > 50;
        async move { has_stopped }
    })
    .await;
    assert!(written.load(Relaxed) < 20 * MB, "{}", written.load(Relaxed));
    drop(stream);
    within("the closing of the platform's connection", platform.hung_up(1)).await;
}

#[tokio::test]
async fn a_log_that_is_small_tells_all_of_its_thread_first() {
    let log = r#"{"messages": [{"id": "m1"}], "user": {"id": "u", "email": "a@b.c"}, "id": "task-1"}"#;
    let platform = platform(move || Reply::text(200, "application/json", log)).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut stream = open(&mut proxy.client()).await;
    let told = thread(&mut stream).await;
    assert!(told.id.is_some() && told.user.is_some());
    assert_eq!(entry(&mut stream).await.id.as_deref(), Some("m1"));
    assert!(next(&mut stream).await.expect("OK").is_none());
}

#[tokio::test]
async fn a_task_without_a_log_is_not_found() {
    let platform = platform(|| Reply::json(404, &json!({ "detail": "Log not found" }))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let told = failure(proxy.client().get_task_activity(of("task-1")).await);
    assert_eq!((told.code, &*told.reason, &*told.message), (Code::NotFound, "PLATFORM_NOT_FOUND", "Log not found"));
    assert_eq!(told.facts["task_id"], "task-1");
    let paths = ["GET /agent-execution/task-1/status", "GET /activity/agent-1/task-1"];
    assert_eq!(platform.paths(), paths);
}

#[tokio::test]
async fn a_log_that_breaks_before_its_first_entry_is_asked_for_again_and_one_that_breaks_later_is_told() {
    // Longer than what is read whole.
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n";
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let platform = platform(move || match counted.fetch_add(1, Relaxed) {
        0 => Reply::Raw(format!("{HEAD}{{\"id\": \"task-1\",").into_bytes()),
        _ => Reply::Raw(format!("{HEAD}{{\"messages\": [{{\"id\": \"m1\"}}, {{").into_bytes()),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.platform.retries = 3;
    let proxy = Proxy::with(&settings).await;
    let mut stream = open(&mut proxy.client()).await;
    thread(&mut stream).await;
    assert_eq!(entry(&mut stream).await.id.as_deref(), Some("m1"));
    let told = failure(next(&mut stream).await.map(drop));
    assert_eq!((told.code, &*told.reason), (Code::Unavailable, "PLATFORM_CONNECTION_LOST"));
    assert_eq!((told.facts["task_id"].as_str(), asked.load(Relaxed)), ("task-1", 2));
}

#[tokio::test]
async fn an_entry_may_be_as_large_as_an_answer_and_no_larger() {
    for (size, is_read) in [(50_000, true), (200_000, false)] {
        let entry = json!({ "messages": [{ "role": "user", "content": { "text": "x".repeat(size) } }] });
        let platform = platform(move || Reply::json(200, &entry)).await;
        let mut settings = settings(&platform.base_url());
        settings.platform.max_answer_bytes = 100_000;
        let proxy = Proxy::with(&settings).await;
        let mut stream = open(&mut proxy.client()).await;
        thread(&mut stream).await;
        let told = next(&mut stream).await;
        assert_eq!(told.is_ok(), is_read);
        if !is_read {
            assert_eq!(failure(told.map(drop)).reason, "PLATFORM_ANSWER_UNREADABLE");
        }
    }
}

#[tokio::test]
async fn tokens_are_taken_out_of_a_log_unless_a_setting_forwards_them() {
    let entry = json!({ "id": "m", "type": "token_ready", "data": { "server_name": "s", "access_token": "a-secret" } });
    let unknown = json!({ "id": "m", "type": "handed_over", "data": { "refreshToken": "a-secret" } });
    for is_forwarded in [false, true] {
        let log = json!({ "messages": [entry, unknown] });
        let platform = platform(move || Reply::json(200, &log)).await;
        let mut settings: Settings = settings(&platform.base_url());
        settings.events.forward_access_tokens = is_forwarded;
        let proxy = Proxy::with(&settings).await;
        let mut stream = open(&mut proxy.client()).await;
        thread(&mut stream).await;
        for token in ["access_token", "refreshToken"] {
            let Some(Entry::Auth(auth)) = self::entry(&mut stream).await.entry else { panic!("an auth event") };
            assert_eq!(auth.data.expect("data").fields().contains_key(token), is_forwarded);
        }
    }
}
