//! `Invoke`: loads the agent, creates the task, once.

use std::sync::Arc;

use tokio::task::yield_now;

use super::{Calls, Error, create::Create};
use crate::{
    platform::{self, Context},
    proto,
    telemetry::Attached,
    translate,
};

impl Calls {
    /// Creates a task on an agent and returns it, or reads the task that the prompt names.
    ///
    /// # Errors
    /// Violations before the platform is touched, then as the platform says; with an [`Outcome`] always.
    pub async fn invoke(&self, context: &Context, request: proto::InvokeRequest) -> Result<Box<proto::Task>, Error> {
        self.try_invoke(context, request).await.map_err(|error| error.in_our_names().or_not_created())
    }

    async fn try_invoke(&self, context: &Context, request: proto::InvokeRequest) -> Result<Box<proto::Task>, Error> {
        let invocation = translate::invocation(&request, self.shared.default_agent.as_deref())?;
        if let Some(task_id) = &invocation.existing {
            // Its failure is the call's: a new task is never created in its place.
            return Box::pin(self.get_task(context, task_id)).await;
        }
        let (mut create, request_id) = (Create::new(&invocation)?, invocation.request_id.map(str::to_owned));
        // Its body is written: a large one is not held twice while the platform works.
        drop(request);
        self.pin(context, &mut create.version, &create.agent);
        match request_id {
            // Boxed, as all that is not every call's: a future is as large as the largest of its ways.
            Some(request_id) => Box::pin(self.create_once(context, &request_id, create)).await,
            None => self.create(context, create).await,
        }
    }

    /// Loads the agent and creates the task.
    async fn create(&self, context: &Context, create: Create) -> Result<Box<proto::Task>, Error> {
        let (agent_id, create) = self.load_agent(context, create).await?;
        self.send(context, &agent_id, create).await
    }

    /// The id to create the task under, and the create with the version that is pinned for that id.
    pub(super) async fn load_agent(&self, context: &Context, mut create: Create) -> Result<(Arc<str>, Create), Error> {
        let agent_id = self.shared.platform.agent_id(context, &create.agent, create.version.as_deref()).await;
        let agent_id = agent_id.map_err(|error| Error::from(error).of_agent(&create.agent))?;
        if !translate::is_id(&agent_id) {
            let why = "its agent has an id that cannot stand in a path".to_owned();
            let error = platform::Error::Unreadable { what: "load an agent", why, status: 200 };
            return Err(Error::from(error).of_agent(&create.agent));
        }
        self.pin(context, &mut create.version, &agent_id);
        // A reset that came right behind the request is heard before the create is sent: a storm of resets makes no
        // storm of tasks.
        yield_now().await;
        Ok((agent_id, create))
    }

    /// Pins the version that the settings have for an agent, unless one is pinned already.
    fn pin(&self, context: &Context, version: &mut Option<String>, agent_id: &str) {
        if version.is_none()
            && let Some(pin) = self.shared.pins.get(agent_id)
        {
            *version = Some(pin.clone());
            context.record.attached(Attached::VersionPin);
        }
    }
}
