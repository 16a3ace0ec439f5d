//! One call at the edge, from its admission to its response: how large that may be, and how it fails. Not when it ends:
//! that is `guard`.

use std::{mem, sync::Arc};

use futures_util::{Stream, StreamExt, stream};
use prost::Message;
use tonic::{Response, Status};

use super::{
    guard::Guard,
    response::{
        frames::{COMPRESSED_FROM, COMPRESSED_TO, Encoded},
        status::refuse,
    },
};
use crate::{
    calls::{Error, Kind, Outcome},
    platform::Context,
    proto::{EventType, Task, TaskEvent, task_event::Data},
    telemetry::Record,
    translate,
};

/// A stream of responses, as tonic takes it: nothing, since the guard sends the messages itself.
pub type Responses<M> = stream::Empty<Result<M, Status>>;

/// One call at the edge.
pub struct Call {
    pub context: Context,
    pub guard: Arc<Guard>,
    pub max_response_bytes: usize,
}

impl Call {
    pub fn of_agent(&self, agent_id: &str) {
        note_agent(&self.context.record, agent_id);
    }

    pub fn of_task(&self, task_id: &str) {
        note_task(&self.context.record, task_id);
    }

    /// Notes the task that the call brought.
    pub fn with(&self, task: Box<Task>) -> Box<Task> {
        self.of_agent(&task.agent_id);
        self.of_task(&task.id);
        self.context.record.task(&task);
        task
    }

    /// Notes the task that the call has waited for or stopped, and its end where that was seen.
    pub fn ending(&self, task: Box<Task>) -> Box<Task> {
        self.context.record.task_ended(&task);
        task
    }

    pub fn answer<T, M: Message>(
        &self,
        result: Result<T, Error>,
        message: impl FnOnce(T) -> M,
    ) -> Result<Response<M>, Status> {
        let record = &self.context.record;
        let sized = result
            .map(message)
            .and_then(|message| sized(message, self.max_response_bytes).map_err(|error| of_created(record, error)));
        let (message, size) = sized.map_err(|error| refuse(record, &error))?;
        self.guard.account.set(size);
        self.guard.answer().size = size;
        let mut response = Response::new(message);
        if !(COMPRESSED_FROM..=COMPRESSED_TO).contains(&size) {
            response.disable_compression();
        }
        Ok(response)
    }

    pub fn stream<T: Send + 'static, M: Message + 'static>(
        self,
        items: Result<impl Stream<Item = Result<T, Error>> + Send + 'static, Error>,
        message: impl Fn(T) -> M + Send + 'static,
        event: impl Fn(&M) -> Option<&TaskEvent> + Send + 'static,
    ) -> Result<Response<Responses<M>>, Status> {
        let Self { context, guard, max_response_bytes } = self;
        let record = context.record;
        let items = items.map_err(|error| refuse(&record, &error))?;
        let mut is_first = true;
        let messages = items.map(move |item| {
            // Whoever has heard of the task need not be told that it is there.
            let is_told = !mem::take(&mut is_first);
            let message = item.map(&message).and_then(|message| {
                sized(message, max_response_bytes)
                    .map_err(|error| if is_told { error } else { of_created(&record, error) })
            });
            if let Ok((message, _)) = &message
                && let Some(event) = event(message)
            {
                record.event(event.r#type());
                if event.r#type() == EventType::TaskFinished && event.task_id.as_deref() == record.task_id() {
                    record.complete();
                    if let Some(Data::Task(task)) = &event.data {
                        record.task_ended(task);
                    }
                }
            }
            message.map_err(|error| refuse(&record, &error))
        });
        guard.answer().stream(Encoded::new(messages));
        Ok(Response::new(stream::empty()))
    }
}

/// The message with its size in bytes, unless it is too large.
fn sized<M: Message>(message: M, limit: usize) -> Result<(M, usize), Error> {
    let size = message.encoded_len();
    if size <= limit { Ok((message, size)) } else { Err(Error::new(Kind::TooLarge { size, limit })) }
}

/// A call that creates, and whose task is too large to be shown, says that it is there.
fn of_created(record: &Record, error: Error) -> Error {
    if record.method().creates { error.outcome(Outcome::Created) } else { error }
}

/// Notes an id where it is one: what a caller writes is not logged as it is.
pub fn note_task(record: &Record, id: &str) {
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
