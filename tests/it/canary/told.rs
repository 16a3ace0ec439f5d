//! What callers are told: the calls, each with a request full of marks, and what came back.

use std::time::Duration;

use prost::Message;
use tonic::{
    Request, Response, Status, Streaming,
    metadata::{AsciiMetadataKey, MetadataMap},
};
use xpander_grpc_proxy::proto::{
    GetTaskActivityRequest, GetTaskRequest, InvokeRequest, InvokeStreamRequest, ListAgentsRequest, ListTasksRequest,
    StopTaskRequest, StreamEventsRequest, WaitTaskRequest,
};

use super::marks::{CALLERS_KEY, GATEWAYS_USER, TOKEN, mark, request};
use crate::support::{live::within, proxy::Client};

/// What a caller was told: messages in full, and what is said of a failure.
#[derive(Default)]
pub struct Told {
    pub answers: String,
    pub failures: Vec<Failed>,
}

/// A failed call: the case, and every text of its status.
pub struct Failed {
    pub case: String,
    pub text: String,
}

/// What is shown with a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// A token, and a user that the gateway names.
    Token,
    /// The caller's own key beside it.
    Key,
}

impl Told {
    pub fn failed(&mut self, case: &str, status: &Status) {
        let mut text = format!("{:?} {} ", status.code(), status.message());
        text += &String::from_utf8_lossy(status.details());
        for (name, value) in &status.metadata().clone().into_headers() {
            text += &format!(" {name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        self.failures.push(Failed { case: case.to_owned(), text });
    }

    fn answered<M: Message>(&mut self, case: &str, result: Result<Response<M>, Status>) {
        match result {
            Ok(answer) => self.answers += &String::from_utf8_lossy(&answer.into_inner().encode_to_vec()),
            Err(status) => self.failed(case, &status),
        }
    }

    /// Reads a stream, but for so long only: some have no end.
    async fn streamed<M: Message>(&mut self, case: &str, result: Result<Response<Streaming<M>>, Status>) {
        let mut messages = match result {
            Ok(stream) => stream.into_inner(),
            Err(status) => return self.failed(case, &status),
        };
        loop {
            match within(case, messages.message()).await {
                Ok(Some(message)) => self.answers += &String::from_utf8_lossy(&message.encode_to_vec()),
                Ok(None) => return,
                Err(status) => return self.failed(case, &status),
            }
        }
    }
}

/// A request with what is shown, and with what is passed on or measured.
pub fn showing<M>(message: M, shows: Shows) -> Request<M> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    add(metadata, "authorization", &format!("Bearer {TOKEN}"));
    add(metadata, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    add(metadata, "tracestate", &format!("vendor={}", mark("tracestate")));
    add(metadata, "baggage", &format!("user={}", mark("baggage")));
    add(metadata, "x-of-tomorrow", &mark("other-metadata"));
    for (name, value) in GATEWAYS_USER {
        add(metadata, name, value);
    }
    if shows == Shows::Key {
        add(metadata, "x-api-key", CALLERS_KEY);
        add(metadata, "x-organization-id", "org-2");
    }
    request
}

pub fn add(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    metadata.insert(AsciiMetadataKey::from_static(name), value.parse().expect("ASCII"));
}

/// An invocation without the user, whom the gateway names.
fn of_the_gateway(id: &str) -> InvokeRequest {
    InvokeRequest { user_details: None, principal: None, ..request(id) }
}

/// Every call about this id.
pub async fn every_call(mut client: Client, id: &str, shows: Shows) -> Told {
    let mut told = Told::default();
    let task_id = || id.to_owned();
    // Also for those that the platform never answers.
    let patience = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    let wait = WaitTaskRequest { task_id: task_id(), timeout: patience };
    told.answered(id, within(id, client.get_task(showing(GetTaskRequest { task_id: task_id() }, shows))).await);
    told.answered(id, within(id, client.wait_task(showing(wait, shows))).await);
    told.answered(id, within(id, client.stop_task(showing(StopTaskRequest { task_id: task_id() }, shows))).await);
    let events = StreamEventsRequest { task_id: task_id(), ..StreamEventsRequest::default() };
    let mut events = showing(events, shows);
    events.set_timeout(Duration::from_secs(3));
    let events = within(id, client.stream_events(events)).await;
    told.streamed(id, events).await;
    lists(&mut told, &mut client, id, shows).await;
    for agent in [id.to_owned(), format!("lookup.{id}")] {
        told.answered(&agent, within(&agent, client.invoke(showing(request(&agent), shows))).await);
        told.answered(&agent, within(&agent, client.invoke(showing(of_the_gateway(&agent), shows))).await);
        let streamed = InvokeStreamRequest { invocation: Some(request(&agent)), heartbeat: None };
        let mut streamed = showing(streamed, shows);
        streamed.set_timeout(Duration::from_secs(3));
        let streamed = within(&agent, client.invoke_stream(streamed)).await;
        told.streamed(&agent, streamed).await;
    }
    told
}

/// The calls that find things again, about this id.
async fn lists(told: &mut Told, client: &mut Client, id: &str, shows: Shows) {
    let of_agent = ListTasksRequest {
        agent_id: id.to_owned(),
        user_id: mark("user-id"),
        internal_status: mark("internal-status"),
        include_results: true,
        ..ListTasksRequest::default()
    };
    // What a user is called stands in the path.
    let of_user = ListTasksRequest { user_id: format!("{}~{id}", mark("user-id")), ..ListTasksRequest::default() };
    for request in [of_agent, of_user] {
        told.answered(id, within(id, client.list_tasks(showing(request, shows))).await);
    }
    let mut agents = Told::default();
    agents.answered(id, within(id, client.list_agents(showing(ListAgentsRequest::default(), shows))).await);
    assert!(!agents.answers.contains(&mark("agent")), "an agent's secrets have left");
    told.failures.append(&mut agents.failures);
    let request = GetTaskActivityRequest { task_id: id.to_owned() };
    let log = within(id, client.get_task_activity(showing(request, shows))).await;
    told.streamed(id, log).await;
}
