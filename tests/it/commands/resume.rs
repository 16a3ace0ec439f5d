//! A stream that the proxy or the way to it ends is gone on with by the command itself.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::{
    commands::invoke,
    support::{
        binary::{Run, Serving, run},
        certificates::Authority,
        platform::{Platform, Reply, event, task},
    },
};

/// No connection becomes older than some two seconds, and then its streams end.
const AGING: [(&str, &str); 2] =
    [("XPANDER_PROXY_SERVER__MAX_CONNECTION_AGE", "1s"), ("XPANDER_PROXY_SERVER__MAX_CONNECTION_AGE_GRACE", "500ms")];

/// The ids of the events that were printed, in order.
fn ids(run: &Run) -> Vec<u64> {
    let events = run.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.filter_map(|line| line["event"]["eventId"].as_str()?.parse().ok()).collect()
}

/// When the first connection is cut: once the proxy has said so much, or when the test has said so and what the proxy said
/// until then has gone to the caller.
struct Cut {
    most: usize,
    now: Notify,
    is_done: AtomicBool,
}

impl Cut {
    fn after(most: usize) -> Arc<Self> {
        Arc::new(Self { most, now: Notify::new(), is_done: AtomicBool::new(false) })
    }
}

/// What stands between a caller and the proxy.
async fn cutter(proxy: &str, cut: Arc<Cut>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let proxy = proxy.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        let (caller, _) = listener.accept().await.expect("a connection");
        first(caller, &proxy, &cut).await;
        cut.is_done.store(true, Relaxed);
        while let Ok((mut caller, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&proxy).await.expect("it listens");
            tokio::spawn(async move { copy_bidirectional(&mut caller, &mut server).await });
        }
    });
    url
}

/// The connection that is cut.
async fn first(caller: TcpStream, proxy: &str, cut: &Cut) {
    let server = TcpStream::connect(proxy).await.expect("it listens");
    let ((mut asks, mut hears), (mut answers, mut takes)) = (caller.into_split(), server.into_split());
    let is_now = AtomicBool::new(false);
    let said = async {
        let (mut bytes, mut said, mut is_last) = (vec![0; cut.most.min(1 << 14)], 0, false);
        while said < cut.most && !is_last {
            is_last = is_now.load(Relaxed);
            let length = answers.read(&mut bytes).await.expect("read");
            said += length;
            hears.write_all(&bytes[..length]).await.expect("written");
        }
    };
    let now = async {
        cut.now.notified().await;
        is_now.store(true, Relaxed);
        pending::<()>().await;
    };
    tokio::select! {
        () = said => {}
        _ = copy(&mut asks, &mut takes) => {}
        () = now => {}
    }
}

#[tokio::test]
async fn a_stream_that_ends_with_its_connection_goes_on_after_the_last_event() {
    let mut serving = Serving::sandbox(&AGING).await;
    let command = ["invoke", "5000", "--agent", "slow", "--stream"];
    let json = serving.run(&[&command[..], &["--json"]].concat()).await;
    assert_eq!((json.code, &*json.err), (Some(0), ""), "{json:?}");
    let ids = ids(&json);
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "each once and in order");
    serving.line_with("method", "xpander.agent.v1.AgentService/StreamEvents").await;

    let text = serving.run(&command).await;
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.err.contains("interrupted (UNAVAILABLE CONNECTION_AGED); going on in "), "{text:?}");
    assert!(text.out.contains("✓ completed"), "{text:?}");

    let id = invoke(&serving, "slow", "60000").await;
    for command in [&["events", &id][..], &["invoke", "60000", "--agent", "slow", "--stream"]] {
        let text = serving.run(&[command, &["--no-resume"]].concat()).await;
        assert_eq!(text.code, Some(5), "{text:?}");
        assert!(text.err.contains("CONNECTION_AGED") && text.err.contains(" --after "), "{text:?}");
        assert!(text.err.contains("\nthe task goes on\n"), "{text:?}");
    }
}

#[tokio::test]
async fn a_stream_whose_connection_is_cut_goes_on_after_the_last_event() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "slow", "4000").await;
    let url = cutter(&serving.grpc, Cut::after(2048)).await;
    let cut = run(&["events", &id, "--json", "--server", &url], &[]).await;
    assert_eq!(cut.code, Some(0), "{cut:?}");
    let ids = ids(&cut);
    assert!(ids.is_sorted_by(|one, next| one + 1 == *next) && !ids.is_empty(), "{ids:?}");

    let id = invoke(&serving, "slow", "4000").await;
    let cut =
        run(&["events", &id, "--no-resume", "--server", &cutter(&serving.grpc, Cut::after(2048)).await], &[]).await;
    assert!(cut.code == Some(5) && cut.err.contains("the task goes on"), "{cut:?}");
}

#[tokio::test]
async fn a_task_is_waited_for_across_a_cut() {
    waited_for_across_a_cut(&[], &[]).await;
}

#[tokio::test]
async fn a_task_is_waited_for_across_a_cut_of_tls() {
    let authority = Authority::new();
    let server = authority.vouch_for("localhost");
    let [ca, cert, key] =
        [&authority.ca_file, &server.cert_file, &server.key_file].map(|file| file.to_str().expect("UTF-8"));
    let tls = [("XPANDER_PROXY_SERVER__TLS_CERT_FILE", cert), ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", key)];
    waited_for_across_a_cut(&tls, &["--ca-file", ca, "--server-name", "localhost"]).await;
}

async fn waited_for_across_a_cut(settings: &[(&str, &str)], flags: &[&str]) {
    let cut = Cut::after(usize::MAX);
    let its_cut = Arc::clone(&cut);
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::Silence,
        false => {
            // The wait has begun, and is over when it is asked for again.
            its_cut.now.notify_one();
            let is_done = its_cut.is_done.load(Relaxed);
            Reply::json(200, &task("task-1", if is_done { "completed" } else { "executing" }))
        }
    })
    .await;
    // Its pings are what the proxy says when all else is said.
    let settings = [settings, &[("XPANDER_PROXY_SERVER__KEEPALIVE_INTERVAL", "1s")]].concat();
    let serving = Serving::before(&platform.base_url(), &settings).await;
    let url = cutter(&serving.grpc, cut).await;
    let url = if flags.is_empty() { url } else { url.replace("http:", "https:") };
    let run = run(&[&["wait", "task-1", "--server", &url], flags].concat(), &[]).await;
    assert!(run.code == Some(0) && run.err.contains("going on in "), "{run:?}");
}

#[tokio::test]
async fn a_proxy_that_stays_away_is_not_waited_for_without_an_end() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "slow", "600000").await;
    let mut following =
        crate::support::terminal::Terminal::run(200, &["events", &id], &[("XPANDER_GRPC_SERVER", &serving.grpc)]);
    following.until("0 ").await;
    drop(serving);
    let (code, shown) = following.ended().await;
    assert_eq!(code, Some(5), "{shown}");
    assert!(shown.matches("going on in").count() == 8 && shown.contains("Connection refused"), "{shown}");
    assert!(shown.contains("--after "), "{shown}");
}

/// Another task's end on the same stream is no end of the one that is followed.
#[tokio::test]
async fn another_tasks_end_is_not_taken_for_the_followed_ones() {
    let platform = Platform::with_agents(|request| match request.path.ends_with("/events") {
        true => Reply::events(&event("task_finished", &task("task-1", "completed")).replace("task-1", "task-9")),
        false => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await;
    let soon = [("XPANDER_PROXY_EVENTS__RECONNECT_BUDGET", "100ms")];
    let serving = Serving::before(&platform.base_url(), &soon).await;
    let run = serving.run(&["events", "task-1", "--no-resume"]).await;
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("events task-1"), "{run:?}");
}
