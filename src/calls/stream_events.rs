//! `StreamEvents` and `InvokeStream`: a task's events as they come.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use async_stream::try_stream;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::{
    Calls, Error, checked_task_id,
    follow::{Beginning, Follow, own_event},
};
use crate::{
    memory,
    platform::Context,
    proto::{self, EventType, TaskEvent, invoke_stream_response::Item},
    translate,
};

/// The shortest heartbeat: a caller cannot make the proxy busy with nothing.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);

impl Calls {
    /// Follows a task to its end; where `agents` are given, one of theirs.
    ///
    /// # Errors
    /// Before the stream everything that can be known then; in the stream a break that cannot be mended.
    pub async fn stream_events(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: &proto::StreamEventsRequest,
    ) -> Result<impl Stream<Item = Result<TaskEvent, Error>> + Send + use<>, Error> {
        let task_id = checked_task_id(&request.task_id)?;
        let last_event_id =
            translate::event_id(&request.last_event_id).map_err(|must| Error::invalid("last_event_id", must))?;
        let heartbeat = heartbeat("heartbeat", request.heartbeat)?;
        self.check_own(context, agents, task_id).await?;
        let follow = self.follow(context, task_id, Beginning::After(last_event_id.as_ref())).await?;
        Ok(events(follow, heartbeat))
    }

    /// Creates a task and follows it: the task first, then its events.
    ///
    /// # Errors
    /// As [`Calls::invoke`] before the stream; in the stream as [`Calls::stream_events`].
    pub async fn invoke_stream(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: proto::InvokeStreamRequest,
    ) -> Result<impl Stream<Item = Result<Item, Error>> + Send + use<>, Error> {
        let wrong = |error: Error| error.of_create(&context.record);
        let heartbeat = heartbeat("heartbeat", request.heartbeat).map_err(wrong)?;
        let missing = || wrong(Error::invalid("invocation", "is required"));
        let mut invocation = request.invocation.ok_or_else(missing)?;
        invocation.events_streaming = true;
        let prompt = &invocation.prompt;
        let names_a_task = memory::aside(prompt.len(), || translate::names_a_task(prompt));
        let continued = invocation.existing_task_id.clone();
        let task = self.invoke(context, agents, invocation).await.map_err(Error::in_invocation)?;
        let (calls, context) = (self.clone(), context.clone());
        Ok(try_stream! {
            let task_id = task.id.clone();
            yield Item::Task(task);
            // From now on the caller knows of it.
            context.record.set_may_have_created(false);
            let beginning = match continued {
                // It may have been created without streaming, and then says so.
                _ if names_a_task => Beginning::Named,
                // Under an id of its own it is a task of its own.
                Some(continued) if continued == task_id => Beginning::Continued,
                _ => Beginning::Created,
            };
            let follow = {
                // Boxed: it is rare that a stream waits for it.
                let mut opening = Box::pin(calls.follow(&context, &task_id, beginning));
                loop {
                    match beating(heartbeat, &mut opening).await {
                        Some(follow) => break follow?,
                        None => yield Item::Event(own_event(EventType::Heartbeat, "heartbeat", &task_id)),
                    }
                }
            };
            let mut events = pin!(events(follow, heartbeat));
            while let Some(event) = events.next().await {
                yield Item::Event(event?);
            }
        })
    }

    async fn follow(&self, context: &Context, task_id: &str, beginning: Beginning<'_>) -> Result<Follow, Error> {
        let manner = self.shared.following;
        Follow::open(&self.shared.platform, context, task_id, beginning, manner).await
    }
}

fn heartbeat(field: &str, heartbeat: Option<prost_types::Duration>) -> Result<Option<Duration>, Error> {
    let heartbeat = heartbeat.map(translate::positive).transpose().map_err(|must| Error::invalid(field, must))?;
    match heartbeat.filter(|heartbeat| !heartbeat.is_zero()) {
        Some(heartbeat) if heartbeat < SHORTEST_HEARTBEAT => Err(Error::invalid(field, "must be at least 100 ms")),
        heartbeat => Ok(heartbeat),
    }
}

/// What comes of the work; None where a heartbeat is due before.
async fn beating<T>(heartbeat: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match heartbeat {
        None => Some(work.await),
        Some(heartbeat) => timeout(heartbeat, work).await.ok(),
    }
}

/// The events of a followed task, with heartbeats in between. Nothing is read ahead: a slow caller slows the platform.
fn events(mut follow: Follow, heartbeat: Option<Duration>) -> impl Stream<Item = Result<TaskEvent, Error>> + Send {
    try_stream! {
        let task_id = follow.task_id().to_owned();
        loop {
            let event = {
                // Kept over heartbeats: it may hold an event already.
                let mut next = pin!(follow.next());
                loop {
                    match beating(heartbeat, &mut next).await {
                        Some(event) => break event?,
                        None => yield own_event(EventType::Heartbeat, "heartbeat", &task_id),
                    }
                }
            };
            match event {
                Some(event) => yield event,
                None => break,
            }
        }
    }
}
