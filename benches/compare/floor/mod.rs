//! The floor: a bare tonic service that does the same job on the wire and nothing else. No validation, limits, deadline,
//! log, metrics, retries, reconnects; no agent lookup; what it does not expect is an error.

pub mod http;
mod wire;

use std::pin::Pin;

use async_stream::try_stream;
use bytes::BytesMut;
use futures_util::Stream;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use xpander_grpc_proxy::proto::{
    self, EventType, InvokeRequest, InvokeResponse, StreamEventsRequest, StreamEventsResponse, TaskEvent,
    agent_service_server::{AgentService, AgentServiceServer},
    task_event::Data,
};

use self::{
    http::{Answer, Http},
    wire::{Create, Envelope, Input, Person},
};
use crate::{Outcome, process, samples};

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves until the process is killed, before the platform at `platform` with the HTTP client of this kind; `constant`
/// asks no platform.
pub async fn serve(platform: &str, kind: &str) -> Outcome {
    let constant = match kind {
        "constant" => Some(proto_task(samples::task_json("task-1", "pending", None).as_bytes()).map_err(Box::new)?),
        _ => None,
    };
    let http = Http::new(if constant.is_some() { "hyper-http1" } else { kind })?;
    let floor = Floor { http, platform: platform.to_owned(), constant };
    let listener = process::listen().await?;
    let service = AgentServiceServer::new(floor).max_decoding_message_size(16 << 20);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_service(service).serve_with_incoming(incoming).await?;
    Ok(())
}

struct Floor {
    http: Http,
    platform: String,
    constant: Option<proto::Task>,
}

#[tonic::async_trait]
impl AgentService for Floor {
    type StreamEventsStream = Events<StreamEventsResponse>;
    type InvokeStreamStream = Events<proto::InvokeStreamResponse>;
    type GetTaskActivityStream = Events<proto::GetTaskActivityResponse>;

    async fn invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        if let Some(task) = self.constant.clone() {
            return Ok(Response::new(InvokeResponse { task: Some(task.into()) }));
        }
        let request = request.into_inner();
        let url = format!("{}/agent-execution/{}", self.platform, request.agent_id);
        let body = serde_json::to_vec(&create(&request)).map_err(internal)?;
        let answer = self.http.post(&url, body).await.map_err(internal)?;
        Ok(Response::new(InvokeResponse { task: Some(proto_task(&answer)?.into()) }))
    }

    async fn stream_events(
        &self,
        request: Request<StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let task_id = request.into_inner().task_id;
        let url = format!("{}/{}/agent-execution/{task_id}/events", self.platform, samples::ORGANIZATION);
        let answer = self.http.get(&url).await.map_err(internal)?;
        Ok(Response::new(Box::pin(events(answer))))
    }

    async fn invoke_stream(
        &self,
        _: Request<proto::InvokeStreamRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_task(&self, _: Request<proto::GetTaskRequest>) -> Result<Response<proto::GetTaskResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn wait_task(&self, _: Request<proto::WaitTaskRequest>) -> Result<Response<proto::WaitTaskResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn stop_task(&self, _: Request<proto::StopTaskRequest>) -> Result<Response<proto::StopTaskResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_agents(
        &self,
        _: Request<proto::ListAgentsRequest>,
    ) -> Result<Response<proto::ListAgentsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_tasks(
        &self,
        _: Request<proto::ListTasksRequest>,
    ) -> Result<Response<proto::ListTasksResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_task_activity(
        &self,
        _: Request<proto::GetTaskActivityRequest>,
    ) -> Result<Response<Self::GetTaskActivityStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

fn create(request: &InvokeRequest) -> Create<'_> {
    let user = request.user_details.as_ref().map(|user| Person {
        id: user.id.as_deref(),
        first_name: user.first_name.as_deref(),
        last_name: user.last_name.as_deref(),
        email: &user.email,
        additional_attributes: user.additional_attributes.as_ref(),
        timezone: user.timezone.as_deref(),
    });
    let input = Input { text: &request.prompt, files: None, user };
    Create { input, source: "sdk", think_mode: "default", title: request.title.as_deref(), ..Create::default() }
}

/// The events of a stream: lines, found by memchr.
fn events(mut answer: Answer) -> impl Stream<Item = Result<StreamEventsResponse, Status>> {
    try_stream! {
        let (mut pending, mut searched) = (BytesMut::new(), 0);
        while let Some(chunk) = answer.chunk().await.map_err(internal)? {
            pending.extend_from_slice(&chunk);
            while let Some(end) = memchr::memchr(b'\n', &pending[searched..]) {
                let line = pending.split_to(searched + end + 1);
                searched = 0;
                if let Some(data) = line.strip_prefix(b"data: ") {
                    yield StreamEventsResponse { event: Some(event(data)?) };
                }
            }
            searched = pending.len();
        }
    }
}

fn event(data: &[u8]) -> Result<TaskEvent, Status> {
    let Envelope { r#type, task_id, organization_id, time, data } = serde_json::from_slice(data).map_err(internal)?;
    let (kind, data) = match (r#type, data) {
        ("chunk", Some(data)) => {
            (EventType::Chunk, Some(Data::Chunk(serde_json::from_str(data.get()).map_err(internal)?)))
        }
        ("task_finished", Some(data)) => {
            (EventType::TaskFinished, Some(Data::Task(proto_task(data.get().as_bytes())?.into())))
        }
        ("connected", None) => (EventType::Connected, None),
        _ => return Err(internal(r#type)),
    };
    Ok(TaskEvent {
        r#type: kind.into(),
        type_name: r#type.to_owned(),
        task_id: Some(task_id),
        organization_id: Some(organization_id),
        time: wire::timestamp(time),
        data,
        ..TaskEvent::default()
    })
}

fn proto_task(json: &[u8]) -> Result<proto::Task, Status> {
    serde_json::from_slice::<wire::Task>(json).map(Into::into).map_err(internal)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn internal(error: impl ToString) -> Status {
    Status::internal(error.to_string())
}
