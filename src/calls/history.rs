//! What a followed task's stream has delivered lately: what a new connection repeats is dropped, and whether it goes on
//! where the last one ended can be proven. Pure: no I/O and no clock.
//!
//! Bytes decide what is a repeat, since they hold an event's time. Ids begin again with each connection or process, stand
//! still, or are clocks: they prove at most that nothing is missing, and only until they contradict themselves.

mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use self::memory::Memory;
pub(super) use self::memory::Time;

/// The events delivered lately, and what their ids have shown.
pub(super) struct History {
    memory: Memory,
    /// The event that the caller says it has seen.
    named: Option<Named>,
    /// Whether the present connection may yet replay what came before that one.
    may_precede: bool,
    /// The first id of an event that arrived.
    first: Option<String>,
    last: Option<Last>,
    ids: Ids,
    footing: Footing,
    /// Whether a gap is the last that the caller was told.
    ends_in_gap: bool,
}

/// The caller's last event.
struct Named {
    id: String,
    /// When the caller came with it: what is younger, the caller has not seen.
    at: Time,
}

/// The last id that arrived.
struct Last {
    id: String,
    /// Of the event that had it, where that was seen.
    print: Option<u64>,
    /// Whether it arrived on the present connection.
    is_present: bool,
}

/// What ids prove.
#[derive(Clone, Copy)]
struct Ids {
    /// Whether none has named two events, and no event has had two.
    name_events: bool,
    /// Whether each number was one more than the one before.
    count: bool,
}

/// Whether something may be missing before the next new event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Footing {
    /// Nothing is, or the caller knows it.
    Sure,
    /// Nothing is, by what ids have proven.
    ByIds,
    Lost,
}

/// What an event that is no repeat is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// By its time it is older than what is remembered; by its id too, it is what the caller has seen or a gap has told of.
    Older,
    /// It is new, and nothing is missing before it.
    Next,
    /// It is new, and something may be missing before it.
    AfterGap,
}

impl History {
    /// A history that begins after the event `named`, where the caller has named one; `now` is when it did.
    pub(super) fn new(named: Option<String>, now: Time) -> Self {
        let last = named.clone().map(|id| Last { id, print: None, is_present: false });
        Self {
            memory: Memory::after(named.as_ref().map(|_| Time::MIN)),
            may_precede: named.is_some(),
            first: named.clone(),
            named: named.map(|id| Named { id, at: now }),
            ids: Ids { name_events: true, count: true },
            // A platform is believed to begin after the event that it is asked to.
            footing: if last.is_some() { Footing::ByIds } else { Footing::Sure },
            ends_in_gap: false,
            last,
        }
    }

    /// The id to go on after.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last.as_ref().map(|last| &*last.id)
    }

    /// Whether the present connection is not the first, and has brought nothing new yet.
    pub(super) fn is_resuming(&self) -> bool {
        self.memory.is_resuming()
    }

    /// A new connection begins, and may repeat what was delivered.
    pub(super) fn reconnected(&mut self) {
        self.memory.reconnected();
        // What is missing behind a gap the caller knows of.
        self.footing = if self.ends_in_gap { Footing::Sure } else { Footing::Lost };
        self.may_precede = self.named.is_some();
        if let Some(last) = &mut self.last {
            last.is_present = false;
        }
    }

    /// What tells an event from others by its bytes.
    pub(super) fn print(&self, data: &[u8]) -> u64 {
        self.memory.hash(data)
    }

    /// Whether an event was delivered before the present connection; each delivery is matched once, since the same bytes
    /// may also be sent twice on purpose.
    pub(super) fn is_repeat(&mut self, id: Option<&str>, print: u64) -> bool {
        if !self.memory.take(print) {
            return false;
        }
        self.may_precede = false;
        if let Some(id) = own(id) {
            if !self.memory.names(id, print) {
                self.doubt_ids();
            }
            if self.last.as_ref().is_some_and(|last| last.id == id && last.print == Some(print)) {
                self.find_footing();
            }
        }
        true
    }

    /// Judges an event that is no repeat, and remembers it unless it is older.
    pub(super) fn arrived(&mut self, id: Option<&str>, print: u64, time: Option<Time>) -> Arrival {
        let own = own(id);
        let ahead = own.zip(self.last_id()).and_then(|(id, last)| step(last, id));
        if self.is_past(own, time) || self.memory.is_older(time) || self.is_skipped(own, ahead, time) {
            return Arrival::Older;
        }
        if let Some(id) = own {
            self.learn(id, ahead);
            self.first.get_or_insert_with(|| id.to_owned());
        }
        let jumps = self.may_precede && ahead.is_some_and(|ahead| ahead != 1);
        if ahead == Some(1) && self.ids.count {
            self.find_footing();
        }
        let is_next = self.footing != Footing::Lost && !jumps;
        if !is_next {
            self.footing = Footing::Sure;
        }
        self.may_precede &= own.is_none();
        self.memory.add(own, print, time);
        self.remember(id, Some(print));
        self.ends_in_gap = false;
        if is_next { Arrival::Next } else { Arrival::AfterGap }
    }

    /// Takes in an event that is no repeat and that nobody can read: a gap stands in its place.
    pub(super) fn left_out(&mut self, id: Option<&str>, print: u64) {
        self.arrived(id, print, None);
        self.ends_in_gap = true;
    }

    /// Takes in an id that stands alone: what comes after it is to be asked for. Not while the connection may still be
    /// repeating: it would lead back.
    pub(super) fn passed(&mut self, id: &str) {
        if self.footing != Footing::Lost && self.last_id() != Some(id) {
            self.remember(Some(id), None);
        }
    }

    /// Takes in the id of a later connection's greeting, which is no event of the task's: one that was seen before begins
    /// again with each connection.
    pub(super) fn greeted(&mut self, id: Option<&str>) {
        if own(id).is_some_and(|id| self.memory.has_id(id)) {
            self.doubt_ids();
        }
    }

    /// Whether the caller has seen an event, by its own word: the one it named, and those before it that count less. Not
    /// what happened after it came back, whatever its number: then its number has begun again.
    fn is_past(&mut self, id: Option<&str>, time: Option<Time>) -> bool {
        let (Some(named), Some(id), true) = (&self.named, id, self.may_precede) else { return false };
        if named.id != id {
            let is_before = time.is_some_and(|time| time < named.at);
            return is_before && step(&named.id, id).is_some_and(|ahead| ahead < 0);
        }
        self.may_precede = false;
        if self.last_id() == Some(id) {
            self.find_footing();
        }
        true
    }

    /// Whether a gap has told of an event: by its id, which nothing else has had, and by its time it stands between events
    /// that were delivered.
    fn is_skipped(&self, id: Option<&str>, ahead: Option<i128>, time: Option<Time>) -> bool {
        let are_numbers = self.ids.name_events && self.ids.count;
        let (Some(id), Some(first), true) = (id, &self.first, are_numbers) else { return false };
        let is_between = ahead.is_some_and(|ahead| ahead < 0) && step(first, id).is_some_and(|ahead| ahead > 0);
        is_between && self.memory.is_amid(time) && !self.memory.has_id(id)
    }

    /// What a new event's id shows of ids.
    fn learn(&mut self, id: &str, ahead: Option<i128>) {
        let is_present = self.last.as_ref().is_some_and(|last| last.is_present);
        let is_last = self.last.as_ref().is_some_and(|last| last.id == id && last.print.is_some());
        let is_named = self.named.as_ref().is_some_and(|named| named.id == id);
        if is_last || is_named || self.memory.has_id(id) {
            self.doubt_ids();
        }
        // Between two connections more than one ahead is a gap.
        self.ids.count &= ahead.is_none_or(|ahead| ahead == 1 || ahead > 1 && !is_present);
    }

    /// Takes in that ids have contradicted themselves: what they have proven on this connection is open again.
    fn doubt_ids(&mut self) {
        self.ids.name_events = false;
        if self.footing == Footing::ByIds {
            self.footing = Footing::Lost;
        }
    }

    /// Takes in that an id says that nothing is missing, where ids are believed.
    fn find_footing(&mut self) {
        if self.footing == Footing::Lost && self.ids.name_events {
            self.footing = Footing::ByIds;
        }
    }

    /// Remembers the last id; an empty one takes back those before it.
    fn remember(&mut self, id: Option<&str>, print: Option<u64>) {
        match (id, &mut self.last) {
            (None, _) => {}
            (Some(""), last) => *last = None,
            (Some(id), Some(last)) => {
                last.id.clear();
                last.id.push_str(id);
                (last.print, last.is_present) = (print, true);
            }
            (Some(id), last) => *last = Some(Last { id: id.to_owned(), print, is_present: true }),
        }
    }
}

/// An event's id, where it has one: an empty one is none.
fn own(id: Option<&str>) -> Option<&str> {
    id.filter(|id| !id.is_empty())
}

/// How far an id is behind another, where they differ in the number at their end alone.
fn step(from: &str, to: &str) -> Option<i128> {
    let digits = |id: &str| id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let ((from_name, from), (to_name, to)) =
        (from.split_at(from.len() - digits(from)), to.split_at(to.len() - digits(to)));
    let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    (from_name == to_name).then(|| i128::from(to) - i128::from(from))
}
