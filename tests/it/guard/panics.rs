//! A panic in the middle of a call of the real server. No request and no setting makes one panic, so the server here is
//! given limits that no file may set: its buffers cannot be made. It is a process of its own, with its own log.

use std::{
    env,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};
use tokio::process::Command;
use tonic::{Code, Status};
use xpander_grpc_proxy::{
    app::Bound,
    proto::{GetTaskRequest, WaitTaskRequest},
    shutdown::Signals,
    telemetry,
};

use crate::{
    load::metric,
    support::{
        binary::Serving,
        calls::{follow, invoke},
        live::{finished, within},
        platform::{Platform, Reply, event, task},
        proxy::settings,
        status::failure,
    },
};

/// What no log may hold.
const CONTENT: &str = "a result that nobody may see";
const UNKNOWN: &str = "a create may have made a task: its outcome is unknown";

/// Whether what is asked by now is answered with so much that it makes the server panic.
#[derive(Clone, Default)]
struct Much {
    agents: Arc<AtomicBool>,
    tasks: Arc<AtomicBool>,
    events: Arc<AtomicBool>,
}

/// A platform, and the server before it.
struct Pair {
    platform: Platform,
    serving: Serving,
    much: Much,
}

/// The server; run by the others, as a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the server of the other tests"]
async fn server() {
    let mut settings = settings(&env::var("BEFORE").expect("a platform"));
    (settings.server.max_calls, settings.server.max_streams) = (1, 1);
    (settings.platform.max_answer_bytes, settings.events.max_event_bytes) = (usize::MAX, usize::MAX);
    let telemetry = telemetry::start(&settings, false).expect("a log");
    let signals = Signals::catch().expect("signals");
    Bound::bind(&settings).await.expect("binds").run(signals.first()).await;
    telemetry.finish().await;
}

impl Pair {
    async fn start() -> Self {
        let much = Much::default();
        let its = much.clone();
        let or_much = |much: &AtomicBool, answer: Value| match much.load(Relaxed) {
            true => Reply::json(200, &json!({ "id": CONTENT.repeat(100_000) })),
            false => Reply::json(200, &answer),
        };
        let platform = Platform::start(move |request| match &*request.path {
            path if path.starts_with("/agents/") => or_much(&its.agents, json!({ "id": "agent-1" })),
            path if path.ends_with("/events") => {
                let text = if its.events.load(Relaxed) { CONTENT.repeat(100_000) } else { String::new() };
                let end = event("task_finished", &finished("completed", "done"));
                let pieces = [event("chunk", &json!(text)), end].concat().into_bytes();
                let pieces: Vec<_> = pieces.chunks(256 << 10).map(<[u8]>::to_vec).collect();
                Reply::Made(Box::new(pieces.into_iter()), Arc::default())
            }
            _ if its.events.load(Relaxed) => Reply::json(200, &task("task-1", "executing")),
            _ => or_much(&its.tasks, finished("completed", "done")),
        })
        .await;
        let mut server = Command::new(env::current_exe().expect("this test"));
        server
            .args(["--exact", "guard::panics::server", "--ignored", "--nocapture"])
            .env("BEFORE", platform.base_url());
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        Self { platform, serving: Serving::start(server).await, much }
    }

    /// How many creates the platform has seen.
    fn creates(&self) -> usize {
        self.platform.seen().iter().filter(|request| request.method == "POST").count()
    }

    async fn get(&self) -> Result<(), Status> {
        let get = GetTaskRequest { task_id: "task-1".to_owned() };
        within("GetTask", self.serving.client().get_task(get)).await.map(drop)
    }

    async fn wait(&self) -> Result<(), Status> {
        let wait = WaitTaskRequest { task_id: "task-1".to_owned(), timeout: None };
        within("WaitTask", self.serving.client().wait_task(wait)).await.map(drop)
    }

    async fn invoke(&self, request_id: &str) -> Result<(), Status> {
        let mut invocation = invoke("agent-1");
        request_id.clone_into(&mut invocation.request_id);
        within("Invoke", self.serving.client().invoke(invocation)).await.map(drop)
    }

    async fn follow(&self) -> Result<(), Status> {
        let mut events =
            within("StreamEvents", self.serving.client().stream_events(follow("task-1"))).await?.into_inner();
        while within("an event", events.message()).await?.is_some() {}
        Ok(())
    }

    async fn metric(&self, name: &str) -> String {
        metric(&self.serving.admin, name, "").await
    }

    /// The call has failed as calls do that panic, and the log says where. What it says besides, in lines.
    async fn panicked(&mut self, failed: Result<(), Status>, reason: &str, outcome: Option<&str>) -> Vec<Value> {
        let failure = failure(failed);
        assert_eq!((failure.code, &*failure.reason), (Code::Internal, reason), "{failure:?}");
        assert_eq!(failure.facts.get("outcome").map(String::as_str), outcome);
        let (call, log) = self.serving.line_after("call").await;
        assert_eq!(
            (&call["code"], &call["end"], &call["reason"]),
            (&json!("INTERNAL"), &json!("finished"), &json!(reason))
        );
        assert!(!log.contains(CONTENT), "{log}");
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        let (panics, others): (Vec<_>, Vec<_>) = lines.partition(|line| line["message"] == "a bug: the code panicked");
        assert_eq!(panics.len(), 1, "{log}");
        assert!(panics[0]["place"].as_str().is_some_and(|place| place.contains(".rs:")), "{log}");
        // The only share is free, and so are the bytes.
        assert_eq!(self.metric("xpander_answers_size_bytes").await, "0");
        others
    }
}

#[tokio::test]
async fn a_read_that_panics_is_internal_and_leaves_nothing_behind() {
    let mut pair = Pair::start().await;
    for _ in 0..2 {
        pair.much.tasks.store(true, Relaxed);
        let failed = pair.get().await;
        pair.panicked(failed, "INTERNAL", None).await;
        pair.much.tasks.store(false, Relaxed);
        pair.get().await.expect("the only share is free");
        pair.serving.line("call").await;
    }
}

#[tokio::test]
async fn a_create_that_panics_before_it_is_on_its_way_has_made_no_task() {
    let mut pair = Pair::start().await;
    for request_id in ["", "one"] {
        pair.much.agents.store(true, Relaxed);
        let failed = pair.invoke(request_id).await;
        let others = pair.panicked(failed, "INTERNAL", Some("not_created")).await;
        assert_eq!((others.len(), pair.creates()), (1, 0), "{others:?}");
    }
    pair.much.agents.store(false, Relaxed);
    pair.invoke("one").await.expect("its name is free, and the lookup");
    assert_eq!((pair.creates(), &*pair.metric("xpander_creates_unknown").await), (1, "0"));
}

#[tokio::test]
async fn a_create_that_panics_on_its_way_is_unknown_and_told_and_counted_once() {
    let mut pair = Pair::start().await;
    pair.much.tasks.store(true, Relaxed);
    for (at, request_id) in [(1, ""), (2, "one")] {
        let failed = pair.invoke(request_id).await;
        let others = pair.panicked(failed, "CREATE_OUTCOME_UNKNOWN", Some("unknown")).await;
        let told = others.iter().filter(|line| line["message"] == UNKNOWN).count();
        assert_eq!((told, others.len(), pair.creates()), (1, 2, at), "{others:?}");
        assert_eq!(pair.metric("xpander_creates_unknown").await, at.to_string());
    }
}

#[tokio::test]
async fn a_wait_that_panics_leaves_no_follower_for_others_to_wait_for() {
    let mut pair = Pair::start().await;
    for _ in 0..2 {
        pair.much.tasks.store(true, Relaxed);
        let failed = pair.wait().await;
        pair.panicked(failed, "INTERNAL", None).await;
        pair.much.tasks.store(false, Relaxed);
        pair.wait().await.expect("a follower of its own");
        pair.serving.line("call").await;
    }
}

#[tokio::test]
async fn a_stream_that_panics_ends_with_a_status_and_leaves_nothing_behind() {
    let mut pair = Pair::start().await;
    for _ in 0..2 {
        pair.much.events.store(true, Relaxed);
        let failed = pair.follow().await;
        pair.panicked(failed, "INTERNAL", None).await;
        pair.much.events.store(false, Relaxed);
        pair.follow().await.expect("the only share is free");
        pair.serving.line("call").await;
    }
}
