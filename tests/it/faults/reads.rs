//! Reads that fail: sent again where that helps, within the retries, the platform's wish and the deadline.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::json;
use tokio::time::sleep;
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::{GetTaskActivityRequest, GetTaskRequest, ListTasksRequest, StopTaskRequest};

use crate::support::{
    calls::{follow, invoke},
    direct::Direct,
    live::within,
    platform::{Platform, Reply, Seen, task},
    proxy::{Client, Proxy, settings},
    status::{Failure, failure},
    time::{Moment, SOME_TIME},
};

/// What a read meets.
#[derive(Clone, Debug)]
enum Fault {
    /// The connection is closed or reset behind these bytes.
    Closed(&'static str),
    Reset(&'static str),
    Status(u16),
    /// A status with `retry-after`.
    Later(u16, String),
    Answer(&'static str),
    Silence,
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{\"id\":";

fn reply(fault: &Fault) -> Reply {
    match fault {
        Fault::Closed(bytes) => Reply::Raw((*bytes).into()),
        Fault::Reset(bytes) => Reply::Reset((*bytes).into()),
        Fault::Status(status) => Reply::json(*status, &json!({ "detail": "not now" })),
        Fault::Later(status, when) => Reply::Http(*status, vec![("retry-after", when.clone())], Vec::new()),
        Fault::Answer(body) => Reply::text(200, "application/json", body),
        Fault::Silence => Reply::Silence,
    }
}

/// A call, and which of its reads meets the fault.
#[derive(Clone, Copy, Debug)]
enum Read {
    Task,
    Agent,
    Stream,
    StreamsTask,
    /// An agent's tasks.
    List,
    /// An activity log, whose task can be read.
    Log,
}

const READS: [Read; 6] = [Read::Task, Read::Agent, Read::Stream, Read::StreamsTask, Read::List, Read::Log];

impl Read {
    fn is(self, request: &Seen) -> bool {
        match self {
            Self::Task | Self::StreamsTask => request.path.ends_with("/status"),
            Self::Agent => request.path.starts_with("/agents/"),
            Self::Stream => request.path.ends_with("/events"),
            Self::List => request.path.contains("/history/"),
            Self::Log => request.path.starts_with("/activity/"),
        }
    }

    async fn call(self, client: &mut Client) -> Result<(), tonic::Status> {
        match self {
            Self::Task => client.get_task(get()).await.map(drop),
            Self::Agent => client.invoke(invoke("agent-1")).await.map(drop),
            Self::Stream | Self::StreamsTask => client.stream_events(follow("task-1")).await.map(drop),
            Self::List => {
                let request = ListTasksRequest { agent_id: "agent-1".to_owned(), ..ListTasksRequest::default() };
                client.list_tasks(request).await.map(drop)
            }
            Self::Log => {
                client.get_task_activity(GetTaskActivityRequest { task_id: "task-1".to_owned() }).await.map(drop)
            }
        }
    }
}

fn get() -> GetTaskRequest {
    GetTaskRequest { task_id: "task-1".to_owned() }
}

/// A platform on which this read meets the fault so many times.
async fn platform(read: Read, fault: Fault, times: usize) -> Platform {
    let met = AtomicUsize::new(0);
    Platform::start(move |request| {
        if read.is(request) && met.fetch_add(1, Relaxed) < times {
            return reply(&fault);
        }
        match () {
            () if Read::Stream.is(request) => Reply::Silent(STREAM.into()),
            () if Read::Agent.is(request) => Reply::json(200, &json!({ "id": "agent-1" })),
            () if Read::List.is(request) => Reply::json(200, &json!([])),
            () if Read::Log.is(request) => Reply::json(200, &json!({ "messages": [] })),
            () => Reply::json(200, &task("task-1", "executing")),
        }
    })
    .await
}

async fn proxy(platform: &Platform, retries: u32) -> Proxy {
    let mut settings = settings(&platform.base_url());
    settings.platform.retries = retries;
    settings.platform.request_timeout = SOME_TIME;
    Proxy::with(&settings).await
}

fn count(platform: &Platform, read: Read) -> usize {
    platform.seen().iter().filter(|request| read.is(request)).count()
}

fn passing() -> Vec<Fault> {
    let closed = ["", "HTTP/1.1 200 OK\r\ncontent-le", CUT];
    let lost = closed.into_iter().flat_map(|bytes| [Fault::Closed(bytes), Fault::Reset(bytes)]);
    lost.chain([429, 502, 503, 504].map(Fault::Status)).collect()
}

#[tokio::test]
async fn each_read_that_fails_for_a_moment_is_sent_again_and_succeeds() {
    for read in READS {
        let rows = passing().into_iter().filter(|fault| !matches!((read, fault), (Read::Stream, Fault::Closed(CUT))));
        // Behind the head of an event stream nothing is a failed read any more.
        let rows = rows.filter(|fault| !matches!((read, fault), (Read::Stream, Fault::Reset(CUT))));
        // It is no list from its first byte on; one that breaks off later, `lists::pages` has.
        let rows = rows.filter(|fault| !matches!((read, fault), (Read::List, Fault::Closed(CUT) | Fault::Reset(CUT))));
        join_all(rows.map(async |fault| {
            let platform = platform(read, fault.clone(), 2).await;
            let proxy = proxy(&platform, 2).await;
            let answer = within("an answer", read.call(&mut proxy.client())).await;
            assert!(answer.is_ok(), "{read:?} {fault:?}: {answer:?}");
            assert_eq!(count(&platform, read), 3, "{read:?} {fault:?}");
        }))
        .await;
    }
}

#[tokio::test]
async fn a_read_that_fails_once_more_than_it_may_is_refused_as_it_is() {
    for read in READS {
        let platform = platform(read, Fault::Status(503), 3).await;
        let proxy = proxy(&platform, 2).await;
        let failure = failure(within("an answer", read.call(&mut proxy.client())).await);
        assert_eq!((failure.code, &*failure.facts["http_status"]), (Code::Unavailable, "503"), "{read:?}");
        assert_eq!(count(&platform, read), 3, "{read:?}");
    }
}

#[tokio::test]
async fn a_read_that_fails_for_good_is_sent_once() {
    let rows = [400, 401, 404, 500].map(Fault::Status).into_iter();
    let rows = rows.chain([Fault::Answer("no JSON"), Fault::Answer("{}"), Fault::Silence]);
    for read in [Read::Task, Read::Agent, Read::StreamsTask, Read::List, Read::Log] {
        join_all(rows.clone().map(async |fault| {
            let platform = platform(read, fault.clone(), usize::MAX).await;
            let proxy = proxy(&platform, 3).await;
            let answer = within("an answer", read.call(&mut proxy.client())).await;
            assert!(answer.is_err(), "{read:?} {fault:?}");
            assert_eq!(count(&platform, read), 1, "{read:?} {fault:?}");
        }))
        .await;
    }
}

/// The connection is refused, not broken: nobody listens while the read is sent for the first time.
#[tokio::test]
async fn a_read_outlives_a_platform_that_is_away_for_a_moment() {
    let away = platform(Read::Task, Fault::Silence, 0).await;
    let proxy = proxy(&away, 10).await;
    let address = away.vanish().await;
    let mut client = proxy.client();
    let call = tokio::spawn(async move { client.get_task(get()).await });
    sleep(Duration::from_millis(200)).await;
    let back = Platform::at(address, |_| Reply::json(200, &task("task-1", "executing"))).await;
    within("an answer", call).await.expect("no panic").expect("OK");
    assert_eq!(back.paths().len(), 1);
}

#[tokio::test]
async fn a_stop_is_sent_once() {
    for fault in passing() {
        let platform = Platform::start(move |_| reply(&fault)).await;
        let proxy = proxy(&platform, 3).await;
        let request = StopTaskRequest { task_id: "task-1".to_owned() };
        failure(within("an answer", proxy.client().stop_task(request)).await);
        assert_eq!(platform.paths(), ["DELETE /agent-execution/task-1"]);
    }
}

/// Both forms of it; a date knows no parts of a second, so that one in three seconds is two away at the least.
#[tokio::test]
async fn the_platforms_wish_is_waited_for() {
    // Before the dates are made, which are counted from then on.
    let begun = Moment::now();
    let in_three_seconds = || {
        let at = Timestamp::try_from(SystemTime::now() + Duration::from_secs(3)).expect("a time");
        DateTimePrinter::new().timestamp_to_rfc9110_string(&at).expect("a date")
    };
    let rows = [(429, None), (503, None), (429, Some(in_three_seconds())), (503, Some(in_three_seconds()))];
    let rows = rows.into_iter().map(async |(status, date)| {
        let least = Duration::from_millis(if date.is_some() { 1_500 } else { 1_000 });
        let platform = platform(Read::Task, Fault::Later(status, date.unwrap_or("1".to_owned())), 1).await;
        let proxy = proxy(&platform, 1).await;
        within("an answer", proxy.client().get_task(get())).await.expect("OK");
        let took = (begun.elapsed(), begun.alone());
        assert!(took.0 >= least && took.1 < Duration::from_secs(8), "{status}: {took:?}");
        assert_eq!(count(&platform, Read::Task), 2, "{status}");
    });
    join_all(rows).await;
}

/// Makes one read that fails, with a deadline that only the proxy keeps; how long that took, without what the
/// machine did besides.
async fn fails(fault: Fault, retries: u32, deadline: Duration) -> (Failure, Duration, usize) {
    let platform = platform(Read::Task, fault, usize::MAX).await;
    let proxy = proxy(&platform, retries).await;
    let mut client = Direct::connect(&proxy).await.client();
    let mut request = Request::new(get());
    request.set_timeout(deadline);
    let begun = Moment::now();
    let failure = failure(within("an answer", client.get_task(request)).await);
    (failure, begun.alone(), count(&platform, Read::Task))
}

#[tokio::test]
async fn a_wish_longer_than_ten_seconds_is_the_callers_to_wait_for() {
    for (status, code) in [(429, Code::ResourceExhausted), (503, Code::Unavailable)] {
        let (failure, took, count) = fails(Fault::Later(status, "11".to_owned()), 3, Duration::from_mins(1)).await;
        assert_eq!((failure.code, failure.retry_seconds, count), (code, Some(11), 1));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn a_wish_beyond_the_deadline_is_told_at_once_as_the_platforms_own_error() {
    let (failure, took, count) = fails(Fault::Later(503, "9".to_owned()), 3, Duration::from_secs(8)).await;
    assert_eq!((failure.code, failure.retry_seconds, count), (Code::Unavailable, Some(9), 1));
    assert!(took < Duration::from_millis(2_500), "{took:?}");
}

#[tokio::test]
async fn retries_end_before_the_deadline_with_the_platforms_own_error() {
    const DEADLINE: Duration = SOME_TIME;
    let (failure, took, count) = fails(Fault::Status(503), 10, DEADLINE).await;
    assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PLATFORM_UNAVAILABLE"));
    assert!(took < DEADLINE && count >= 2, "{took:?}, {count} times");
}
