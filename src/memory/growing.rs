//! The room of what is being read from the platform, whose length nobody knows: in steps that double.

use std::{sync::Arc, time::Duration};

use super::{Budget, Held};

/// The largest part of an answer that is not counted while it is read, in bytes: most are smaller.
pub const UNCOUNTED: usize = 64 << 10;

/// How long who holds some room waits for more at most: others wait for what is held meanwhile.
pub const ROOM_TIME: Duration = Duration::from_secs(5);

/// Room among all answers, as far as it is needed by now.
#[derive(Debug)]
pub struct Growing {
    budget: Arc<Budget>,
    held: Option<Held>,
}

impl Growing {
    /// None yet.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: None }
    }

    /// Whether there is room for so many bytes; holds none where none is needed any more.
    pub fn has_room(&mut self, bytes: usize) -> bool {
        if bytes <= UNCOUNTED {
            self.held = None;
        }
        bytes <= UNCOUNTED.max(self.held.as_ref().map_or(0, Held::bytes))
    }

    /// Waits for it. May be dropped while it waits: what was held stays so.
    pub async fn make_room(&mut self, bytes: usize) {
        if !self.has_room(bytes) {
            self.held.get_or_insert_with(|| self.budget.begin(false)).grow(bytes.next_power_of_two()).await;
        }
    }
}
