//! `Invoke`: creates a task, or reads the one that the prompt names.

use std::collections::BTreeSet;

use prost::Message as _;

use super::{
    Calls, Error,
    creates::{create::Create, deduplicate::Once},
};
use crate::{memory, platform::Context, proto, translate};

/// What an invocation comes to, without its request.
enum Prepared {
    /// The task that its prompt names.
    Read(String),
    /// A task to create.
    Create(Create),
}

impl Calls {
    /// Creates a task on an agent and returns it, or reads the task that the prompt names. Where `agents` are given, a task
    /// that is continued or named has to be of one of them.
    ///
    /// # Errors
    /// Violations before the platform is touched, then as the platform says; with an [`Outcome`] always.
    pub async fn invoke(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: proto::InvokeRequest,
    ) -> Result<Box<proto::Task>, Error> {
        self.try_invoke(context, agents, request).await.map_err(|error| error.in_our_names().of_create(&context.record))
    }

    async fn try_invoke(
        &self,
        context: &Context,
        agents: Option<&BTreeSet<String>>,
        request: proto::InvokeRequest,
    ) -> Result<Box<proto::Task>, Error> {
        let mut create = match memory::aside(request.encoded_len(), || self.prepared(&request))? {
            // Its failure is the call's: a new task is never created in its place.
            Prepared::Read(task_id) => {
                drop(request);
                context.request_is_over();
                return Box::pin(self.get_task(context, agents, &task_id)).await;
            }
            Prepared::Create(create) => create,
        };
        let continued = agents.zip(request.existing_task_id.clone().filter(|id| !id.is_empty()));
        let has_name = !request.request_id.is_empty();
        // All of it is written: a large one is not held twice while the platform works.
        let once = Some(request).filter(|_| has_name).map(|request| Once::of(context, request)).transpose()?;
        if let Some((agents, task_id)) = continued {
            // Whatever agent the request names, the task goes on with its own.
            let agent = Box::pin(self.own_agent(context, agents, &task_id)).await?;
            create.agent = agent.as_ref().into();
        }
        let agent_id = create.agent.clone();
        self.pin(context, &mut create.version, &agent_id);
        let created = match once {
            // Boxed, as all that is not every call's: a future is as large as the largest of its ways.
            Some(once) => Box::pin(self.create_once(context, once, create)).await,
            None => self.create(context, create).await,
        };
        created.map_err(|error| error.of_agent(&agent_id))
    }

    fn prepared(&self, request: &proto::InvokeRequest) -> Result<Prepared, Error> {
        let invocation = translate::invocation(request, self.shared.default_agent.as_deref())?;
        if let Some(task_id) = invocation.existing {
            return Ok(Prepared::Read(task_id));
        }
        Ok(Prepared::Create(Create::new(&invocation)?))
    }
}
