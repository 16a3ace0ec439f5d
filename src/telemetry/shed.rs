//! Why a call was refused that another time would have been let in: a closed set, by the limit that it met; and the metrics
//! of such calls.

use std::{collections::BTreeSet, sync::OnceLock};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Meter},
};

use super::{
    method::{Kind, Method},
    route::Route,
};
use crate::config::DNS;

/// The limit that a refused call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// So many short calls were under way.
    Calls,
    /// So many calls of `WaitTask` were.
    Waits,
    /// So many streams were.
    Streams,
    /// So many calls were that are not the API's.
    Others,
    /// No more file descriptors were left to calls.
    Descriptors,
    /// So many creates were.
    Creates,
    /// Its caller held its share.
    Share,
    /// Its caller had begun as many creates as it may.
    Rate,
    /// The platform wants to be left alone.
    Platform,
    /// There was no room for its request.
    Requests,
    /// There was no room for its answer, or it was not read while others needed the room.
    Answers,
    /// No more idempotency keys could be remembered.
    Names,
    /// Its connection had reset too many calls.
    Resets,
}

/// The instruments of calls that met a limit.
pub struct Limits {
    shed: Counter<u64>,
    observed: Counter<u64>,
    braked: Counter<u64>,
    /// The callers that are told apart, where any are.
    callers: OnceLock<BTreeSet<String>>,
}

impl Shed {
    /// The limits on calls under way that a method may meet.
    pub(super) fn of(method: &Method) -> impl Iterator<Item = Self> {
        let pool = match method.kind {
            Kind::Unary => Some(Self::Calls),
            Kind::Waiting => Some(Self::Waits),
            Kind::Streaming => Some(Self::Streams),
            Kind::Stopping | Kind::Health | Kind::Reflection | Kind::Nothing => None,
        };
        let share = pool.map(|_| Self::Share);
        let creates = [Self::Creates, Self::Rate].into_iter().filter(|_| method.creates);
        let creates = creates.filter(move |shed| *shed == Self::Rate || pool == Some(Self::Calls));
        pool.into_iter().chain(share).chain(creates)
    }

    /// The setting that has the limit, as metrics, logs and messages name it.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Calls => "server.max_calls",
            Self::Waits => "server.max_waits",
            Self::Streams => "server.max_streams",
            Self::Others => "server.max_other_streams",
            Self::Descriptors => "the limit on open files",
            Self::Creates => "limits.creates",
            Self::Share => "limits.shares",
            Self::Rate => "limits.creates_per_second",
            Self::Platform => "platform",
            Self::Requests => "server.max_receiving_bytes",
            Self::Answers => "server.max_buffered_bytes",
            Self::Names => "deduplication.memory_bytes",
            Self::Resets => "server.max_resets_per_connection",
        }
    }

    pub(super) fn label(self) -> KeyValue {
        KeyValue::new("xpander.reason", self.setting())
    }
}

impl Limits {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, what: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(what).build()
        };
        let limits = Self {
            shed: counter("xpander.calls.shed", "{call}", "Calls refused by a limit, by its setting."),
            observed: counter(
                "xpander.calls.observed",
                "{call}",
                "Calls that a limit would have refused, were limits enforced (limits.mode), by its setting.",
            ),
            braked: counter(
                "xpander.platform.braked",
                "{request}",
                "Requests to the platform that were not sent, or in limits.mode observe were not to be, since it wants to be \
                 left alone.",
            ),
            callers: OnceLock::new(),
        };
        // A counter that is not there until it counts hides its first step from whoever computes rates.
        for (method, shed) in Method::of_the_api().flat_map(|method| Shed::of(method).map(move |shed| (method, shed))) {
            for counter in [&limits.shed, &limits.observed] {
                counter.add(0, &[KeyValue::new("rpc.method", method.name), shed.label()]);
            }
        }
        for route in Route::ALL {
            limits.braked.add(0, &route.attributes());
        }
        limits
    }

    /// Has refused calls counted by caller, for callers of these names; all others are one.
    pub fn name_callers(&self, names: BTreeSet<String>) {
        let _ = self.callers.set(names);
    }

    pub(super) fn shed(&self, method: &'static Method, shed: Shed, caller: Option<&str>) {
        self.count(&self.shed, method, shed, caller);
    }

    pub(super) fn observed(&self, method: &'static Method, shed: Shed, caller: Option<&str>) {
        self.count(&self.observed, method, shed, caller);
    }

    pub(super) fn braked(&self, route: Route) {
        self.braked.add(1, &route.attributes());
    }

    fn count(&self, counter: &Counter<u64>, method: &'static Method, shed: Shed, caller: Option<&str>) {
        let [method, reason] = [KeyValue::new("rpc.method", method.name), shed.label()];
        let Some(callers) = self.callers.get() else { return counter.add(1, &[method, reason]) };
        let known = |name: &str| callers.get(name).cloned();
        let named = caller.and_then(|name| known(name).or_else(|| known(name.strip_prefix(DNS)?)));
        let caller = KeyValue::new("xpander.caller", named.unwrap_or_else(|| "other".to_owned()));
        counter.add(1, &[method, reason, caller]);
    }
}
