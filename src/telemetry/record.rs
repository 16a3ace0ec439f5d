//! What is told of one call: noted by every floor with one word each, told in one place (`call`).
//!
//! Work that outlives its call keeps the record of the call that began it: its requests still count, and belong to the
//! call's trace. Nothing in here is a secret, a prompt, a result or a user's attribute.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};

use super::{
    Metrics,
    cost::Cost,
    gen_ai::{self, Facts},
    method::Method,
    route::Route,
    shed::Shed,
    trace::Trace,
};
use crate::proto::Task;

mod streamed;
mod words;

pub use words::{Attached, End, Failure};

/// One call's record; shared by all who work on the call.
pub struct Record {
    pub(super) method: &'static Method,
    pub(super) begun: Instant,
    pub(super) metrics: Metrics,
    pub(super) trace: Trace,
    pub(super) request_id: OnceLock<HeaderValue>,
    pub(super) idempotency_key: OnceLock<String>,
    pub(super) caller: OnceLock<Arc<str>>,
    pub(super) agent_id: OnceLock<String>,
    pub(super) task_id: OnceLock<String>,
    pub(super) deadline: OnceLock<tokio::time::Instant>,
    pub(super) attached: AtomicU8,
    pub(super) attempts: AtomicU32,
    /// The HTTP status of the platform's last answer; zero before the first.
    pub(super) platform_status: AtomicU16,
    pub(super) retries: AtomicU32,
    pub(super) events: AtomicU64,
    /// The type of the last events, by number, and how many of them the metrics do not have yet.
    alike: AtomicI32,
    uncounted: AtomicU64,
    pub(super) first_event: OnceLock<Duration>,
    has_chunk: AtomicBool,
    /// What the task has cost whose end the call has seen.
    pub(super) cost: OnceLock<Cost>,
    /// The agent that was loaded, by id and name, and what is known of it, where the conventions for generative AI are
    /// followed.
    pub(super) loaded: Mutex<Option<(Arc<str>, Arc<str>)>>,
    pub(super) facts: Mutex<Facts>,
    /// The id of the last event that reached the caller; empty before the first.
    last_event_id: Mutex<String>,
    pub(super) skipped: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) reconnects: AtomicU32,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) failure: Mutex<Option<Failure>>,
    /// Why a connection to the platform failed last.
    pub(super) cause: Mutex<Option<String>>,
    pub(super) end: OnceLock<End>,
    /// The limit that it would have met, were limits enforced.
    pub(super) observed: OnceLock<Shed>,
    is_complete: AtomicBool,
    may_have_created: AtomicBool,
    is_alone: AtomicBool,
    brings_key: AtomicBool,
}

impl Record {
    pub(super) fn new(metrics: &Metrics, method: &'static Method, headers: &HeaderMap) -> Self {
        Self {
            method,
            begun: Instant::now(),
            metrics: metrics.clone(),
            trace: Trace::read(headers),
            request_id: OnceLock::new(),
            idempotency_key: OnceLock::new(),
            caller: OnceLock::new(),
            agent_id: OnceLock::new(),
            task_id: OnceLock::new(),
            deadline: OnceLock::new(),
            attached: AtomicU8::new(0),
            attempts: AtomicU32::new(0),
            platform_status: AtomicU16::new(0),
            retries: AtomicU32::new(0),
            events: AtomicU64::new(0),
            alike: AtomicI32::new(0),
            uncounted: AtomicU64::new(0),
            first_event: OnceLock::new(),
            has_chunk: AtomicBool::new(false),
            cost: OnceLock::new(),
            loaded: Mutex::default(),
            facts: Mutex::default(),
            last_event_id: Mutex::default(),
            skipped: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            reconnects: AtomicU32::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            failure: Mutex::default(),
            cause: Mutex::default(),
            end: OnceLock::new(),
            observed: OnceLock::new(),
            is_complete: AtomicBool::new(false),
            may_have_created: AtomicBool::new(false),
            is_alone: AtomicBool::new(false),
            brings_key: AtomicBool::new(false),
        }
    }

    /// What is called.
    #[must_use]
    pub fn method(&self) -> &'static Method {
        self.method
    }

    /// Notes the call's request id: its `x-request-id`, and not the API's `request_id`.
    pub fn set_request_id(&self, id: HeaderValue) {
        let _ = self.request_id.set(id);
    }

    /// The call's request id.
    #[must_use]
    pub fn request_id(&self) -> HeaderValue {
        self.request_id.get().cloned().unwrap_or(HeaderValue::from_static("-"))
    }

    /// Notes the API's `request_id`, by which a create happens once; checked, since what a caller writes is not logged as it
    /// is.
    pub fn set_idempotency_key(&self, key: &str) {
        let _ = self.idempotency_key.set(key.to_owned());
    }

    /// That one.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.get().map(String::as_str)
    }

    /// Notes that the platform's key is the caller's own.
    pub fn set_brings_key(&self) {
        self.brings_key.store(true, Relaxed);
    }

    /// Whether it is.
    #[must_use]
    pub fn brings_key(&self) -> bool {
        self.brings_key.load(Relaxed)
    }

    /// Notes when the caller stops waiting.
    pub fn set_deadline(&self, deadline: tokio::time::Instant) {
        let _ = self.deadline.set(deadline);
    }

    /// Notes who the authenticated caller is, by name.
    pub fn set_caller(&self, name: Arc<str>) {
        let _ = self.caller.set(name);
    }

    /// Who the authenticated caller is.
    pub fn caller(&self) -> Option<&Arc<str>> {
        self.caller.get()
    }

    /// Notes the agent that the call is about; checked, since what a caller writes is not logged as it is.
    pub fn set_agent_id(&self, id: &str) {
        let _ = self.agent_id.set(id.to_owned());
    }

    /// Notes the task that the call is about; checked, as above.
    pub fn set_task_id(&self, id: &str) {
        if self.task_id.get().is_none() {
            let _ = self.task_id.set(id.to_owned());
        }
    }

    /// The task that the call is about.
    pub fn task_id(&self) -> Option<&str> {
        self.task_id.get().map(String::as_str)
    }

    /// Notes what the proxy added to the request by itself.
    pub fn attached(&self, kind: Attached) {
        self.attached.fetch_or(kind as u8, Relaxed);
    }

    /// Whether the proxy added this to the request by itself.
    #[must_use]
    pub fn has_attached(&self, kind: Attached) -> bool {
        self.attached.load(Relaxed) & kind as u8 != 0
    }

    /// Notes the task that the call is about, as it is now.
    pub fn task(&self, task: &Task) {
        if self.follows_gen_ai() {
            *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Facts::of(task);
        }
    }

    /// The same where the call sees its end: what it has cost is told, and counted once.
    pub fn task_ended(&self, task: &Task) {
        self.task(task);
        if let Some(cost) = Cost::of(task)
            && self.cost.set(cost).is_ok()
        {
            self.metrics.task_ended(task, &cost);
        }
    }

    /// Notes an agent that was loaded, by its id and its name.
    pub fn agent_loaded(&self, id: &Arc<str>, name: &Arc<str>) {
        if self.follows_gen_ai() {
            let loaded = Some((Arc::clone(id), Arc::clone(name)));
            *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        }
    }

    /// Whether it is told by the conventions for generative AI, too.
    pub(super) fn follows_gen_ai(&self) -> bool {
        self.metrics.gen_ai().is_some() && gen_ai::is_of(self.method)
    }

    /// Notes that a request is going to be sent again.
    pub fn retrying(&self, route: Route) {
        self.retries.fetch_add(1, Relaxed);
        self.metrics.retry(route);
    }

    /// Notes an agent that was looked up, and whether that needed no request of its own.
    pub fn looked_up(&self, is_known: bool) {
        self.metrics.lookup(is_known);
    }

    /// Notes a create that may or may not have made a task, once for each.
    pub fn create_unknown(&self) {
        self.metrics.unknown_create();
    }

    /// Notes whether the call may have created a task that its caller was not told of.
    pub fn set_may_have_created(&self, may: bool) {
        self.may_have_created.store(may, Relaxed);
    }

    /// Whether the call may have created a task that its caller was not told of. True to what is asked when nothing works
    /// on the call any more: until then its create may still be called back.
    #[must_use]
    pub fn may_have_created(&self) -> bool {
        self.may_have_created.load(Relaxed)
    }

    /// Notes a create that its request id makes unique in this process alone, since the store is away.
    pub fn went_alone(&self) {
        self.is_alone.store(true, Relaxed);
        self.metrics.claims().went_alone();
    }

    /// Whether that is so.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.is_alone.load(Relaxed)
    }

    /// Notes why a connection to the platform failed: for the log alone, since it may name addresses.
    pub fn lost_connection(&self, cause: &str) {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause.to_owned());
    }

    /// Notes what the caller is told of the call's failure, and how that ends it. The last word is the one that is sent: a
    /// create's outcome may be known only when its work is dropped.
    pub fn failed(&self, failure: Failure, end: End) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        self.ended(end);
    }

    /// Notes why the call ends, where that is not how calls usually do. The first word counts.
    pub fn ended(&self, end: End) {
        if self.end.set(end).is_ok()
            && let End::Shed(shed) = end
        {
            self.metrics.limits().shed(self.method, shed, self.caller().map(|caller| &**caller));
        }
    }

    /// Notes a limit that the call would have met, were limits enforced. The first one counts.
    pub fn observed(&self, shed: Shed) {
        if self.observed.set(shed).is_ok() {
            self.metrics.limits().observed(self.method, shed, self.caller().map(|caller| &**caller));
        }
    }

    /// Notes a request that was not sent, since the platform wants to be left alone.
    pub fn braked(&self, route: Route) {
        self.metrics.limits().braked(route);
    }

    pub(super) fn platform_asked(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    pub(super) fn platform_answered(&self, status: u16) {
        self.platform_status.store(status, Relaxed);
    }

    /// Adds to the bytes of messages that arrived, as they came over the wire.
    pub fn received(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Relaxed);
    }

    /// Adds to the bytes of messages that were sent, as they go over the wire.
    pub fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
        self.count_events();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.count_events();
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({})", self.method.name)
    }
}
