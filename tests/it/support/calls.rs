//! The calls as a table: each one, at each place where the platform can fail it.

use std::time::Duration;

use bytes::Bytes;
use tonic::{Request, body::Body, client::GrpcService, codegen::StdError};
use xpander_grpc_proxy::proto::{
    GetTaskActivityRequest, GetTaskRequest, InvokeRequest, InvokeStreamRequest, ListAgentsRequest, ListTasksRequest,
    StopTaskRequest, StreamEventsRequest, WaitTaskRequest, agent_service_client::AgentServiceClient,
};

use super::{
    platform::{Reply, Seen, task},
    status::{Failure, failure},
};

/// A call, and which of the platform's answers to it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Get,
    Stop,
    Wait,
    /// `StreamEvents`, whose task cannot be read.
    Follow,
    /// `Invoke`, whose agent cannot be loaded.
    Lookup,
    /// `Invoke`, whose task cannot be created.
    Create,
    /// The same two of `InvokeStream`.
    StreamLookup,
    StreamCreate,
    /// `ListAgents`; its case stands in the request's id, since all have one path.
    Agents,
    /// `ListTasks` of an agent.
    Tasks,
    /// `GetTaskActivity`, whose task cannot be read.
    ActivityTask,
    /// The same, whose task can be read and whose log cannot.
    Activity,
}

pub const EVERYWHERE: [At; 12] = [
    At::Get,
    At::Stop,
    At::Wait,
    At::Follow,
    At::Lookup,
    At::Create,
    At::StreamLookup,
    At::StreamCreate,
    At::Agents,
    At::Tasks,
    At::ActivityTask,
    At::Activity,
];

impl At {
    /// Whether the call fails where it creates a task.
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::StreamCreate)
    }

    /// Whether the call is one that creates tasks.
    pub fn invokes(self) -> bool {
        self.creates() || matches!(self, Self::Lookup | Self::StreamLookup)
    }

    /// Whether the call reads a list.
    pub fn lists(self) -> bool {
        matches!(self, Self::Agents | Self::Tasks)
    }

    /// The id of the case's task or agent.
    pub fn id(self, case: &str) -> String {
        match self {
            Self::Get | Self::Stop | Self::Wait | Self::Follow | Self::ActivityTask => format!("task-{case}"),
            Self::Lookup | Self::StreamLookup => format!("lookup-{case}"),
            Self::Create | Self::StreamCreate => format!("create-{case}"),
            Self::Agents => format!("agents-{case}"),
            Self::Tasks => format!("list-{case}"),
            Self::Activity => format!("log-{case}"),
        }
    }

    /// Checks that an error names the task or the agent that the call is about, and no other; all agents are none.
    pub fn check_named(self, failure: &Failure, case: &str) {
        let named = match self {
            Self::Agents => [None, None],
            _ if self.invokes() || self == Self::Tasks => [None, Some(self.id(case))],
            _ => [Some(self.id(case)), None],
        };
        let told = ["task_id", "agent_id"].map(|name| failure.facts.get(name).cloned());
        assert_eq!(told, named, "{self:?} {case}: {failure:?}");
    }

    /// Makes the call, which must fail; `timeout` goes into its metadata.
    pub async fn fail<T>(self, client: &AgentServiceClient<T>, case: &str, timeout: Option<Duration>) -> Failure
    where
        T: GrpcService<Body> + Clone,
        T::Error: Into<StdError>,
        T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
        <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
    {
        let (mut client, id) = (client.clone(), self.id(case));
        let task_id = id.clone();
        let result = match self {
            Self::Get => client.get_task(timed(GetTaskRequest { task_id }, timeout)).await.map(drop),
            Self::Stop => client.stop_task(timed(StopTaskRequest { task_id }, timeout)).await.map(drop),
            Self::Wait => {
                let request = WaitTaskRequest { task_id, timeout: None };
                client.wait_task(timed(request, timeout)).await.map(drop)
            }
            Self::Follow => client.stream_events(timed(follow(&id), timeout)).await.map(drop),
            Self::Lookup | Self::Create => client.invoke(timed(invoke(&id), timeout)).await.map(drop),
            Self::StreamLookup | Self::StreamCreate => {
                let request = InvokeStreamRequest { invocation: Some(invoke(&id)), heartbeat: None };
                client.invoke_stream(timed(request, timeout)).await.map(drop)
            }
            Self::Agents => {
                let mut request = timed(ListAgentsRequest::default(), timeout);
                request.metadata_mut().insert("x-request-id", id.parse().expect("an id"));
                client.list_agents(request).await.map(drop)
            }
            Self::Tasks => {
                let request = ListTasksRequest { agent_id: id, ..ListTasksRequest::default() };
                client.list_tasks(timed(request, timeout)).await.map(drop)
            }
            Self::ActivityTask | Self::Activity => {
                client.get_task_activity(timed(GetTaskActivityRequest { task_id }, timeout)).await.map(drop)
            }
        };
        failure(result)
    }
}

fn timed<M>(message: M, timeout: Option<Duration>) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    request
}

/// An invocation with nothing special about it.
pub fn invoke(agent_id: &str) -> InvokeRequest {
    InvokeRequest { agent_id: agent_id.to_owned(), prompt: "hi".to_owned(), ..InvokeRequest::default() }
}

pub fn follow(task_id: &str) -> StreamEventsRequest {
    StreamEventsRequest { task_id: task_id.to_owned(), ..StreamEventsRequest::default() }
}

/// A platform that fails each case at its place, as `reply` says, and is fine everywhere else.
pub fn failing(
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    const PLACES: [&str; 5] = [
        "/agents/lookup-",
        "/agent-execution/create-",
        "/agent-execution/task-",
        "/agent-execution/executions/history/list-",
        "/activity/agent-1/log-",
    ];
    move |request| {
        let path = request.path.as_str();
        let named = request.header("x-request-id").and_then(|id| id.strip_prefix("agents-"));
        let case =
            PLACES.iter().find_map(|place| path.strip_prefix(place)).or(named.filter(|_| path == "/agents/list"));
        match (case, path.strip_prefix("/agents/")) {
            (Some(case), _) => reply(case.trim_end_matches("/status")),
            (None, Some(agent)) => Reply::json(200, &serde_json::json!({ "id": agent })),
            (None, None) if path.starts_with("/agent-execution/log-") && path.ends_with("/status") => {
                Reply::json(200, &task(request.task_id(), "executing"))
            }
            (None, None) => Reply::events(""),
        }
    }
}
