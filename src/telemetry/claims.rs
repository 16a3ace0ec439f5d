//! The metrics of creates with an idempotency key: what the replica remembers, and what the store says.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};

/// The instruments of creates with a request id.
pub struct Claims {
    meter: Meter,
    outcomes: Counter<u64>,
    duration: Histogram<f64>,
    alone: Counter<u64>,
    restarts: Counter<u64>,
}

/// What a claim in the store came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// It is this call's: the create was sent.
    Granted,
    /// Another call has made the task.
    Done,
    /// Another call may have made one.
    Unknown,
    /// Its request id was used for other content.
    Other,
    /// The store was away.
    Away,
}

impl Claims {
    pub(super) fn new(meter: &Meter, duration: Histogram<f64>) -> Self {
        let counter = |name: &'static str, unit: &'static str, what: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(what).build()
        };
        let claims = Self {
            meter: meter.clone(),
            outcomes: counter(
                "xpander.deduplication.claims",
                "{claim}",
                "Claims in the store of idempotency keys, by what they came to.",
            ),
            duration,
            alone: counter(
                "xpander.deduplication.alone",
                "{create}",
                "Creates with an idempotency key that went on without the store (deduplication.when_away).",
            ),
            restarts: counter(
                "xpander.deduplication.store.restarts",
                "{restart}",
                "Times that the store of idempotency keys was another one than before, or had been restarted.",
            ),
        };
        // A counter that is not there until it counts hides its first step from whoever computes rates.
        for claimed in [Claimed::Granted, Claimed::Done, Claimed::Unknown, Claimed::Other, Claimed::Away] {
            claims.outcomes.add(0, &[claimed.label()]);
        }
        claims.alone.add(0, &[]);
        claims.restarts.add(0, &[]);
        claims
    }

    /// Has it told how many creates are remembered by their request ids, and in how many bytes, whenever metrics are read.
    pub fn observe_names(&self, size: impl Fn() -> (usize, usize) + Clone + Send + Sync + 'static) {
        let meter = &self.meter;
        let count = size.clone();
        let gauge = meter.u64_observable_gauge("xpander.deduplication.entries").with_unit("{request}");
        let what = "Creates that the replica remembers by their idempotency keys.";
        gauge.with_description(what).with_callback(move |gauge| gauge.observe(count().0 as u64, &[])).build();
        let gauge = meter.u64_observable_gauge("xpander.deduplication.size").with_unit("By");
        let what = "Bytes that they are remembered in (deduplication.memory_bytes).";
        gauge.with_description(what).with_callback(move |gauge| gauge.observe(size().1 as u64, &[])).build();
    }

    /// Counts a claim in the store by what it came to, and its time, unless most of that was waiting for another call.
    pub fn claimed(&self, claimed: Claimed, has_waited: bool, after: Duration) {
        self.outcomes.add(1, &[claimed.label()]);
        if !has_waited {
            self.duration.record(after.as_secs_f64(), &[]);
        }
    }

    /// Counts a create that went on without the store.
    pub fn went_alone(&self) {
        self.alone.add(1, &[]);
    }

    /// Counts a store that is another one than before, or was restarted.
    pub fn store_restarted(&self) {
        self.restarts.add(1, &[]);
    }

    /// Has it told whether the store is away, whenever metrics are read.
    pub fn observe_store(&self, is_away: impl Fn() -> bool + Send + Sync + 'static) {
        let meter = &self.meter;
        let gauge = meter.u64_observable_gauge("xpander.deduplication.store.away");
        let what = "1 while the store of idempotency keys (deduplication.store) is away, or refuses claims.";
        gauge.with_description(what).with_callback(move |gauge| gauge.observe(is_away().into(), &[])).build();
    }
}

impl Claimed {
    fn label(self) -> KeyValue {
        let word = match self {
            Self::Granted => "granted",
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Other => "other",
            Self::Away => "away",
        };
        KeyValue::new("xpander.outcome", word)
    }
}
