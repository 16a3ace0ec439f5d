//! `GetTask` and `StopTask`: one request each.

use super::{Calls, Error, checked_task_id};
use crate::{platform::Context, proto, translate};

impl Calls {
    /// Reads a task.
    ///
    /// # Errors
    /// For an id that is none, and as the platform says.
    pub async fn get_task(&self, context: &Context, task_id: &str) -> Result<Box<proto::Task>, Error> {
        let task_id = checked_task_id(task_id)?;
        let task = self.shared.platform.task(context, task_id).await;
        task.map(translate::task).map_err(|error| Error::from(error).of_task(task_id))
    }

    /// Stops a task.
    ///
    /// # Errors
    /// For an id that is none, and as the platform says.
    pub async fn stop_task(&self, context: &Context, task_id: &str) -> Result<Box<proto::Task>, Error> {
        let task_id = checked_task_id(task_id)?;
        let task = self.shared.platform.stop_task(context, task_id).await;
        task.map(translate::task).map_err(|error| Error::from(error).of_task(task_id))
    }
}
