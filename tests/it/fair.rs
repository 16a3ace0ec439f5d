//! Callers share a replica: shares, the room of creates, rates, who a mesh says they are; and one brake before the platform.

mod brake;
mod mesh;
mod observe;
mod rates;
mod shares;
mod throttle;

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering::Relaxed},
};

use tonic::{Code, Status};
use tonic_types::StatusExt;
use xpander_grpc_proxy::{
    config::Settings,
    proto::{GetTaskRequest, StopTaskRequest, WaitTaskRequest},
};

use crate::support::{
    callers::let_in,
    platform::{Platform, Reply, Seen, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
};

/// Three callers, each with its token.
const CALLERS: [(&str, &str); 3] = [("greedy", "token-greedy"), ("modest", "token-modest"), ("other", "token-other")];

/// An event stream that is open and silent.
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";

/// Nothing, in the place of a status.
const SILENCE: u16 = 1;

/// What the platform answers to one kind of request: a status that is no 200, or nothing, `retry-after` in seconds unless that is zero.
#[derive(Default)]
struct Mood {
    status: AtomicU16,
    retry_after: AtomicU16,
}

/// A platform that can be told to refuse, with a proxy before it.
struct World {
    platform: Platform,
    proxy: Proxy,
    creates: Arc<Mood>,
    reads: Arc<Mood>,
    streams: Arc<Mood>,
}

impl Mood {
    fn becomes(&self, status: u16, retry_after: u16) {
        self.retry_after.store(retry_after, Relaxed);
        self.status.store(status, Relaxed);
    }

    fn or(&self, reply: impl FnOnce() -> Reply) -> Reply {
        let retry_after = self.retry_after.load(Relaxed);
        let headers = (retry_after > 0).then(|| ("retry-after", retry_after.to_string()));
        match self.status.load(Relaxed) {
            0 | 200 => reply(),
            SILENCE => Reply::Silence,
            status => Reply::Http(status, headers.into_iter().collect(), b"{}".to_vec()),
        }
    }
}

impl World {
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let [creates, reads, streams] = [(); 3].map(|()| Arc::<Mood>::default());
        let moods = [&creates, &reads, &streams].map(Arc::clone);
        let platform = Platform::with_agents(move |request: &Seen| {
            let [creates, reads, streams] = &moods;
            let answer = || Reply::json(200, &task("task-1", "executing"));
            let same = || Reply::json(200, &task(request.task_id(), "executing"));
            match &*request.method {
                "POST" => creates.or(answer),
                "DELETE" => same(),
                _ if request.path.ends_with("/events") => streams.or(|| Reply::Silent(STREAM.into())),
                _ => reads.or(same),
            }
        })
        .await;
        let mut settings = settings(&platform.base_url());
        change(&mut settings);
        let proxy = Proxy::with(&settings).await;
        Self { platform, proxy, creates, reads, streams }
    }

    /// With callers who have names.
    async fn named(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(|settings| {
            let_in(settings, &CALLERS);
            change(settings);
        })
        .await
    }

    /// How many requests of this method the platform has seen whose path ends so.
    fn seen(&self, method: &str, end: &str) -> usize {
        self.platform.seen().iter().filter(|seen| seen.method == method && seen.path.ends_with(end)).count()
    }
}

/// A call that its caller's own limit refuses: which limit, and how long to wait.
fn is_limited(status: Status, limit: &str, caller: &str) -> Failure {
    let details = status.get_error_details();
    let quota = &details.quota_failure().unwrap_or_else(|| panic!("no QuotaFailure in {status:?}")).violations;
    assert_eq!(quota.len(), 1, "{status:?}");
    assert_eq!((&*quota[0].quota_id, &*quota[0].description), (limit, limit), "{status:?}");
    assert_eq!(quota[0].subject, format!("caller:{caller}"), "{status:?}");
    let failure = failure(Err::<(), _>(status));
    assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "CALLER_LIMITED"), "{failure:?}");
    assert!(failure.retry_seconds.is_some(), "{failure:?}");
    failure
}

fn get(task_id: &str) -> GetTaskRequest {
    GetTaskRequest { task_id: task_id.to_owned() }
}

fn stop(task_id: &str) -> StopTaskRequest {
    StopTaskRequest { task_id: task_id.to_owned() }
}

fn wait(task_id: &str) -> WaitTaskRequest {
    WaitTaskRequest { task_id: task_id.to_owned(), timeout: None }
}
