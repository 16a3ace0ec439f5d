//! The calls: metadata in, a call of [`Calls`], a response or a status out.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    call::{Responses, note_task},
    door::Door,
};
use crate::{
    calls::Calls,
    proto::{
        GetTaskActivityRequest, GetTaskActivityResponse, GetTaskRequest, GetTaskResponse, InvokeRequest,
        InvokeResponse, InvokeStreamRequest, InvokeStreamResponse, ListAgentsRequest, ListAgentsResponse,
        ListTasksRequest, ListTasksResponse, StopTaskRequest, StopTaskResponse, StreamEventsRequest,
        StreamEventsResponse, WaitTaskRequest, WaitTaskResponse, agent_service_server::AgentService,
        invoke_stream_response::Item,
    },
};

/// The service's name, for health checks.
pub const SERVICE: &str = "xpander.agent.v1.AgentService";

/// The service behind the gRPC port.
pub struct Service {
    pub calls: Calls,
    pub door: Door,
}

#[tonic::async_trait]
impl AgentService for Service {
    type StreamEventsStream = Responses<StreamEventsResponse>;
    type InvokeStreamStream = Responses<InvokeStreamResponse>;
    type GetTaskActivityStream = Responses<GetTaskActivityResponse>;

    async fn invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        let (call, request) = self.door.begin_create(request, |invocation| Some(invocation))?;
        let task = self.calls.invoke(&call.context, self.door.agents(&call), request).await;
        call.answer(task, |task| InvokeResponse { task: Some(call.with(task)) })
    }

    async fn stream_events(
        &self,
        request: Request<StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let (call, request) = self.door.begin(request)?;
        call.of_task(&request.task_id);
        let events = self.calls.stream_events(&call.context, self.door.agents(&call), &request).await;
        call.stream(events, |event| StreamEventsResponse { event: Some(event) }, |m| m.event.as_ref())
    }

    async fn invoke_stream(
        &self,
        request: Request<InvokeStreamRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        let (call, request) = self.door.begin_create(request, |request| request.invocation.as_mut())?;
        let items = self.calls.invoke_stream(&call.context, self.door.agents(&call), request).await;
        let record = Arc::clone(&call.context.record);
        let message = move |item| {
            if let Item::Task(task) = &item {
                note_task(&record, &task.id);
                record.task(task);
            }
            InvokeStreamResponse { item: Some(item) }
        };
        call.stream(items, message, |message| match &message.item {
            Some(Item::Event(event)) => Some(event),
            _ => None,
        })
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<Response<GetTaskResponse>, Status> {
        let (call, request) = self.door.begin(request)?;
        call.of_task(&request.task_id);
        let task = self.calls.get_task(&call.context, self.door.agents(&call), &request.task_id).await;
        call.answer(task, |task| GetTaskResponse { task: Some(task) })
    }

    async fn wait_task(&self, request: Request<WaitTaskRequest>) -> Result<Response<WaitTaskResponse>, Status> {
        let (call, request) = self.door.begin(request)?;
        call.of_task(&request.task_id);
        let task = self.calls.wait_task(&call.context, self.door.agents(&call), &request).await;
        call.answer(task, |task| WaitTaskResponse { task: Some(call.ending(task)) })
    }

    async fn stop_task(&self, request: Request<StopTaskRequest>) -> Result<Response<StopTaskResponse>, Status> {
        let (call, request) = self.door.begin(request)?;
        call.of_task(&request.task_id);
        let task = self.calls.stop_task(&call.context, self.door.agents(&call), &request.task_id).await;
        call.answer(task, |task| StopTaskResponse { task: Some(call.ending(task)) })
    }

    async fn list_agents(&self, request: Request<ListAgentsRequest>) -> Result<Response<ListAgentsResponse>, Status> {
        let (call, request) = self.door.begin(request)?;
        let agents = self.calls.list_agents(&call.context, self.door.invocable(&call), &request).await;
        call.answer(agents, |agents| agents)
    }

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Result<Response<ListTasksResponse>, Status> {
        let (call, request) = self.door.begin_list(request)?;
        call.of_agent(&request.agent_id);
        let tasks = self.calls.list_tasks(&call.context, self.door.invocable(&call), &request).await;
        call.answer(tasks, |tasks| tasks)
    }

    async fn get_task_activity(
        &self,
        request: Request<GetTaskActivityRequest>,
    ) -> Result<Response<Self::GetTaskActivityStream>, Status> {
        let (call, request) = self.door.begin(request)?;
        call.of_task(&request.task_id);
        let items = self.calls.activity(&call.context, self.door.agents(&call), &request.task_id).await;
        call.stream(items, |item| GetTaskActivityResponse { item: Some(item) }, |_| None)
    }
}
