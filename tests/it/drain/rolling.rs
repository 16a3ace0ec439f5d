//! A rolling restart of real processes under load, seen by a client that knows their addresses: no unary call is lost, no
//! task is created twice, and each stream is resumed after its last event to its whole end.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;
use xpander_grpc_proxy::{
    proto::{
        EventType, InvokeStreamRequest, TaskEvent, agent_service_client::AgentServiceClient,
        invoke_stream_response::Item,
    },
    sandbox::Sandbox,
};

use crate::support::{binary::Serving, calls::follow, live::within, sandbox::asking, status::was_never_sent};

/// How many processes there are, and how many callers of each kind.
const REPLICAS: usize = 3;
const CALLERS: usize = 4;
const STREAMS: usize = 9;
/// How long each followed task talks: longer than the restart takes.
const TALK: &str = "12000";

type Client = AgentServiceClient<Channel>;

/// The processes that calls may go to; those that drain are still in it for a moment, as in any registry.
#[derive(Default)]
struct Registry {
    clients: Mutex<Vec<(String, Client)>>,
}

impl Registry {
    fn add(&self, address: &str) {
        let channel = Endpoint::new(address.to_owned()).expect("a URL").connect_lazy();
        self.clients.lock().expect("no panic").push((address.to_owned(), Client::new(channel)));
    }

    fn remove(&self, address: &str) {
        self.clients.lock().expect("no panic").retain(|(known, _)| known != address);
    }

    fn pick(&self, nth: usize) -> Client {
        let clients = self.clients.lock().expect("no panic");
        clients[nth % clients.len()].1.clone()
    }

    /// Makes a call that may be repeated at another address as long as it is unavailable.
    async fn call<T>(&self, mut nth: usize, call: impl AsyncFn(Client) -> Result<T, Status>) -> T {
        within("a call that works", async {
            loop {
                match call(self.pick(nth)).await {
                    Ok(answer) => return answer,
                    Err(status) if status.code() == Code::Unavailable || was_never_sent(&status) => nth += 1,
                    Err(status) => panic!("lost: {status:?}"),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }
}

/// Creates tasks and reads them back until told to stop, and some in any case; the prompts it has created tasks for.
async fn create_and_read(registry: &Registry, caller: usize, stop: &CancellationToken) -> Vec<String> {
    let mut prompts = Vec::new();
    while !stop.is_cancelled() || prompts.len() < 10 {
        let nth = prompts.len();
        let prompt = format!("{caller} {nth}");
        // A create that is UNAVAILABLE was not made: what may have been made says so by another code.
        let create = async |mut client: Client| client.invoke(asking("echo", &prompt)).await;
        let task = registry.call(nth, create).await.into_inner().task.expect("a task");
        let read = async |mut client: Client| {
            client.get_task(xpander_grpc_proxy::proto::GetTaskRequest { task_id: task.id.clone() }).await
        };
        let read = registry.call(nth + 1, read).await.into_inner().task.expect("a task");
        assert_eq!(read.id, task.id);
        prompts.push(prompt);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    prompts
}

/// Follows a task from its creation to its end, over as many processes as it takes; its events, and the interruptions.
async fn follow_to_the_end(registry: &Registry, nth: usize) -> (Vec<TaskEvent>, usize) {
    let request = InvokeStreamRequest { invocation: Some(asking("slow", TALK)), heartbeat: None };
    let begin = async |mut client: Client| client.invoke_stream(request.clone()).await;
    let mut stream = registry.call(nth, begin).await.into_inner();
    let (mut events, mut task_id) = (Vec::new(), String::new());
    let end = loop {
        match within("an item", stream.message()).await {
            Ok(Some(message)) => match message.item.expect("an item") {
                Item::Task(task) => task_id = task.id,
                Item::Event(event) => events.push(event),
            },
            Ok(None) => return (events, 0),
            Err(status) => break status,
        }
    };
    let mut last = resume_after(&end, &events);
    for interruptions in 1.. {
        let mut request = follow(&task_id);
        request.last_event_id = last;
        let again = async |mut client: Client| client.stream_events(request.clone()).await;
        let mut stream = registry.call(nth + interruptions, again).await.into_inner();
        let end = loop {
            match within("an event", stream.message()).await {
                Ok(Some(message)) => events.push(message.event.expect("an event")),
                Ok(None) => return (events, interruptions),
                Err(status) => break status,
            }
        };
        last = resume_after(&end, &events);
    }
    unreachable!("it ends")
}

/// What a drain tells a stream: where to go on, and that it is worth it.
fn resume_after(end: &Status, events: &[TaskEvent]) -> String {
    let details = end.get_error_details();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(details.retry_info().is_some(), "{end:?}");
    let info = details.error_info().unwrap_or_else(|| panic!("cut off: {end:?}"));
    assert_eq!(info.reason, "PROXY_DRAINING");
    // Told nothing yet on this connection, it goes on after what it knows itself.
    let known = events.iter().rev().find_map(|event| event.event_id.clone()).unwrap_or_default();
    if let Some(last) = info.metadata.get("last_event_id") {
        assert_eq!(*last, known);
    }
    known
}

async fn replica(sandbox: &Sandbox) -> Serving {
    let environment = [("XPANDER_PROXY_SERVER__DRAIN_DELAY", "300ms"), ("XPANDER_PROXY_SERVER__DRAIN_TIMEOUT", "2s")];
    Serving::before(&sandbox.base_url(), &environment).await
}

/// Replaces one process after the other.
async fn restart(registry: &Registry, sandbox: &Sandbox, replicas: Vec<Serving>) -> Vec<Serving> {
    let mut new = Vec::new();
    for old in replicas {
        let replacement = replica(sandbox).await;
        registry.add(&replacement.grpc);
        new.push(replacement);
        old.signal("TERM").await;
        // As late as the delay allows, so that calls arrive while it drains.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let address = old.grpc.clone();
        registry.remove(&address);
        assert_eq!(old.ended().await, Some(0));
    }
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_call_and_every_stream_goes_on() {
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
    let (registry, stop) = (Registry::default(), CancellationToken::new());
    let replicas = join_all((0..REPLICAS).map(|_| replica(&sandbox))).await;
    replicas.iter().for_each(|replica| registry.add(&replica.grpc));
    let calling = join_all((0..CALLERS).map(|caller| create_and_read(&registry, caller, &stop)));
    let following = join_all((0..STREAMS).map(|nth| follow_to_the_end(&registry, nth)));
    let restarting = async {
        within("the streams", sandbox.until_open_streams(STREAMS)).await;
        let new = restart(&registry, &sandbox, replicas).await;
        stop.cancel();
        new
    };
    let (prompts, followed, _new) = tokio::join!(calling, following, restarting);
    let prompts = prompts.concat();
    let mut interruptions = 0;
    for (events, times) in followed {
        is_whole(&events);
        interruptions += times;
    }
    assert!(interruptions >= STREAMS / REPLICAS, "the restart has interrupted streams: {interruptions}");
    // Once each.
    let mut created: HashMap<String, usize> = HashMap::new();
    for request in sandbox.seen().iter().filter(|request| request.path == "/agent-execution/echo") {
        *created.entry(request.body["input"]["text"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    for prompt in &prompts {
        assert_eq!(created.remove(prompt), Some(1), "{prompt}");
    }
}

/// Each piece of the talk once, in order, and the end.
fn is_whole(events: &[TaskEvent]) {
    let ids: Vec<u64> = events.iter().filter_map(|event| event.event_id.as_deref()?.parse().ok()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    let chunks = events.iter().filter(|event| event.r#type() == EventType::Chunk).count();
    assert_eq!(chunks, 120, "{ids:?}");
    assert_eq!(events.last().map(TaskEvent::r#type), Some(EventType::TaskFinished));
    assert!(events.iter().all(|event| event.r#type() != EventType::StreamGap));
}
