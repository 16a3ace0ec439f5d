//! Where the messages end that are put together: a stream that is given up ends with one of them, and says with which.

use std::ops::Range;

/// How many borders an idle stream keeps room for, those of 64 events, and how many bytes of ids.
const KEPT: usize = 65;
const KEPT_IDS: usize = 1 << 10;

/// The ends of the messages of a batch, and what its caller has seen behind each.
#[derive(Default)]
pub struct Borders {
    /// Where a message ends, in bytes, and the id of the last event until there; at first where the batch begins.
    ends: Vec<(usize, Range<usize>)>,
    /// The ids, one behind the other: none has memory of its own.
    ids: String,
    /// The last one.
    last: Range<usize>,
}

impl Borders {
    /// A batch begins, behind the whole of the one before.
    pub fn begin(&mut self) {
        self.ids.drain(..self.last.start);
        self.last = 0..self.ids.len();
        self.ends.clear();
        self.ends.push((0, self.last.clone()));
    }

    /// Nothing is there for the moment: a stream keeps nothing of its largest batch.
    pub fn rest(&mut self) {
        self.ends.shrink_to(KEPT);
        self.ids.shrink_to(KEPT_IDS);
    }

    /// A message ends here; its event has this id.
    pub fn push(&mut self, end: usize, id: Option<&str>) {
        if let Some(id) = id {
            self.last = self.ids.len()..self.ids.len() + id.len();
            self.ids.push_str(id);
        }
        self.ends.push((end, self.last.clone()));
    }

    /// The first border that is not before so many bytes, and the last id until there.
    pub fn behind(&self, bytes: usize) -> (usize, &str) {
        let at = self.ends.partition_point(|(end, _)| *end < bytes);
        let border = self.ends.get(at).or(self.ends.last());
        border.map_or((0, ""), |(end, id)| (*end, &self.ids[id.clone()]))
    }
}
