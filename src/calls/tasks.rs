//! `GetTask` and `StopTask`: one request each, where the caller may invoke every agent.

use std::collections::BTreeSet;

use super::{Calls, Error, checked_task_id};
use crate::{platform::Context, proto, translate};

impl Calls {
    /// Reads a task; where `agents` are given, one of theirs.
    ///
    /// # Errors
    /// For an id that is none, for a task that is out of reach, and as the platform says.
    pub async fn get_task(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        task_id: &str,
    ) -> Result<Box<proto::Task>, Error> {
        self.own_task(context, agents, task_id).await.map(translate::task)
    }

    /// Stops a task; where `agents` are given, one of theirs.
    ///
    /// # Errors
    /// For an id that is none, for a task that is out of reach, and as the platform says.
    pub async fn stop_task(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        task_id: &str,
    ) -> Result<Box<proto::Task>, Error> {
        let task_id = checked_task_id(task_id)?;
        self.check_own(context, agents, task_id).await?;
        let task = self.shared.platform.stop_task(context, task_id).await;
        task.map(translate::task).map_err(|error| Error::from(error).of_task(task_id))
    }
}
