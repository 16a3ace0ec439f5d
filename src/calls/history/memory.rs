//! The last events, by their bytes.

use std::{collections::VecDeque, hash::BuildHasher};

use foldhash::quality::RandomState;

/// Microseconds since 1970.
pub(in super::super) type Time = i64;

/// How many events are remembered.
pub(super) const REMEMBERED: usize = 1_000;

/// The events delivered last, oldest first: side by side, since each list is searched by itself.
#[derive(Default)]
pub(super) struct Memory {
    hasher: RandomState,
    prints: VecDeque<u64>,
    /// Hashes of their ids; zero for none.
    ids: VecDeque<u64>,
    /// The greatest for those that say none.
    times: VecDeque<Time>,
    /// Whether there were more.
    has_forgotten: bool,
    /// When the first event of all happened, and the last.
    span: Option<(Time, Time)>,
    /// Those of the prints that the present connection may yet repeat.
    earlier: Vec<u64>,
    /// On a connection that may be replaying what is forgotten: from when on there are none of those.
    horizon: Option<Time>,
    /// Whether the present connection is not the first.
    is_later: bool,
    /// Whether it has brought nothing new yet.
    is_resuming: bool,
}

impl Memory {
    /// Nothing yet, but that the stream begins at this time.
    pub(super) fn after(begin: Option<Time>) -> Self {
        Self { span: begin.map(|begin| (begin, begin)), ..Self::default() }
    }

    /// A new connection begins.
    pub(super) fn reconnected(&mut self) {
        self.earlier = self.prints.iter().copied().collect();
        let known = self.times.iter().copied().filter(|time| *time != Time::MAX);
        self.horizon = known.min().filter(|_| self.has_forgotten);
        (self.is_later, self.is_resuming) = (true, true);
    }

    pub(super) fn is_resuming(&self) -> bool {
        self.is_resuming
    }

    /// A hash of an event's data or id.
    pub(super) fn hash(&self, data: &[u8]) -> u64 {
        self.hasher.hash_one(data)
    }

    /// Takes out one event of before that has this print; whether there is one.
    pub(super) fn take(&mut self, print: u64) -> bool {
        // Most are new: `contains` looks at many at once.
        if !self.earlier.contains(&print) {
            return false;
        }
        if let Some(at) = self.earlier.iter().position(|known| *known == print) {
            self.earlier.swap_remove(at);
        }
        self.horizon = None;
        true
    }

    /// Whether an event is one of those that are forgotten, by its time. Where it says none, or in doubt: no.
    pub(super) fn is_older(&self, time: Option<Time>) -> bool {
        time.zip(self.horizon).is_some_and(|(time, horizon)| time < horizon)
    }

    /// Whether an event happened amid those that were delivered, on a connection that has brought nothing new yet: then a
    /// gap has told of it.
    pub(super) fn is_amid(&self, time: Option<Time>) -> bool {
        let is_amid = |(time, (first, last))| first < time && time < last;
        self.is_resuming && time.zip(self.span).is_some_and(is_amid)
    }

    /// Whether this event had this id.
    pub(super) fn names(&self, id: &str, print: u64) -> bool {
        let id = self.hash(id.as_bytes());
        self.ids.iter().zip(&self.prints).any(|known| known == (&id, &print))
    }

    /// Whether an event of an earlier connection had this id.
    pub(super) fn has_id(&self, id: &str) -> bool {
        // On the first connection only neighbours are compared: nothing depends on the others yet.
        self.is_later && {
            let (id, (front, back)) = (self.hash(id.as_bytes()), self.ids.as_slices());
            front.contains(&id) || back.contains(&id)
        }
    }

    /// Remembers an event that is new.
    pub(super) fn add(&mut self, id: Option<&str>, print: u64, time: Option<Time>) {
        if self.prints.len() == REMEMBERED {
            self.prints.pop_front();
            self.ids.pop_front();
            self.times.pop_front();
            self.has_forgotten = true;
        }
        self.prints.push_back(print);
        self.ids.push_back(id.map_or(0, |id| self.hash(id.as_bytes())));
        self.times.push_back(time.unwrap_or(Time::MAX));
        if let Some(time) = time {
            self.horizon = None;
            self.span = Some((self.span.map_or(time, |(first, _)| first), time));
        }
        self.is_resuming = false;
    }
}
