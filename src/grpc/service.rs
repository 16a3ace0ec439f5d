//! The six calls: metadata in, a call of [`Calls`], a response or a status out.

use std::{pin::Pin, sync::Arc};

use async_stream::stream;
use futures_util::{Stream, StreamExt, future};
use prost::Message;
use tokio::time::sleep_until;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{
    attach::Attach,
    auth::Auth,
    connection::Connection,
    layers::Admitted,
    leash::Leash,
    metadata,
    status::{note, status},
};
use crate::{
    calls::{Calls, Error, Kind, Outcome},
    platform::{Context, Credentials, Keys},
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
    /// Whose key the platform sees.
    pub keys: Arc<Keys>,
    /// Whether that is the caller's own where it brings one.
    pub pass_through: bool,
    /// Which agents callers may invoke.
    pub auth: Arc<Auth>,
    /// What is attached to invocations.
    pub attach: Attach,
    /// The agent of invocations that name none.
    pub default_agent: Option<String>,
    pub max_response_bytes: usize,
}

type Responses<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Service {
    type StreamEventsStream = Responses<StreamEventsResponse>;
    type InvokeStreamStream = Responses<InvokeStreamResponse>;

    async fn invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        let (call, request) = self.begin_create(request, |invocation| Some(invocation))?;
        let task = call.in_time(self.calls.invoke(&call.context, &request)).await;
        call.answer(task, |task| InvokeResponse { task: Some(call.with(task)) })
    }

    async fn stream_events(
        &self,
        request: Request<StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let events = call.in_time(self.calls.stream_events(&call.context, &request)).await;
        call.stream(events, |event| StreamEventsResponse { event: Some(event) }, |m| m.event.as_ref())
    }

    async fn invoke_stream(
        &self,
        request: Request<InvokeStreamRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        let (call, request) = self.begin_create(request, |request| request.invocation.as_mut())?;
        let items = call.in_time(self.calls.invoke_stream(&call.context, request)).await;
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
        let task = call.in_time(self.calls.get_task(&call.context, &request.task_id)).await;
        call.answer(task, |task| GetTaskResponse { task: Some(task) })
    }

    async fn wait_task(&self, request: Request<WaitTaskRequest>) -> Result<Response<WaitTaskResponse>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let task = call.in_time(self.calls.wait_task(&call.context, &request)).await;
        call.answer(task, |task| WaitTaskResponse { task: Some(task) })
    }

    async fn stop_task(&self, request: Request<StopTaskRequest>) -> Result<Response<StopTaskResponse>, Status> {
        let (call, request) = self.begin(request)?;
        call.of_task(&request.task_id);
        let task = call.in_time(self.calls.stop_task(&call.context, &request.task_id)).await;
        call.answer(task, |task| StopTaskResponse { task: Some(task) })
    }
}

/// One call at the edge.
struct Call {
    context: Context,
    connection: Arc<Connection>,
    max_response_bytes: usize,
    creates: bool,
}

impl Service {
    fn begin<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        self.admit(&request, false).map(|call| (call, request.into_inner())).map_err(|error| status(&error))
    }

    /// Begins a call that creates a task, with what the proxy attaches to it, or says that it created none.
    fn begin_create<M>(
        &self,
        request: Request<M>,
        invocation: impl FnOnce(&mut M) -> Option<&mut InvokeRequest>,
    ) -> Result<(Call, M), Status> {
        let call = self.admit(&request, true);
        let (metadata, _, mut message) = request.into_parts();
        let begun = call.and_then(|call| {
            if let Some(invocation) = invocation(&mut message) {
                let prepared = self.prepare(&call, invocation, &metadata);
                prepared.inspect_err(|error| note(&call.context.record, &error.kind))?;
            }
            Ok(call)
        });
        begun.map(|call| (call, message)).map_err(|error| status(&error.or_not_created()))
    }

    /// Checks that the caller may invoke the agent, and attaches what the request does not say itself.
    fn prepare(&self, call: &Call, invocation: &mut InvokeRequest, metadata: &MetadataMap) -> Result<(), Error> {
        call.of_agent(&invocation.agent_id);
        let caller = call.context.caller.as_deref();
        let agent = Some(&*invocation.agent_id).filter(|id| !id.is_empty()).or(self.default_agent.as_deref());
        if let Some(agent) = agent.filter(|agent| !self.auth.may_invoke(caller, agent)) {
            let error = Error::new(Kind::AgentForbidden);
            return Err(if translate::is_id(agent) { error.of_agent(agent) } else { error });
        }
        self.attach.to(invocation, caller, metadata.as_ref(), &call.context.record)
    }

    fn admit<M>(&self, request: &Request<M>, creates: bool) -> Result<Call, Error> {
        let admitted = request.extensions().get::<Admitted>().cloned();
        let Some(Admitted { request_id, record, caller, permit, connection }) = admitted else {
            return Err(Error::new(Kind::Internal));
        };
        let noted = |error: &Error| note(&record, &error.kind);
        let deadline = metadata::deadline(request.metadata()).inspect_err(noted)?;
        if let Some(deadline) = deadline {
            record.set_deadline(deadline);
        }
        let credentials = self.credentials(request.metadata()).inspect_err(noted)?;
        let context = Context { credentials, request_id, deadline, caller, permit, record };
        Ok(Call { context, connection, max_response_bytes: self.max_response_bytes, creates })
    }

    /// The caller's own key where that is switched on and it brings one, else the proxy's.
    fn credentials(&self, metadata: &MetadataMap) -> Result<Arc<Credentials>, Error> {
        if self.pass_through {
            let (key, organization) = metadata::platform_key(metadata)?;
            if let Some(key) = key {
                let organization = organization.or(self.keys.organization());
                let organization = organization.ok_or_else(|| Error::invalid("x-organization-id", "is required"))?;
                return self.keys.of_caller(key, organization).map_err(|_| Error::new(Kind::Internal));
            }
            // The proxy's key is for the proxy's organization.
            if organization.is_some() {
                return Err(Error::invalid("x-api-key", "is required beside x-organization-id"));
            }
        }
        self.keys.own().ok_or_else(|| Error::new(Kind::Unauthenticated("the platform's key is required in x-api-key")))
    }
}

impl Call {
    fn of_agent(&self, agent_id: &str) {
        if translate::is_id(agent_id) {
            self.context.record.set_agent_id(agent_id);
        }
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
        sized.map(Response::new).map_err(|error| self.refuse(&error))
    }

    fn stream<T: Send + 'static, M: Message + 'static>(
        self,
        items: Result<impl Stream<Item = Result<T, Error>> + Send + 'static, Error>,
        message: impl Fn(T) -> M + Send + 'static,
        event: impl Fn(&M) -> Option<&TaskEvent> + Send + 'static,
    ) -> Result<Response<Responses<M>>, Status> {
        let items = items.map_err(|error| self.refuse(&error))?;
        let record = Arc::clone(&self.context.record);
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
        Ok(Response::new(Box::pin(messages)))
    }

    /// Comes when the stream has to end, and says why.
    fn end(&self) -> impl Future<Output = Kind> + Send + use<> {
        let (deadline, connection) = (self.context.deadline, Arc::clone(&self.connection));
        async move {
            let passed = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = passed => Kind::Deadline,
                kind = connection.closed() => kind,
            }
        }
    }

    /// Does the call's work, unless the drain has no more time for it: then its caller is told, not cut off.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = work => done,
            kind = self.connection.closed() => {
                let outcome = self.creates.then_some(Outcome::Unknown);
                Err(Error { outcome, ..Error::new(kind) })
            }
        }
    }

    fn sized<M: Message>(&self, message: M) -> Result<M, Error> {
        let (size, limit) = (message.encoded_len(), self.max_response_bytes);
        if size <= limit { Ok(message) } else { Err(Error::new(Kind::TooLarge { size, limit })) }
    }

    /// The status of a failure, with what the call knows by now.
    fn refuse(&self, error: &Error) -> Status {
        let record = &self.context.record;
        note(record, &error.kind);
        if error.outcome == Some(Outcome::Unknown) {
            record.create_unknown();
        }
        match (&error.task_id, record.task_id()) {
            (None, Some(task_id)) => status(&error.clone().of_task(task_id)),
            _ => status(error),
        }
    }
}

/// Notes a task's id where it is one: what a caller writes is not logged as it is.
fn note_task(record: &Record, id: &str) {
    if translate::is_id(id) {
        record.set_task_id(id);
    }
}
