//! `Invoke`: loads the agent, creates the task, once.

use std::sync::Arc;

use tokio::{sync::oneshot, task::yield_now, time::timeout_at};
use tracing::{info, warn};

use super::{Calls, Error, Kind, Outcome};
use crate::{
    platform::{self, Context, wire},
    proto,
    telemetry::Attached,
    translate::{self, Invocation},
};

/// A create that is ready to be sent; owns everything, so that it can go on without its caller.
pub(super) struct Create {
    pub(super) agent: String,
    pub(super) version: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Calls {
    /// Creates a task on an agent and returns it, or reads the task that the prompt names.
    ///
    /// # Errors
    /// Violations before the platform is touched, then as the platform says; with an [`Outcome`] always.
    pub async fn invoke(&self, context: &Context, request: &proto::InvokeRequest) -> Result<proto::Task, Error> {
        self.try_invoke(context, request).await.map_err(|error| error.in_our_names().or_not_created())
    }

    async fn try_invoke(&self, context: &Context, request: &proto::InvokeRequest) -> Result<proto::Task, Error> {
        let invocation = translate::invocation(request, self.shared.default_agent.as_deref())?;
        if let Some(task_id) = &invocation.existing {
            // Its failure is the call's: a new task is never created in its place.
            return self.get_task(context, task_id).await;
        }
        let mut create = Create::new(&invocation)?;
        self.pin(context, &mut create.version, &create.agent);
        match invocation.request_id {
            Some(request_id) => self.create_once(context, request_id, create).await,
            None => self.create(context, create).await,
        }
    }

    /// Loads the agent and creates the task.
    async fn create(&self, context: &Context, create: Create) -> Result<proto::Task, Error> {
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

    /// Sends the create, once, and waits for its answer as long as the caller does.
    pub(super) async fn send(&self, context: &Context, agent_id: &str, create: Create) -> Result<proto::Task, Error> {
        let Create { agent, version, body } = create;
        if context.is_late() {
            return Err(Error::new(Kind::Deadline).of_agent(&agent));
        }
        let (answer, answered) = oneshot::channel();
        let (calls, its_context) = (self.clone(), context.without_deadline());
        let agent_id = agent_id.to_owned();
        self.shared.background.spawn(async move {
            let created = calls.shared.platform.create_task(&its_context, &agent_id, version.as_deref(), body).await;
            if let Err(created) = answer.send(created) {
                calls.abandoned(&its_context, created).await;
            }
        });
        let created = match context.deadline {
            Some(deadline) => timeout_at(deadline, answered).await.unwrap_or(Ok(Err(platform::Error::Deadline))),
            None => answered.await,
        };
        let created = created.map_err(|_| unknown(Error::new(Kind::Internal)))?;
        created.map(translate::task).map_err(|error| {
            let may_have_created = error.may_have_created();
            let error = Error::from(error).of_agent(&agent);
            if may_have_created { unknown(error) } else { error }
        })
    }

    /// What becomes of a create whose caller left before the answer came: it is accounted for in the log.
    async fn abandoned(&self, context: &Context, created: Result<wire::Task, platform::Error>) {
        let request_id = context.request_id.to_str().unwrap_or_default();
        let task = match created {
            Ok(task) => task,
            Err(error) => {
                if error.may_have_created() {
                    context.record.create_unknown();
                }
                let may_have_created = error.may_have_created();
                warn!(request_id, may_have_created, error = error.summary(), "a create failed after its caller left");
                return;
            }
        };
        let task_id = task.id.unwrap_or_default();
        warn!(request_id, task_id, "a task was created after its caller left");
        if self.shared.stop_abandoned && translate::is_id(&task_id) {
            match self.shared.platform.stop_task(context, &task_id).await {
                Ok(_) => info!(request_id, task_id, "the abandoned task was stopped"),
                Err(error) => {
                    warn!(request_id, task_id, error = error.summary(), "the abandoned task could not be stopped");
                }
            }
        }
    }
}

impl Create {
    fn new(invocation: &Invocation<'_>) -> Result<Self, Error> {
        let body = serde_json::to_vec(&invocation.body).map_err(|_| Error::new(Kind::Internal))?;
        let version = invocation.agent_version.map(str::to_owned);
        Ok(Self { agent: invocation.agent_id.to_owned(), version, body })
    }
}

fn unknown(mut error: Error) -> Error {
    error.outcome = Some(Outcome::Unknown);
    error
}
