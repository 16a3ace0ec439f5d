//! One call at the edge, from its admission to its response: what it does in time, how large it may be, how it fails.

use std::{pin::Pin, sync::Arc};

use async_stream::stream;
use futures_util::{Stream, StreamExt, future};
use prost::Message;
use tokio::time::sleep_until;
use tonic::{Response, Status};

use super::{connection::Connection, leash::Leash, limits::Hold, status::refuse};
use crate::{
    calls::{Error, Kind},
    platform::Context,
    proto::{EventType, Task, TaskEvent},
    telemetry::Record,
    translate,
};

/// A stream of responses, as tonic takes it.
pub type Responses<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// The smallest answer that is compressed, in bytes: most libraries accept compression unasked, and below this it costs
/// more time than it saves on the way.
const COMPRESSED_FROM: usize = 16 << 10;

/// One call at the edge.
pub struct Call {
    pub context: Context,
    pub connection: Arc<Connection>,
    pub hold: Arc<Hold>,
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
        task
    }

    pub fn answer<T, M: Message>(
        &self,
        result: Result<T, Error>,
        message: impl FnOnce(T) -> M,
    ) -> Result<Response<M>, Status> {
        let sized = result.map(message).and_then(|message| self.sized(message));
        let (message, size) = sized.map_err(|error| self.refuse(&error))?;
        let mut response = Response::new(message);
        if size < COMPRESSED_FROM {
            response.disable_compression();
        }
        Ok(response)
    }

    pub fn stream<T: Send + 'static, M: Message + 'static>(
        mut self,
        items: Result<impl Stream<Item = Result<T, Error>> + Send + 'static, Error>,
        message: impl Fn(T) -> M + Send + 'static,
        event: impl Fn(&M) -> Option<&TaskEvent> + Send + 'static,
    ) -> Result<Response<Responses<M>>, Status> {
        let items = items.map_err(|error| self.refuse(&error))?;
        let record = Arc::clone(&self.context.record);
        // What the stream still needs of the share, its items hold.
        self.context.permit = None;
        // From now on, not from when its caller begins to read.
        let mut items = Leash::new(items, self.end());
        let messages = stream! {
            let (mut last_event_id, mut is_over) = (None, false);
            while let Some(item) = items.next().await {
                let message = item.map(&message).and_then(|message| self.sized(message)).map(|(message, _)| message);
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

    /// Comes when the stream has to end, and says why. What it holds is given back then, also when its caller does not read.
    fn end(&self) -> impl Future<Output = Kind> + Send + use<> {
        let (deadline, connection, hold) =
            (self.context.deadline, Arc::clone(&self.connection), Arc::clone(&self.hold));
        async move {
            let passed = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => future::pending().await,
                }
            };
            let kind = tokio::select! {
                () = passed => Kind::Deadline,
                kind = connection.closed() => kind,
            };
            hold.release();
            kind
        }
    }

    /// Does the call's work, unless the drain has no more time for it: then its caller is told, not cut off.
    pub fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
        // Boxed once: it is large, and would be moved from one future into the next.
        let work = Box::pin(work);
        async {
            tokio::select! {
                biased;
                done = work => done,
                () = self.connection.drained() => {
                    let record = &self.context.record;
                    let error = Error::new(Kind::Draining);
                    Err(if record.method().creates { error.of_create(record) } else { error })
                }
            }
        }
    }

    /// The message with its size in bytes, unless it is too large.
    fn sized<M: Message>(&self, message: M) -> Result<(M, usize), Error> {
        let (size, limit) = (message.encoded_len(), self.max_response_bytes);
        if size <= limit { Ok((message, size)) } else { Err(Error::new(Kind::TooLarge { size, limit })) }
    }

    fn refuse(&self, error: &Error) -> Status {
        refuse(&self.context.record, error)
    }
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
