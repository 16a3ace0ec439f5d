//! `GetTaskActivity`: what happened in a task so far.

use std::collections::BTreeSet;

use async_stream::try_stream;
use futures_util::Stream;

use crate::{
    calls::{Calls, Error, checked_task_id},
    memory,
    platform::{self, Context, is_id},
    proto::{ActivityThread, get_task_activity_response::Item},
    telemetry::Route,
    translate::lists as rows,
};

impl Calls {
    /// Reads a task's activity log: its thread, then its entries as they arrive, which are read no sooner than they are
    /// taken. Where `agents` are given, the task has to be of one of them.
    ///
    /// # Errors
    /// Before the stream everything that can be known then, most of all that there is no log; in the stream one that
    /// breaks off.
    pub async fn activity(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        task_id: &str,
    ) -> Result<impl Stream<Item = Result<Item, Error>> + Send + use<>, Error> {
        let task_id = checked_task_id(task_id)?;
        let task = self.own_task(context, agents, task_id).await?;
        let agent_id = task.agent_id.as_deref().filter(|id| is_id(id));
        let agent_id = agent_id.ok_or_else(|| unreadable("its agent has no id that can stand in a path"));
        let log = async { Ok(self.shared.platform.activity(context, agent_id?, task_id).await?) };
        let of_task = |error: Error| error.of_task(task_id);
        let mut log = log.await.map_err(of_task)?;
        // A turn may be told in its conversation's log.
        let own = [Some(task_id.to_owned()), task.conversation_id.clone()];
        let first = said(&own, log.thread()).map_err(of_task)?;
        let forward = self.shared.following.forward_access_tokens;
        let task_id = task_id.to_owned();
        Ok(try_stream! {
            let of_task = |error: Error| error.of_task(&task_id);
            if let Some(thread) = first {
                yield Item::Thread(thread);
            }
            while let Some(entry) = log.next().await.map_err(|error| of_task(error.into()))? {
                let entry = memory::aside(entry.len(), || rows::entry(&entry, forward));
                let entry = entry.ok_or_else(|| of_task(log.no_json().into()))?;
                yield Item::Entry(Box::new(entry));
            }
            if let Some(thread) = said(&own, log.thread()).map_err(of_task)? {
                yield Item::Thread(thread);
            }
        })
    }
}

/// What a log says of itself, where it is one of these.
fn said(own: &[Option<String>], thread: Option<String>) -> Result<Option<Box<ActivityThread>>, Error> {
    let Some(thread) = thread else { return Ok(None) };
    let thread = rows::thread(&thread).ok_or_else(|| unreadable("it is no object"))?;
    if thread.id.is_some() && !own.contains(&thread.id) {
        return Err(unreadable("it is another task's"));
    }
    Ok(Some(Box::new(thread)))
}

fn unreadable(why: &str) -> Error {
    platform::Error::Unreadable { what: Route::ReadActivity.what(), why: why.to_owned(), status: 200 }.into()
}
