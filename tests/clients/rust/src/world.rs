//! Where the servers are, clients for them, and the calls that most scenarios make.

use std::{
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tonic::{
    Request, Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::api::{
    GetTaskRequest, InvokeRequest, StopTaskRequest, StreamEventsRequest, StreamEventsResponse, Task, TaskEvent,
    WaitTaskRequest, agent_service_client::AgentServiceClient,
};

pub const SERVICE: &str = "xpander.agent.v1.AgentService";
/// How long a call may take, unless its scenario says otherwise: a debug build on a busy machine takes its time.
pub const SOON: Duration = Duration::from_secs(30);

pub type Agents = AgentServiceClient<Channel>;
pub type Events = Streaming<StreamEventsResponse>;

pub fn variable(name: &str) -> String {
    env::var(format!("CLIENTS_{name}")).unwrap_or_else(|_| panic!("CLIENTS_{name} is not set"))
}

pub fn content(name: &str) -> Result<String> {
    let path = variable(name);
    std::fs::read_to_string(&path).context(path)
}

/// One of the servers, by name, with the pings that docs/callers.md advises.
pub fn endpoint(server: &str) -> Endpoint {
    Channel::from_shared(format!("http://{}", variable(server)))
        .expect("an address")
        .connect_timeout(SOON)
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
}

pub async fn agents(server: &str) -> Result<Agents> {
    Ok(AgentServiceClient::new(endpoint(server).connect().await?))
}

/// The message with a deadline, which tonic sends as `grpc-timeout`.
pub fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

pub fn soon<T>(message: T) -> Request<T> {
    within(SOON, message)
}

pub fn asking(agent: &str, prompt: &str) -> InvokeRequest {
    InvokeRequest { agent_id: agent.into(), prompt: prompt.into(), ..Default::default() }
}

pub fn following(task_id: &str) -> StreamEventsRequest {
    StreamEventsRequest { task_id: task_id.into(), ..Default::default() }
}

// Every answer of these calls has its task; without one the scenario would fail at the first thing it looks at.
pub async fn created(agents: &mut Agents, request: InvokeRequest) -> Result<Task, Status> {
    Ok(agents.invoke(soon(request)).await?.into_inner().task.unwrap_or_default())
}

pub async fn read(agents: &mut Agents, task_id: &str) -> Result<Task, Status> {
    let request = GetTaskRequest { task_id: task_id.into() };
    Ok(agents.get_task(soon(request)).await?.into_inner().task.unwrap_or_default())
}

pub async fn waited(agents: &mut Agents, task_id: &str) -> Result<Task, Status> {
    waited_within(SOON, agents, task_id).await
}

pub async fn waited_within(deadline: Duration, agents: &mut Agents, task_id: &str) -> Result<Task, Status> {
    let request = WaitTaskRequest { task_id: task_id.into(), timeout: None };
    Ok(agents.wait_task(within(deadline, request)).await?.into_inner().task.unwrap_or_default())
}

pub async fn stopped(agents: &mut Agents, task_id: &str) -> Result<Task, Status> {
    let request = StopTaskRequest { task_id: task_id.into() };
    Ok(agents.stop_task(soon(request)).await?.into_inner().task.unwrap_or_default())
}

/// The id of a new task that has an event stream.
pub async fn streamed(agents: &mut Agents, agent: &str, prompt: &str) -> Result<String, Status> {
    Ok(created(agents, InvokeRequest { events_streaming: true, ..asking(agent, prompt) }).await?.id)
}

pub async fn followed(agents: &mut Agents, task_id: &str) -> Result<Events, Status> {
    Ok(agents.stream_events(soon(following(task_id))).await?.into_inner())
}

/// The stream's next event; none after its end.
pub async fn next(events: &mut Events) -> Result<Option<TaskEvent>, Status> {
    Ok(events.message().await?.map(|message| message.event.unwrap_or_default()))
}

/// How many calls of this method a server has answered with this code, or with any, by its admin port.
pub async fn calls(server: &str, method: &str, code: Option<&str>) -> Result<u64> {
    let url = format!("http://{}/metrics", variable(&format!("{server}_ADMIN")));
    let page = tokio::task::spawn_blocking(move || ureq::get(url).call()?.into_body().read_to_string()).await??;
    let method = format!("rpc_method=\"{SERVICE}/{method}\"");
    let code = code.map_or("rpc_response_status_code=\"".into(), |code| format!("rpc_response_status_code=\"{code}\""));
    page.lines()
        .filter(|line| line.starts_with("rpc_server_call_duration_seconds_count"))
        .filter(|line| line.contains(&method) && line.contains(&code))
        .map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<u64>()?))
        .sum()
}

/// Asks again and again until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !is_so().await? {
        ensure!(started.elapsed() < SOON, "within {SOON:?} it did not come to hold that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
