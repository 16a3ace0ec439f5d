//! Which containers are open, in a bit each: text that is nested without end must not cost more than itself.

/// A kind of container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    /// `{}`.
    Object,
    /// `[]`.
    List,
}

impl Bracket {
    /// What ends it.
    #[must_use]
    pub fn end(self) -> u8 {
        match self {
            Self::Object => b'}',
            Self::List => b']',
        }
    }
}

/// The containers that are open.
#[derive(Default)]
pub(super) struct Nesting {
    depth: usize,
    /// The most that were open at once.
    pub deepest: usize,
    /// The innermost ones, up to 64, the last in the lowest bit: one for a list.
    inner: u64,
    /// Those around them, 64 in each.
    outer: Vec<u64>,
}

impl Nesting {
    pub fn open(&mut self, bracket: Bracket) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(bracket == Bracket::List);
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }

    pub fn close(&mut self) {
        self.inner >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth.is_multiple_of(64) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    pub fn last(&self) -> Option<Bracket> {
        (self.depth > 0).then_some(if self.inner & 1 == 1 { Bracket::List } else { Bracket::Object })
    }
}
