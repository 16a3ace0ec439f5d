//! What a followed task's stream has delivered lately: what a new connection repeats is dropped, and whether it goes on
//! where the last one ended can be proven. Pure: no I/O and no clock.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
};

use crate::platform::sse::Frame;

/// How many events are remembered.
const REMEMBERED: usize = 1_000;

/// The events delivered lately, as hashes.
pub(super) struct History {
    hasher: RandomState,
    delivered: VecDeque<Delivered>,
    /// How many of them were delivered before the present connection: only those can be repeats of it.
    before: usize,
    /// The last id that arrived, or the caller's own.
    last_id: Option<String>,
    /// Whether the present connection is known to go on where the last one ended.
    is_continuous: bool,
    /// Whether the present connection may yet turn out to replay what came before the last id.
    may_precede: bool,
}

struct Delivered {
    hash: u64,
    /// A repeat was matched with it already: the same bytes may also be sent twice on purpose.
    is_matched: bool,
}

/// What an event of the present connection is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It was delivered before.
    Repeat,
    /// It is new, and nothing is missing before it.
    Next,
    /// It is new, and something may be missing before it.
    AfterGap,
}

impl History {
    /// A history that begins after the event `last_id`, where the caller has named one.
    pub(super) fn new(last_id: Option<String>) -> Self {
        let may_precede = last_id.is_some();
        let (hasher, delivered) = (RandomState::new(), VecDeque::new());
        let mut history = Self { hasher, delivered, before: 0, last_id, is_continuous: true, may_precede };
        if let Some(id) = &history.last_id {
            history.remember(history.hasher.hash_one((true, id)));
            history.before = 1;
        }
        history
    }

    /// The id to go on after.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// A new connection begins, and may repeat what was delivered.
    pub(super) fn reconnected(&mut self) {
        self.is_continuous = false;
        self.may_precede = true;
        self.before = self.delivered.len();
        self.delivered.iter_mut().for_each(|delivered| delivered.is_matched = false);
    }

    /// Judges an event and remembers it.
    pub(super) fn arrived(&mut self, frame: &Frame) -> Arrival {
        // How far it is ahead of the last id, where ids can be counted.
        let ahead = frame.id.as_deref().zip(self.last_id()).and_then(|(id, last)| step(last, id));
        let hash = self.hash(frame);
        let is_past = self.may_precede && ahead.is_some_and(|ahead| ahead <= 0);
        if self.is_known(hash) || is_past {
            self.is_continuous |= frame.id.is_some() && frame.id == self.last_id;
            return Arrival::Repeat;
        }
        let jumps = self.may_precede && ahead.is_some_and(|ahead| ahead > 1);
        let is_next = self.is_continuous && !jumps || ahead == Some(1);
        self.is_continuous = true;
        self.may_precede &= frame.id.is_none();
        self.remember(hash);
        if frame.id.is_some() {
            self.last_id.clone_from(&frame.id);
        }
        if is_next { Arrival::Next } else { Arrival::AfterGap }
    }

    /// Whether it was delivered before the present connection; each delivery is matched once.
    fn is_known(&mut self, hash: u64) -> bool {
        let mut before = self.delivered.iter_mut().take(self.before);
        let known = before.find(|known| known.hash == hash && !known.is_matched);
        known.map(|known| known.is_matched = true).is_some()
    }

    /// By its id, where it has one: else by its bytes.
    fn hash(&self, frame: &Frame) -> u64 {
        match &frame.id {
            Some(id) => self.hasher.hash_one((true, id)),
            None => self.hasher.hash_one((false, &frame.data)),
        }
    }

    fn remember(&mut self, hash: u64) {
        if self.delivered.len() == REMEMBERED {
            self.delivered.pop_front();
            self.before = self.before.saturating_sub(1);
        }
        self.delivered.push_back(Delivered { hash, is_matched: false });
    }
}

/// How far an id is behind another, where they differ in the number at their end alone.
fn step(from: &str, to: &str) -> Option<i128> {
    let split = |id: &str| {
        let digits = id
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |at| at + id[at..].chars().next().map_or(1, char::len_utf8));
        let number: u64 = id[digits..].parse().ok()?;
        Some((id[..digits].to_owned(), i128::from(number)))
    };
    let ((from_name, from), (to_name, to)) = (split(from)?, split(to)?);
    (from_name == to_name).then_some(to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: &str, data: &str) -> Frame {
        Frame { id: (!id.is_empty()).then(|| id.to_owned()), data: data.to_owned().into() }
    }

    fn arrivals(history: &mut History, frames: &[(&str, &str)]) -> Vec<Arrival> {
        frames.iter().map(|(id, data)| history.arrived(&frame(id, data))).collect()
    }

    #[test]
    fn on_one_connection_nothing_is_a_repeat() {
        let mut history = History::new(None);
        assert_eq!(
            arrivals(&mut history, &[("", "a"), ("", "a"), ("1", "x"), ("1", "x")]),
            [Arrival::Next, Arrival::Next, Arrival::Next, Arrival::Next]
        );
    }

    #[test]
    fn the_next_number_proves_that_nothing_is_missing() {
        for (last, next, expected) in [
            ("7", "8", Arrival::Next),
            ("t-9", "t-10", Arrival::Next),
            ("7", "9", Arrival::AfterGap),
            ("a", "b", Arrival::AfterGap),
            ("t-7", "u-8", Arrival::AfterGap),
        ] {
            let mut history = History::new(None);
            history.arrived(&frame(last, "x"));
            history.reconnected();
            assert_eq!(history.arrived(&frame(next, "y")), expected, "{last} {next}");
            assert_eq!(history.arrived(&frame("anything", "z")), Arrival::Next, "told once");
        }
    }

    #[test]
    fn a_replay_by_ids_is_dropped_and_proves_that_nothing_is_missing() {
        let mut history = History::new(None);
        arrivals(&mut history, &[("x", "1"), ("y", "2")]);
        history.reconnected();
        assert_eq!(
            arrivals(&mut history, &[("x", "1"), ("y", "2"), ("z", "3")]),
            [Arrival::Repeat, Arrival::Repeat, Arrival::Next]
        );
    }

    #[test]
    fn a_replay_by_bytes_is_dropped_and_proves_nothing() {
        let mut history = History::new(None);
        arrivals(&mut history, &[("", "a"), ("", "b"), ("", "a")]);
        history.reconnected();
        assert_eq!(
            arrivals(&mut history, &[("", "a"), ("", "b"), ("", "a"), ("", "a")]),
            [Arrival::Repeat, Arrival::Repeat, Arrival::Repeat, Arrival::AfterGap]
        );
    }

    #[test]
    fn what_a_later_connection_delivered_is_known_to_the_next() {
        let mut history = History::new(None);
        arrivals(&mut history, &[("", "a")]);
        history.reconnected();
        arrivals(&mut history, &[("", "a"), ("", "b")]);
        history.reconnected();
        assert_eq!(arrivals(&mut history, &[("", "a"), ("", "b")]), [Arrival::Repeat, Arrival::Repeat]);
    }

    #[test]
    fn a_replay_of_what_the_caller_has_seen_is_dropped() {
        let mut history = History::new(Some("e-7".to_owned()));
        assert_eq!(
            arrivals(&mut history, &[("", "connected"), ("e-1", "a"), ("e-7", "b"), ("e-8", "c"), ("e-2", "d")]),
            [Arrival::Next, Arrival::Repeat, Arrival::Repeat, Arrival::Next, Arrival::Next]
        );
    }

    #[test]
    fn a_jump_after_what_the_caller_has_seen_is_a_gap() {
        for (last, id, expected) in
            [("7", "9", Arrival::AfterGap), ("7", "8", Arrival::Next), ("a", "b", Arrival::Next)]
        {
            let mut history = History::new(Some(last.to_owned()));
            assert_eq!(
                arrivals(&mut history, &[("", "connected"), (id, "x")]),
                [Arrival::Next, expected],
                "{last} {id}"
            );
        }
    }

    #[test]
    fn what_a_gap_has_skipped_does_not_come_out_of_order() {
        let mut history = History::new(None);
        arrivals(&mut history, &[("3", "a")]);
        history.reconnected();
        assert_eq!(arrivals(&mut history, &[("5", "b")]), [Arrival::AfterGap]);
        history.reconnected();
        assert_eq!(
            arrivals(&mut history, &[("4", "late"), ("5", "b"), ("6", "c")]),
            [Arrival::Repeat, Arrival::Repeat, Arrival::Next]
        );
    }

    #[test]
    fn what_the_caller_has_seen_is_dropped_on_later_connections_too() {
        let mut history = History::new(Some("7".to_owned()));
        arrivals(&mut history, &[("8", "a")]);
        history.reconnected();
        assert_eq!(
            arrivals(&mut history, &[("1", "x"), ("7", "y"), ("8", "a"), ("9", "b")]),
            [Arrival::Repeat, Arrival::Repeat, Arrival::Repeat, Arrival::Next]
        );
    }

    #[test]
    fn only_the_last_thousand_are_remembered() {
        let mut history = History::new(None);
        for count in 0..=REMEMBERED {
            history.arrived(&frame("", &count.to_string()));
        }
        history.reconnected();
        assert_eq!(arrivals(&mut history, &[("", "1"), ("", "0")]), [Arrival::Repeat, Arrival::AfterGap]);
    }
}
