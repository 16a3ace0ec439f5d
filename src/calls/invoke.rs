//! `Invoke`: creates a task, or reads the one that the prompt names.

use super::{Calls, Error, create::Create, deduplicate::Once};
use crate::{platform::Context, proto, translate};

impl Calls {
    /// Creates a task on an agent and returns it, or reads the task that the prompt names.
    ///
    /// # Errors
    /// Violations before the platform is touched, then as the platform says; with an [`Outcome`] always.
    pub async fn invoke(&self, context: &Context, request: proto::InvokeRequest) -> Result<Box<proto::Task>, Error> {
        self.try_invoke(context, request).await.map_err(|error| error.in_our_names().of_create(&context.record))
    }

    async fn try_invoke(&self, context: &Context, request: proto::InvokeRequest) -> Result<Box<proto::Task>, Error> {
        let invocation = translate::invocation(&request, self.shared.default_agent.as_deref())?;
        if let Some(task_id) = &invocation.existing {
            // Its failure is the call's: a new task is never created in its place.
            return Box::pin(self.get_task(context, task_id)).await;
        }
        let (mut create, has_name) = (Create::new(&invocation)?, invocation.request_id.is_some());
        // Its body is written: a large one is not held twice while the platform works.
        let once = if has_name { Some(Once::of(context, request)?) } else { None };
        let agent_id = create.agent.clone();
        self.pin(context, &mut create.version, &agent_id);
        let created = match once {
            // Boxed, as all that is not every call's: a future is as large as the largest of its ways.
            Some(once) => Box::pin(self.create_once(context, once, create)).await,
            None => self.create(context, create).await,
        };
        created.map_err(|error| error.of_agent(&agent_id))
    }
}
