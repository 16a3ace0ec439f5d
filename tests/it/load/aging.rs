//! Connections that grow old: told to leave, never cut; what goes on on them goes on, for a while or for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::{Code, Request, transport::Endpoint};
use xpander_grpc_proxy::proto::{
    StreamEventsRequest, TaskEvent, TaskStatus, WaitTaskRequest, agent_service_client::AgentServiceClient,
};

use super::{Busy, get, until};
use crate::support::{
    calls::{follow, invoke},
    course::{Begins, Break, Course, Ids, story},
    direct::Direct,
    live::{Followed, Live, finished, result, within},
    platform::event,
    proxy::{Proxy, settings},
    raw::{GOAWAY, HEADERS, Manners, Raw},
    status::{Failure, failure, was_never_sent},
    time::Moment,
};

/// Calls on one connection until it takes no more.
async fn aged(direct: &Direct) {
    until("the connection's age", async || direct.client().get_task(get("task-1")).await.is_err()).await;
}

#[tokio::test]
async fn a_connection_is_told_to_leave_at_its_age_give_or_take_a_tenth() {
    const AGE: Duration = Duration::from_secs(1);
    let busy = Busy::with(|settings| settings.server.max_connection_age = AGE).await;
    let connections = (0..10).map(|_| async {
        let begun = Moment::now();
        let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
        let heard = raw.heard(GOAWAY).await;
        let times = (begun.elapsed(), begun.alone());
        let frame = heard.frames.iter().find(|frame| frame.0 == GOAWAY).expect("heard");
        // Nothing that was sent before it was read is lost: it says so again, with the last stream, after a ping.
        assert_eq!(frame.3, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        let heard = raw.is_closed().await;
        assert_eq!(heard.count(GOAWAY), 2);
        times
    });
    let mut times = join_all(connections).await;
    times.sort();
    let longest = times.iter().map(|(_, alone)| *alone).max().expect("ten");
    assert!(times[0].0 >= AGE.mul_f64(0.9) && longest < AGE.mul_f64(1.1) + Duration::from_secs(1), "{times:?}");
    assert!(times[9].0 - times[0].0 > Duration::from_millis(10), "they do not leave together: {times:?}");
}

#[tokio::test]
async fn calls_under_way_on_an_old_connection_finish() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_connection_age = Duration::from_millis(300);
    let proxy = Proxy::with(&settings).await;
    let direct = Direct::connect(&proxy).await;
    let mut followed = Followed::with_direct(&direct).await;
    let mut waiting = direct.client();
    let wait = WaitTaskRequest { task_id: "task-1".to_owned(), timeout: None };
    let waiting = tokio::spawn(async move { waiting.wait_task(wait).await });
    aged(&direct).await;
    live.chunk("one");
    assert_eq!(followed.text().await, "one");
    assert!(!waiting.is_finished());
    let end = finished("completed", "done");
    live.becomes(end.clone());
    live.send(event("task_finished", &end));
    assert_eq!(result(&followed.next().await), "done");
    followed.is_over().await;
    let task = within("the answer", waiting).await.expect("no panic").expect("OK").into_inner().task;
    assert_eq!(task.expect("a task").status(), TaskStatus::Completed);
}

/// Its library opens one connection after the other, and no call is lost that was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_calling_while_its_connections_age() {
    const CONNECTIONS: usize = 12;
    let busy = Busy::with(|settings| settings.server.max_connection_age = Duration::from_millis(200)).await;
    let connections = Arc::new(AtomicUsize::new(0));
    let (count, address) = (Arc::clone(&connections), busy.proxy.grpc.trim_start_matches("http://").to_owned());
    let connector = tower::service_fn(move |_: http::Uri| {
        count.fetch_add(1, Relaxed);
        let address = address.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(TcpStream::connect(address).await?)) }
    });
    let channel = Endpoint::new(busy.proxy.grpc.clone()).expect("a URL").connect_with_connector_lazy(connector);
    let calls = (0..8).map(|caller| {
        let mut client = AgentServiceClient::new(channel.clone());
        let connections = Arc::clone(&connections);
        tokio::spawn(async move {
            let mut calls = 0_usize;
            while connections.load(Relaxed) < CONNECTIONS {
                let called = if caller % 2 == 0 {
                    client.get_task(get("task-1")).await.map(drop)
                } else {
                    client.invoke(invoke("agent-1")).await.map(drop)
                };
                match called {
                    Ok(()) => calls += usize::from(caller % 2 == 1),
                    Err(status) if was_never_sent(&status) => {}
                    Err(status) => panic!("after {calls} calls: {status:?}"),
                }
            }
            calls
        })
    });
    let creates = within("all connections", join_all(calls)).await;
    let creates: usize = creates.into_iter().map(|calls| calls.expect("OK")).sum();
    assert!(creates > 2 * CONNECTIONS, "{creates}");
    assert_eq!(busy.seen("POST"), creates, "what was not sent has created nothing");
}

fn last_id(events: &[TaskEvent]) -> String {
    events.iter().rev().find_map(|event| event.event_id.clone()).unwrap_or_default()
}

/// Follows on from the last of these events over a connection of its own, to a failure or to the end.
async fn until_it_is_aged(proxy: &Proxy, events: &mut Vec<TaskEvent>) -> Option<Failure> {
    let request = StreamEventsRequest { last_event_id: last_id(events), ..follow("task-1") };
    let mut followed = Followed::with(&mut proxy.client(), Request::new(request)).await;
    loop {
        match followed.try_next().await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return None,
            Err(status) => return Some(failure(Err::<(), _>(status))),
        }
    }
}

#[tokio::test]
async fn a_stream_that_outlives_the_grace_ends_with_a_hint_and_is_followed_further_on_another_connection() {
    // Three events, then silence; after a reconnect the rest.
    let course = Course::new(Begins::AsAsked, Ids::Numbers, &[(3, Break::Silence)]);
    let running = course.run_with(|settings| {
        settings.events.idle_timeout = Duration::from_secs(60);
        settings.server.max_connection_age = Duration::from_millis(300);
        settings.server.max_connection_age_grace = Duration::from_millis(300);
    });
    let running = running.await;
    let begun = Instant::now();
    let mut events = Vec::new();
    let end = until_it_is_aged(&running.proxy, &mut events).await.expect("no end by itself");
    assert!(begun.elapsed() >= Duration::from_millis(570), "{:?}", begun.elapsed());
    assert_eq!((end.code, &*end.reason), (Code::Unavailable, "CONNECTION_AGED"));
    assert_eq!((end.retry_seconds, &*end.facts["task_id"]), (Some(1), "task-1"));
    assert_eq!(end.facts["last_event_id"], last_id(&events));
    within("the closing of the platform's stream", running.platform.hung_up(1)).await;
    // The rest too may take longer than a connection's age.
    while until_it_is_aged(&running.proxy, &mut events).await.is_some() {}
    let whole = Course::new(Begins::AsAsked, Ids::Numbers, &[]).run().await;
    let whole = Followed::begin(&mut whole.proxy.client()).await.all().await;
    let without_connected = |events: &[_]| story(events).replace("connected ", "");
    assert_eq!(without_connected(&events), without_connected(&whole));
}

#[tokio::test]
async fn without_a_grace_a_stream_goes_on_for_ever() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_connection_age = Duration::from_millis(200);
    settings.server.max_connection_age_grace = Duration::ZERO;
    let proxy = Proxy::with(&settings).await;
    let direct = Direct::connect(&proxy).await;
    let mut followed = Followed::with_direct(&direct).await;
    aged(&direct).await;
    // Many times the age.
    for count in 0..10 {
        live.chunk(&count.to_string());
        assert_eq!(followed.text().await, count.to_string());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Its caller waits for an answer, and has nothing to resume from.
#[tokio::test]
async fn a_unary_call_is_not_ended_by_age() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.server.max_connection_age = Duration::from_millis(200);
    settings.server.max_connection_age_grace = Duration::from_millis(100);
    let proxy = Proxy::with(&settings).await;
    let mut raw = Raw::connect(&proxy, Manners::Good).await;
    let (following, call) = raw.call("StreamEvents", b"\x0a\x06task-1");
    raw.send(&call).await;
    let (waiting, call) = raw.call("WaitTask", b"\x0a\x06task-1");
    raw.send(&call).await;
    // The grace is over when the stream has ended.
    raw.until("the stream's head and end", |heard| heard.of(HEADERS, following) == 2).await;
    assert_eq!(raw.so_far().of(HEADERS, waiting), 0);
    live.becomes(finished("completed", "done"));
    raw.until("the wait's head and end", |heard| heard.of(HEADERS, waiting) == 2).await;
    raw.is_closed().await;
}
