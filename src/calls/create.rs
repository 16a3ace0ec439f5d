//! The request that creates a task: sent once, and accounted for whatever becomes of its caller.

use std::{
    pin::Pin,
    task::{self, Poll, ready},
};

use tokio::{runtime::Handle, time::timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{info, warn};

use super::{Calls, Error, Kind, Outcome};
use crate::{
    platform::{self, Context, wire},
    proto,
    translate::{self, Invocation},
};

/// A create that is ready to be sent; owns everything, so that it can go on without its caller.
pub(super) struct Create {
    pub(super) agent: String,
    pub(super) version: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What the platform answers to a create.
type Created = Result<Box<wire::Task>, platform::Error>;

/// A create on its way. Whoever waits for it drives it; when they leave it goes on in the background, since nobody can
/// say any more whether it has made a task.
struct Sending {
    /// None once it is answered.
    request: Option<Pin<Box<dyn Future<Output = Created> + Send>>>,
    calls: Calls,
    context: Context,
    /// A shutdown waits for it.
    _counted: TaskTrackerToken,
}

impl Calls {
    /// Sends the create, once, and waits for its answer as long as the caller does.
    pub(super) async fn send(
        &self,
        context: &Context,
        agent_id: &str,
        create: Create,
    ) -> Result<Box<proto::Task>, Error> {
        if context.is_late() {
            return Err(Error::new(Kind::Deadline).of_agent(&create.agent));
        }
        let Create { agent, version, body } = create;
        let sending = Sending::new(self, context.without_deadline(), agent_id.to_owned(), version, body);
        let created = match context.deadline {
            Some(deadline) => timeout_at(deadline, sending).await.unwrap_or(Err(platform::Error::Deadline)),
            None => sending.await,
        };
        created.map(translate::task).map_err(|error| {
            let may_have_created = error.may_have_created();
            let error = Error::from(error).of_agent(&agent);
            if may_have_created { Error { outcome: Some(Outcome::Unknown), ..error } } else { error }
        })
    }

    /// What becomes of a create whose caller left before the answer came: it is accounted for in the log.
    async fn abandoned(&self, context: &Context, created: Created) {
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
    pub(super) fn new(invocation: &Invocation<'_>) -> Result<Self, Error> {
        let version = invocation.agent_version.map(str::to_owned);
        Ok(Self { agent: invocation.agent_id.to_owned(), version, body: invocation.json()? })
    }
}

impl Sending {
    fn new(calls: &Calls, context: Context, agent_id: String, version: Option<String>, body: Vec<u8>) -> Self {
        let (platform, its_context) = (calls.shared.platform.clone(), context.clone());
        let request = async move { platform.create_task(&its_context, &agent_id, version.as_deref(), body).await };
        let counted = calls.shared.background.token();
        Self { request: Some(Box::pin(request)), calls: calls.clone(), context, _counted: counted }
    }
}

impl Future for Sending {
    type Output = Created;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Created> {
        let Some(request) = &mut self.request else { return Poll::Pending };
        let created = ready!(request.as_mut().poll(cx));
        self.request = None;
        Poll::Ready(created)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        let (Some(request), Ok(runtime)) = (self.request.take(), Handle::try_current()) else { return };
        let (calls, context) = (self.calls.clone(), self.context.clone());
        let rest = async move { calls.abandoned(&context, request.await).await };
        self.calls.shared.background.spawn_on(rest, &runtime);
    }
}
