//! Names for creates: of the invocations with one `request_id` (AIP-155), the first one creates, the others wait with it, and
//! who asks later reads its task.
//!
//! Not what is remembered, and for how long, nor what other replicas know: that is `claims`.

use std::{
    io::BufWriter,
    sync::{Arc, OnceLock},
};

use prost::Message as _;
use tokio::sync::watch;

use super::{
    create::{Caller, Create, Life, in_time, told_to_nobody},
    known::other_content,
    named::{Answer, Named},
};
use crate::{
    calls::{Calls, Error, Kind, Outcome},
    claims::{Asked, Attempt, End, Fingerprint, Name, Why},
    memory::{self, UNCOUNTED},
    platform::{Context, Phase, Progress, State},
    proto::InvokeRequest,
    telemetry::Attached,
    translate,
};

/// A create's name, and what it asks for. Never shared between callers, nor between the keys that they bring.
#[derive(Clone, Copy)]
pub(in crate::calls) struct Once {
    name: Name,
    fingerprint: Fingerprint,
}

/// One who waits for a create with a name. The last one who leaves ends what is not on its way.
struct Waiting<'a> {
    calls: &'a Calls,
    context: &'a Context,
    name: Name,
    named: Arc<Named>,
    caller: Caller,
    /// Whether it is this one's own.
    is_new: bool,
}

/// A name that is settled when its create is over, however that comes.
struct Settling {
    calls: Calls,
    name: Name,
    named: Arc<Named>,
    end: Option<End>,
}

impl Once {
    /// Of a request as its caller sent it: without what the proxy has attached.
    ///
    /// # Errors
    /// None that a request can cause.
    pub(in crate::calls) fn of(context: &Context, mut request: InvokeRequest) -> Result<Self, Error> {
        let record = &context.record;
        record.set_idempotency_key(&request.request_id);
        let caller = record.caller().map(|caller| &**caller);
        let name = Name::new(context.credentials.identity(), caller, &request.request_id);
        if record.has_attached(Attached::User) {
            request.user_details = None;
        }
        if record.has_attached(Attached::Principal) {
            request.principal = None;
        }
        let size = request.encoded_len();
        let hash = || Fingerprint::new(&name, |hash| translate::write_canonical(request, BufWriter::new(hash)));
        let fingerprint = memory::aside(size, hash).map_err(|_| Error::new(Kind::Internal))?;
        Ok(Self { name, fingerprint })
    }
}

impl Calls {
    /// Creates a task unless a create with this name does so already, or has done so.
    pub(in crate::calls) async fn create_once(&self, context: &Context, once: Once, create: Create) -> Answer {
        let Once { name, fingerprint } = once;
        let ((publish, answer), progress) = (watch::channel(None), Arc::new(Progress::begin()));
        let new = Arc::new(Named { progress, answer, life: OnceLock::new() });
        let join = |known: &Arc<Named>, is_same| {
            if is_same { known.progress.step(State::join) } else { !is_free(&known.progress) }
        };
        let (named, is_new) = match self.shared.names.ask(&name, fingerprint, Arc::clone(&new), join) {
            Asked::Claimed => (new, true),
            Asked::UnderWay(named) => (named, false),
            Asked::Done(task_id) => {
                drop(create);
                context.request_is_over();
                return self.read_again(context, &task_id).await;
            }
            Asked::Unknown(why) => {
                return Err(Error::new(Kind::Earlier(why)).outcome(Outcome::Unknown));
            }
            Asked::Other => return Err(other_content()),
            Asked::Full(wait) => return Err(Error::new(Kind::Full(wait))),
        };
        let caller = Caller::new(Arc::clone(&named.progress), context);
        let waiting = Waiting { calls: self, context, name, named, caller, is_new };
        if is_new {
            waiting.begin(once, create, publish);
        } else {
            // Another's is sent, and nothing of this one.
            drop(create);
            context.request_is_over();
        }
        in_time(context, waiting.answer()).await
    }

    /// The task that a create with this name has made.
    async fn read_again(&self, context: &Context, task_id: &str) -> Answer {
        context.record.set_task_id(task_id);
        // To who leaves before it is read.
        context.record.set_may_have_created(true);
        let read = self.get_task(context, None, task_id).await;
        read.map_err(|error| error.outcome(Outcome::Created))
    }
}

impl Waiting<'_> {
    /// Begins the create, which goes on by itself: its answer comes for whoever still waits, and for those who ask later.
    fn begin(&self, once: Once, create: Create, publish: watch::Sender<Option<Answer>>) {
        // Not stopped, whatever the setting: who gave the create a name means to come back for it.
        let life = Life::begin(self.calls, self.context, &self.named.progress, false);
        let shared = &self.calls.shared;
        let attempt =
            |store| Attempt::new(store, (once.name, once.fingerprint), &self.named.progress, shared.longest_create);
        let life = life.once(shared.store.as_ref().map(attempt));
        let (calls, named) = (self.calls.clone(), Arc::clone(&self.named));
        let mut settling = Settling { calls, name: self.name, named, end: None };
        let life = async move {
            life.live(create, |answer, end| {
                settling.end = Some(end.clone());
                publish.send_replace(Some(answer));
            })
            .await;
        };
        if let Some(life) = self.calls.go_on(life) {
            let _ = self.named.life.set(life);
        }
    }

    async fn answer(mut self) -> Answer {
        let mut answer = self.named.answer.clone();
        // An error is a life that broke off.
        let _ = answer.wait_for(Option::is_some).await;
        // Whoever has begun it has the room in which it was read; the others wait for room for their copies.
        if !self.is_new
            && let Some(account) = &self.context.account
        {
            let size = |answer: &Answer| answer.as_ref().map_or(0, |task| task.encoded_len());
            let size = answer.borrow().as_ref().map_or(0, size);
            if size > UNCOUNTED {
                account.make_room(size).await;
            }
        }
        let published = answer.borrow().clone();
        self.caller.hear();
        published.unwrap_or_else(|| Err(Error::new(Kind::Internal)))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(State { phase, callers: 0, is_told, .. }) = self.caller.leave() else { return };
        match phase {
            Phase::NotCreated => {
                if let Some(life) = self.named.life.get() {
                    life.abort();
                }
            }
            Phase::Created if !is_told => {
                let answer = self.named.answer.borrow();
                let task = answer.as_ref().and_then(|answer| answer.as_ref().ok());
                told_to_nobody(self.context, task.map(|task| &*task.id));
            }
            _ => {}
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        let end = match self.end.take() {
            _ if is_free(&self.named.progress) => End::Free,
            Some(end) => end,
            None => End::Unknown(Why::Abandoned),
        };
        self.calls.shared.names.settle(&self.name, |named| Arc::ptr_eq(named, &self.named), end);
    }
}

/// Whether a create has made no task and will make none, so that its name is free.
fn is_free(progress: &Progress) -> bool {
    progress.phase() == Phase::NotCreated
}
