//! What is noted of a call that streams: its events, where it stands, what was left out.

use std::sync::{PoisonError, atomic::Ordering::Relaxed};

use super::Record;
use crate::proto::EventType;

impl Record {
    /// Notes an event that is on its way to the caller.
    pub fn event(&self, kind: EventType) {
        self.events.fetch_add(1, Relaxed);
        // Counted together with others of its type: one by one that is a good part of what an event costs.
        if self.alike.load(Relaxed) != i32::from(kind) {
            self.count_events();
            self.alike.store(kind.into(), Relaxed);
        }
        self.uncounted.fetch_add(1, Relaxed);
        if kind == EventType::Chunk
            && !self.has_chunk.swap(true, Relaxed)
            && let Some(gen_ai) = self.metrics.gen_ai()
        {
            gen_ai.first_chunk(self.begun.elapsed());
        }
        // A heartbeat is no event of the task's.
        if self.first_event.get().is_none() && kind != EventType::Heartbeat {
            let after = self.begun.elapsed();
            if self.first_event.set(after).is_ok() {
                self.metrics.first_event(self.method, after);
            }
        }
    }

    /// Has the events counted that are on their way.
    pub(super) fn count_events(&self) {
        let count = self.uncounted.swap(0, Relaxed);
        if count > 0 {
            self.metrics.events(self.alike.load(Relaxed), count);
        }
    }

    /// Notes that the last message of the call's stream is on its way: what ends it from now on is no loss.
    pub fn complete(&self) {
        self.is_complete.store(true, Relaxed);
    }

    /// Whether the last message of the call's stream is on its way.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Relaxed)
    }

    /// Notes the id of an event that was handed out whole with all before it, or that the caller says it has seen.
    pub fn delivered(&self, event_id: &str) {
        let mut last = self.last_event_id.lock().unwrap_or_else(PoisonError::into_inner);
        // Into the same memory: this is done for each batch of events.
        last.clear();
        last.push_str(event_id);
    }

    /// The id of the last event that has reached the caller: where a stream that fails is to be followed again.
    #[must_use]
    pub fn last_event_id(&self) -> Option<Box<str>> {
        let last = self.last_event_id.lock().unwrap_or_else(PoisonError::into_inner);
        (!last.is_empty()).then(|| last.as_str().into())
    }

    /// Notes events of the platform that were left out.
    pub fn skipped(&self, count: u64) {
        if count > 0 {
            self.skipped.fetch_add(count, Relaxed);
            self.metrics.skipped(count);
        }
    }

    /// Notes a gap that the caller is told of.
    pub fn gap(&self) {
        self.gaps.fetch_add(1, Relaxed);
        self.metrics.gap();
    }

    /// Notes an attempt to open a broken event stream again.
    pub fn reconnecting(&self) {
        self.reconnects.fetch_add(1, Relaxed);
        self.metrics.reconnect();
    }
}
