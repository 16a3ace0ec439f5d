//! A create's one life: it is prepared, sent once, and told of once, whatever becomes of its callers.
//!
//! Not the names that callers give creates: that is `deduplicate`, which adds nothing else.

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use tokio::{
    runtime::Handle,
    task::{AbortHandle, yield_now},
    time::timeout_at,
};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{info, warn};

use super::{
    known::{claimed, ended},
    named::Answer,
};
use crate::{
    calls::{Calls, Error, Kind, Outcome},
    claims::{Attempt, End},
    memory::Held,
    platform::{Context, Phase, Progress, State, wire},
    telemetry::{Attached, Record},
    translate::{self, Invocation},
};

/// What is to be created; owns everything, so that it can go on without its caller.
pub(in crate::calls) struct Create {
    pub(in crate::calls) agent: String,
    pub(in crate::calls) version: Option<String>,
    pub(in crate::calls) body: Vec<u8>,
}

/// A create from its preparation to its end. Dropped before that, it ends too: a panic, or the process's end.
pub(in crate::calls) struct Life {
    calls: Calls,
    /// Of the call that began it.
    context: Context,
    progress: Arc<Progress>,
    /// Its name in the store, where it has one.
    attempt: Option<Attempt>,
    /// Whether its task is stopped when nobody is left to hear of it.
    is_stopped: bool,
    is_over: bool,
    /// A shutdown waits for it.
    _counted: TaskTrackerToken,
    /// What its request holds, as long as its body may be sent.
    _request: Option<Held>,
}

/// One who waits for a create.
pub(in crate::calls) struct Caller {
    progress: Arc<Progress>,
    record: Arc<Record>,
    is_gone: bool,
}

/// The life of a create without a name, which its one caller drives. When that leaves, one that is on its way goes on in
/// the background, since nobody can say any more whether it has made a task.
struct Driven {
    /// None once it is over.
    life: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    caller: Caller,
    calls: Calls,
}

impl Create {
    pub(in crate::calls) fn new(invocation: &Invocation<'_>) -> Result<Self, Error> {
        let version = invocation.agent_version.map(str::to_owned);
        Ok(Self { agent: invocation.agent_id.to_owned(), version, body: invocation.json()? })
    }
}

impl Calls {
    /// Creates a task for one caller.
    pub(in crate::calls) async fn create(&self, context: &Context, create: Create) -> Answer {
        let progress = Arc::new(Progress::begin());
        let life = Life::begin(self, context, &progress, self.shared.stop_abandoned);
        let life = Box::pin(life.live(create, |answer, _| answer));
        let caller = Caller::new(progress, context);
        in_time(context, Driven { life: Some(life), caller, calls: self.clone() }).await
    }

    /// Pins the version that the settings have for an agent, unless one is pinned already.
    pub(in crate::calls) fn pin(&self, context: &Context, version: &mut Option<String>, agent_id: &str) {
        if version.is_none()
            && let Some(pin) = self.shared.pins.get(agent_id)
        {
            *version = Some(pin.clone());
            context.record.attached(Attached::VersionPin);
        }
    }

    /// Goes on with a create whoever waits for it, until the process has no more time. Without a runtime there is none.
    pub(in crate::calls) fn go_on<F>(&self, life: F) -> Option<AbortHandle>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let runtime = Handle::try_current().ok()?;
        let life = self.shared.ending.clone().run_until_cancelled_owned(life);
        Some(self.shared.background.spawn_on(life, &runtime).abort_handle())
    }
}

/// Waits until the caller's deadline, and drops then what waited: the caller has left.
pub(in crate::calls) async fn in_time(context: &Context, waiting: impl Future<Output = Answer>) -> Answer {
    match context.deadline {
        Some(deadline) => timeout_at(deadline, waiting).await.unwrap_or(Err(Error::new(Kind::Deadline))),
        None => waiting.await,
    }
}

impl Life {
    /// Begins with the call that wants it.
    pub(in crate::calls) fn begin(
        calls: &Calls,
        context: &Context,
        progress: &Arc<Progress>,
        is_stopped: bool,
    ) -> Self {
        let (calls, context) = (calls.clone(), context.without_deadline());
        let counted = calls.shared.background.token();
        let request = context.account.as_ref().and_then(|account| account.request());
        let progress = Arc::clone(progress);
        Self {
            calls,
            context,
            progress,
            attempt: None,
            is_stopped,
            is_over: false,
            _counted: counted,
            _request: request,
        }
    }

    /// The same, unless another replica has created it.
    pub(in crate::calls) fn once(mut self, attempt: Option<Attempt>) -> Self {
        self.attempt = attempt;
        self
    }

    /// Loads the agent, creates the task, and publishes what came of it. Nobody joins or leaves while that is done, so that
    /// it is known who hears of it.
    pub(in crate::calls) async fn live<T>(self, create: Create, publish: impl FnOnce(Answer, &End) -> T) -> T {
        // Dropped before `publish` is, whose waiters look at how it ended.
        let mut life = self;
        let created = life.send(create).await;
        let end = match &created {
            Ok(task) => {
                // Whatever goes wrong from here on, the call's own line says which task there is.
                if let Some(id) = task.id.as_deref() {
                    life.context.record.set_task_id(id);
                }
                Phase::Created
            }
            Err(error) if error.may_have_created() => Phase::Unknown,
            Err(_) => Phase::NotCreated,
        };
        let answer = created.map(translate::task);
        let failure = answer.as_ref().err().map(Error::summary);
        let (state, ended, published) = life.progress.step(|state| {
            let state = state.end(end);
            let ended = ended(state.phase, &answer);
            let published = publish(answer, &ended);
            (state, ended, published)
        });
        if let Some(attempt) = &mut life.attempt {
            attempt.end(ended);
        }
        life.tell(state, failure.as_deref());
        if state.phase == Phase::Created && state.callers == 0 && life.is_stopped {
            life.stop().await;
        }
        published
    }

    /// Loads the agent and sends the create, once.
    async fn send(&mut self, mut create: Create) -> Result<Box<wire::Task>, Error> {
        let (context, platform) = (&self.context, &self.calls.shared.platform);
        // What has a name may have been created before: that is found out first, and a name that is given back costs nothing.
        let has_name = self.attempt.is_some();
        if !has_name {
            platform.may_create(context)?;
        }
        let agent_id = platform.agent_id(context, &create.agent, create.version.as_deref()).await?;
        self.calls.pin(context, &mut create.version, &agent_id);
        if let Some(attempt) = &mut self.attempt
            && let Some(task_id) = claimed(attempt.decide().await, &self.calls, context, &self.progress)?
        {
            let read = platform.task(context, &task_id).await;
            return read.map_err(|error| Error::from(error).of_task(&task_id).outcome(Outcome::Created));
        }
        if has_name {
            platform.may_create(context)?;
        }
        // A reset that came right behind the request is heard before the create is sent: a storm of resets makes no
        // storm of tasks.
        yield_now().await;
        let Create { version, body, .. } = create;
        Ok(platform.create_task(context, &agent_id, version.as_deref(), body, &self.progress).await?)
    }

    /// Tells how it ended where nobody else does: its callers have left, or nobody knows.
    fn tell(&mut self, State { phase, callers, .. }: State, failure: Option<&str>) {
        self.is_over = true;
        let record = &self.context.record;
        let (request_id, task_id, idempotency_key) = (text(&self.context), record.task_id(), record.idempotency_key());
        match phase {
            Phase::Unknown => {
                record.create_unknown();
                let error = failure.unwrap_or("it was broken off");
                warn!(
                    request_id,
                    idempotency_key, task_id, callers, error, "a create may have made a task: its outcome is unknown"
                );
            }
            Phase::Created if callers == 0 => told_to_nobody(&self.context, task_id),
            Phase::NotCreated if callers == 0 && failure.is_some() => {
                warn!(request_id, idempotency_key, error = failure, "a create failed after its caller left");
            }
            _ => {}
        }
    }

    /// Stops the task that nobody was told of.
    async fn stop(&self) {
        let Some(task_id) = self.context.record.task_id() else { return };
        let request_id = text(&self.context);
        match self.calls.shared.platform.stop_task(&self.context, task_id).await {
            Ok(_) => info!(request_id, task_id, "the abandoned task was stopped"),
            Err(error) => {
                warn!(request_id, task_id, error = error.summary(), "the abandoned task could not be stopped");
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.is_over {
            let state = self.progress.step(|state| state.end(Phase::Unknown));
            self.tell(state, None);
        }
    }
}

/// A task that was made when its callers had left.
pub(in crate::calls) fn told_to_nobody(context: &Context, task_id: Option<&str>) {
    let idempotency_key = context.record.idempotency_key();
    warn!(request_id = text(context), idempotency_key, task_id, "a task was created after its caller left");
}

fn text(context: &Context) -> &str {
    context.request_id.to_str().unwrap_or_default()
}

impl Caller {
    /// Waits for a create that it has begun, or joined.
    pub(in crate::calls) fn new(progress: Arc<Progress>, context: &Context) -> Self {
        Self { progress, record: Arc::clone(&context.record), is_gone: false }
    }

    /// Leaves with the create's answer.
    pub(in crate::calls) fn hear(&mut self) {
        self.is_gone = true;
        let state = self.progress.step(State::hear);
        self.left(state);
    }

    /// Leaves without one, if it has not left already: what it leaves behind.
    pub(in crate::calls) fn leave(&mut self) -> Option<State> {
        if self.is_gone {
            return None;
        }
        self.is_gone = true;
        let state = self.progress.step(State::leave);
        self.left(state);
        Some(state)
    }

    /// Notes what it has left behind.
    fn left(&self, state: State) {
        self.record.set_may_have_created(state.may_have_created());
        if let Some(id) = self.progress.made() {
            self.record.set_task_id(id);
        }
    }
}

impl Future for Driven {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Answer> {
        // Taken out: what panics is over.
        let Some(mut life) = self.life.take() else { return Poll::Pending };
        let answer = life.as_mut().poll(cx);
        match &answer {
            Poll::Ready(_) => self.caller.hear(),
            Poll::Pending => self.life = Some(life),
        }
        answer
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let left = self.caller.leave();
        if left.is_some_and(State::may_have_created)
            && let Some(life) = self.life.take()
        {
            self.calls.go_on(life);
        }
    }
}
