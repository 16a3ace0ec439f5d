//! `WaitTask`: until a task is over or waits for a person, or the time is up.

mod follower;
mod latest;

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, timeout_at};

pub(super) use self::follower::Waits;
use self::{follower::Key, latest::Found};
use super::{Calls, Error, Kind, checked_task_id};
use crate::{platform::Context, proto, translate};

/// How much of the time until the deadline is kept back to send the latest state, in parts of it and at the most.
const RESERVE: (u32, Duration) = (10, Duration::from_millis(250));

impl Calls {
    /// Waits until a task is over or waits for a person, or until the time is up; then its state is the answer, which is
    /// never older than the call. Where `agents` are given, the task has to be one of theirs.
    ///
    /// # Errors
    /// For a request that is wrong, and when the task cannot be read.
    pub async fn wait_task(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: &proto::WaitTaskRequest,
    ) -> Result<Box<proto::Task>, Error> {
        let task_id = checked_task_id(&request.task_id)?;
        let patience = request.timeout.map(translate::positive).transpose();
        let patience = patience.map_err(|must| Error::invalid("timeout", must))?;
        let now = Instant::now();
        let until =
            [patience.and_then(|patience| now.checked_add(patience)), context.deadline.map(|at| before(now, at))];
        self.check_own(context, agents, task_id).await?;
        let key = Key { owner: context.credentials.owner().clone(), task_id: task_id.to_owned() };
        let mut waiter = self.shared.waits.join(&self.shared.platform, context, key);
        let found = in_time(until.into_iter().flatten().min(), waiter.settled()).await;
        let found = match found {
            Some(found) => Some(found),
            // Out of time: what is known since the call began, or a read for it.
            None => in_time(context.deadline, waiter.since(now)).await,
        };
        drop(waiter);
        let found = found.unwrap_or_else(|| Err(Error::new(Kind::Deadline))).map_err(|error| error.of_task(task_id))?;
        match found {
            Some(task) => Ok(task),
            // As it is now, in room of its own. Boxed, as all that is not every call's.
            None => Box::pin(self.get_task(context, None, task_id)).await,
        }
    }
}

/// What is found, or None where the time comes before it.
async fn in_time(time: Option<Instant>, found: impl Future<Output = Found>) -> Option<Found> {
    match time {
        Some(time) => timeout_at(time, found).await.ok(),
        None => Some(found.await),
    }
}

/// A moment before the deadline, so that the latest state still arrives.
fn before(now: Instant, deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    let (part, most) = RESERVE;
    deadline - (left / part).min(most)
}
