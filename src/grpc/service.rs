//! The six calls: metadata in, a call of [`Calls`], a response or a status out.

use std::{pin::Pin, sync::Arc};

use async_stream::stream;
use futures_util::{Stream, StreamExt, future};
use prost::Message;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use super::{
    leash::Leash,
    metadata,
    status::{end, reason, status},
};
use crate::{
    calls::{Calls, Error, Kind, Outcome},
    platform::{Context, Credentials},
    proto::{
        EventType, GetTaskRequest, GetTaskResponse, InvokeRequest, InvokeResponse, InvokeStreamRequest,
        InvokeStreamResponse, StopTaskRequest, StopTaskResponse, StreamEventsRequest, StreamEventsResponse, Task,
        TaskEvent, WaitTaskRequest, WaitTaskResponse, agent_service_server::AgentService, invoke_stream_response::Item,
    },
    telemetry::Record,
    translate,
};

/// The service behind the gRPC port.
pub struct Service {
    pub calls: Calls,
    pub credentials: Arc<Credentials>,
    pub max_response_bytes: usize,
    /// Ends the streams that a drain has no more time for.
    pub closing: CancellationToken,
}

type Responses<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Service {
    type StreamEventsStream = Responses<StreamEventsResponse>;
    type InvokeStreamStream = Responses<InvokeStreamResponse>;

    async fn invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        let (call, request) = self.begin_create(request)?;
        call.of_agent(&request.agent_id);
        let task = self.calls.invoke(&call.context, &request).await;
        call.answer(task, |task| InvokeResponse { task: Some(call.with(task)) })
    }

    async fn stream_events(
        &self,
        request: Request<StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let events = self.calls.stream_events(&call.context, &request).await;
        call.stream(events, |event| StreamEventsResponse { event: Some(event) }, |m| m.event.as_ref())
    }

    async fn invoke_stream(
        &self,
        request: Request<InvokeStreamRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        let (call, request) = self.begin_create(request)?;
        call.of_agent(request.invocation.as_ref().map_or("", |invocation| &invocation.agent_id));
        let items = self.calls.invoke_stream(&call.context, request).await;
        let record = Arc::clone(&call.context.record);
        let message = move |item| {
            if let Item::Task(task) = &item {
                note_task(&record, &task.id);
            }
            InvokeStreamResponse { item: Some(item) }
        };
        call.stream(items, message, |message| match &message.item {
            Some(Item::Event(event)) => Some(event),
            _ => None,
        })
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<Response<GetTaskResponse>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let task = self.calls.get_task(&call.context, &request.task_id).await;
        call.answer(task, |task| GetTaskResponse { task: Some(task) })
    }

    async fn wait_task(&self, request: Request<WaitTaskRequest>) -> Result<Response<WaitTaskResponse>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let task = self.calls.wait_task(&call.context, &request).await;
        call.answer(task, |task| WaitTaskResponse { task: Some(task) })
    }

    async fn stop_task(&self, request: Request<StopTaskRequest>) -> Result<Response<StopTaskResponse>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let task = self.calls.stop_task(&call.context, &request.task_id).await;
        call.answer(task, |task| StopTaskResponse { task: Some(task) })
    }
}

/// One call at the edge.
struct Call {
    context: Context,
    max_response_bytes: usize,
    closing: CancellationToken,
}

impl Service {
    fn begin<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        self.admit(request).map_err(|error| status(&error))
    }

    /// Begins a call that creates a task, or says that it did not.
    fn begin_create<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        self.admit(request).map_err(|error| status(&error.or_not_created()))
    }

    fn admit<M>(&self, request: Request<M>) -> Result<(Call, M), Error> {
        let record = request.extensions().get::<Arc<Record>>().cloned().ok_or_else(|| Error::new(Kind::Internal))?;
        let request_id = metadata::request_id(request.metadata());
        record.set_request_id(request_id.clone());
        let deadline = metadata::deadline(request.metadata())
            .inspect_err(|error| record.failed(reason(&error.kind), end(&error.kind)))?;
        if let Some(deadline) = deadline {
            record.set_deadline(deadline);
        }
        let context = Context { credentials: Arc::clone(&self.credentials), request_id, deadline, record };
        let (max_response_bytes, closing) = (self.max_response_bytes, self.closing.clone());
        Ok((Call { context, max_response_bytes, closing }, request.into_inner()))
    }
}

impl Call {
    fn of_agent(&self, agent_id: &str) {
        note_agent(&self.context.record, agent_id);
    }

    fn of_task(&self, task_id: &str) {
        note_task(&self.context.record, task_id);
    }

    /// Notes the task that the call brought.
    fn with(&self, task: Task) -> Task {
        self.of_agent(&task.agent_id);
        self.of_task(&task.id);
        task
    }

    fn answer<T, M: Message>(
        &self,
        result: Result<T, Error>,
        message: impl FnOnce(T) -> M,
    ) -> Result<Response<M>, Status> {
        let sized = result.map(message).and_then(|message| self.sized(message));
        sized.map(|message| self.respond(message)).map_err(|error| self.refuse(&error))
    }

    fn stream<T: Send + 'static, M: Message + 'static>(
        self,
        items: Result<impl Stream<Item = Result<T, Error>> + Send + 'static, Error>,
        message: impl Fn(T) -> M + Send + 'static,
        event: impl Fn(&M) -> Option<&TaskEvent> + Send + 'static,
    ) -> Result<Response<Responses<M>>, Status> {
        let items = items.map_err(|error| self.refuse(&error))?;
        let record = Arc::clone(&self.context.record);
        let response = self.respond(());
        // From now on, not from when its caller begins to read.
        let mut items = Leash::new(items, self.end());
        let messages = stream! {
            let (mut last_event_id, mut is_over) = (None, false);
            while let Some(item) = items.next().await {
                let message = item.map(&message).and_then(|message| self.sized(message));
                if let Ok(message) = &message && let Some(event) = event(message) {
                    record.event(event.r#type());
                    is_over = event.r#type() == EventType::TaskFinished && event.task_id.as_deref() == record.task_id();
                    if event.event_id.is_some() {
                        last_event_id = event.event_id.as_deref().map(Into::into);
                    }
                }
                yield message.map_err(|error| self.refuse(&error));
            }
            // Ended from outside: the deadline, or a drain that has no more time.
            if let Some(kind) = items.end().filter(|_| !is_over) {
                let task_id = record.task_id().map(Into::into);
                yield Err(self.refuse(&Error { task_id, last_event_id, ..Error::new(kind.clone()) }));
            }
        };
        Ok(response.map(|()| Box::pin(messages) as Responses<M>))
    }

    /// Comes when the stream has to end, and says why.
    fn end(&self) -> impl Future<Output = Kind> + Send + use<> {
        let (deadline, closing) = (self.context.deadline, self.closing.clone());
        async move {
            let passed = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = passed => Kind::Deadline,
                () = closing.cancelled() => Kind::Draining,
            }
        }
    }

    fn sized<M: Message>(&self, message: M) -> Result<M, Error> {
        let (size, limit) = (message.encoded_len(), self.max_response_bytes);
        if size <= limit { Ok(message) } else { Err(Error::new(Kind::TooLarge { size, limit })) }
    }

    fn respond<M>(&self, message: M) -> Response<M> {
        let mut response = Response::new(message);
        echo(&self.context, response.metadata_mut());
        response
    }

    /// The status of a failure, with what the call knows by now.
    fn refuse(&self, error: &Error) -> Status {
        let record = &self.context.record;
        record.failed(reason(&error.kind), end(&error.kind));
        if error.outcome == Some(Outcome::Unknown) {
            record.create_unknown();
        }
        let mut status = match (&error.task_id, record.task_id()) {
            (None, Some(task_id)) => status(&error.clone().of_task(task_id)),
            _ => status(error),
        };
        echo(&self.context, status.metadata_mut());
        status
    }
}

/// Echoes the call's request id.
fn echo(context: &Context, metadata: &mut MetadataMap) {
    if let Ok(id) = AsciiMetadataValue::try_from(context.request_id.as_bytes()) {
        metadata.insert("x-request-id", id);
    }
}

/// Notes an id where it is one: what a caller writes is not logged as it is.
fn note_task(record: &Record, id: &str) {
    if translate::is_id(id) {
        record.set_task_id(id);
    }
}

/// The same for an agent's.
fn note_agent(record: &Record, id: &str) {
    if translate::is_id(id) {
        record.set_agent_id(id);
    }
}
