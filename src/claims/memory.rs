//! What one process knows of its creates by name: for a fixed time and within so many bytes. What is not over, or whose
//! time is not up, is never forgotten: a new name is refused when there is no room.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Fingerprint, Name, Why};

/// What a name costs in bytes beside its task's id: its slot in a table that is three quarters full, and its place in the
/// order.
const NAME: usize = 84;
const PLACE: usize = 32;
/// What the id of a task is expected to cost; what is allocated is a multiple of this many bytes.
const ID: usize = 48;
const GRAIN: usize = 16;
/// How many that are out of date go with one that comes: more than one, so that they grow fewer.
const AT_ONCE: usize = 16;
/// The most that go while others wait for the memory: that takes less than a millisecond.
const IN_A_TURN: usize = 4096;

/// What is known of creates, with a `T` for each that is under way.
pub struct Memory<T> {
    remembered: Duration,
    most: usize,
    begun: Instant,
    known: Mutex<Known<T>>,
}

/// What a new create under a name finds.
pub enum Asked<T> {
    /// Nothing: the name is its own from now on.
    Claimed,
    /// The create under way.
    UnderWay(T),
    /// The task that was created.
    Done(Box<str>),
    /// A create that may have made a task.
    Unknown(Why),
    /// Another create: the content is not the same.
    Other,
    /// No room, for this long at least.
    Full(Duration),
}

/// How a create ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It made this task.
    Done(Box<str>),
    /// It may have made one.
    Unknown(Why),
    /// It made none: its name is free.
    Free,
}

type Place = (u64, [u8; 16]);

struct Known<T> {
    entries: HashMap<[u8; 16], Entry<T>>,
    /// When each one's time is up, in milliseconds: the earliest first. Some are free again already.
    order: VecDeque<Place>,
    /// Those before them, looked at already.
    swept: VecDeque<Place>,
    /// Bytes of the tasks' ids.
    ids: usize,
}

struct Entry<T> {
    fingerprint: Fingerprint,
    until: u64,
    state: State<T>,
}

enum State<T> {
    UnderWay(T),
    Done(Box<str>),
    Unknown(Why),
}

impl<T: Clone> Memory<T> {
    /// Remembers each create for so long from its beginning, within so many bytes.
    #[must_use]
    pub fn new(remembered: Duration, most: usize) -> Self {
        let (entries, order, swept) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        let known = Known { entries, order, swept, ids: 0 };
        Self { remembered, most, begun: Instant::now(), known: Mutex::new(known) }
    }

    /// Claims a name for a new create, or tells what is known under it. `join` says whether a create under way is still one,
    /// and joins it where the content is the same.
    pub fn ask(&self, name: &Name, content: Fingerprint, new: T, join: impl FnOnce(&T, bool) -> bool) -> Asked<T> {
        let (now, name) = (self.now(), name.short());
        let mut known = self.lock();
        known.forget(now, self.until(now), AT_ONCE);
        known.sweep(AT_ONCE);
        if let Some(entry) = known.entries.get(&name) {
            let is_same = entry.fingerprint == content;
            let stays = match &entry.state {
                State::UnderWay(create) => join(create, is_same),
                State::Done(_) | State::Unknown(_) => now < entry.until,
            };
            match &entry.state {
                _ if !stays => known.remove(&name),
                _ if !is_same => return Asked::Other,
                State::UnderWay(create) => return Asked::UnderWay(create.clone()),
                State::Done(id) => return Asked::Done(id.clone()),
                State::Unknown(why) => return Asked::Unknown(*why),
            }
        }
        if known.bytes() + NAME + PLACE + ID > self.most {
            known.forget(now, self.until(now), IN_A_TURN);
            known.sweep(IN_A_TURN);
            if known.bytes() + NAME + PLACE + ID > self.most {
                let earliest = known.earliest().map_or(0, |(until, _)| until.saturating_sub(now));
                return Asked::Full(Duration::from_millis(earliest.max(1)));
            }
        }
        let until = self.until(now);
        known.order.push_back((until, name));
        known.ids += ID;
        known.entries.insert(name, Entry { fingerprint: content, until, state: State::UnderWay(new) });
        Asked::Claimed
    }

    /// Notes how a create ended, unless its name has gone to another one.
    pub fn settle(&self, name: &Name, is_mine: impl FnOnce(&T) -> bool, end: End) {
        let name = name.short();
        let mut known = self.lock();
        let Some(entry) = known.entries.get_mut(&name) else { return };
        if !matches!(&entry.state, State::UnderWay(create) if is_mine(create)) {
            return;
        }
        let state = match end {
            End::Done(id) => State::Done(id),
            End::Unknown(why) => State::Unknown(why),
            End::Free => return known.remove(&name),
        };
        let (before, after) = (entry.state.bytes(), state.bytes());
        entry.state = state;
        known.ids = known.ids - before + after;
    }

    /// How many creates are remembered, and the bytes that this takes: also of some that are out of date, which go a few
    /// thousand at a time, so that no call waits for who only looks.
    pub fn size(&self) -> (usize, usize) {
        let now = self.now();
        let mut known = self.lock();
        known.forget(now, self.until(now), IN_A_TURN);
        (known.entries.len(), known.bytes())
    }

    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    fn until(&self, now: u64) -> u64 {
        now.saturating_add(millis(self.remembered))
    }

    fn lock(&self) -> MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<T> Known<T> {
    /// Forgets some whose time is up. One that is under way stays, for as long again.
    fn forget(&mut self, now: u64, again: u64, most: usize) {
        for _ in 0..most {
            let Some((until, name)) = self.earliest().filter(|(until, _)| *until <= now) else { return };
            let _ = self.swept.pop_front().or_else(|| self.order.pop_front());
            match self.entries.get_mut(&name) {
                Some(entry) if entry.until != until => {}
                Some(entry) if matches!(entry.state, State::UnderWay(_)) => {
                    entry.until = again;
                    self.order.push_back((again, name));
                }
                _ => self.remove(&name),
            }
        }
    }

    /// Drops the places of those that are free again, among so many that are looked at in turn.
    fn sweep(&mut self, most: usize) {
        for _ in 0..most {
            if self.places() == self.entries.len() {
                return;
            }
            let Some(place) = self.order.pop_front() else {
                self.order = mem::take(&mut self.swept);
                continue;
            };
            if self.entries.get(&place.1).is_some_and(|entry| entry.until == place.0) {
                self.swept.push_back(place);
            }
        }
    }

    fn earliest(&self) -> Option<Place> {
        self.swept.front().or(self.order.front()).copied()
    }

    fn places(&self) -> usize {
        self.swept.len() + self.order.len()
    }

    fn remove(&mut self, name: &[u8; 16]) {
        let Some(entry) = self.entries.remove(name) else { return };
        self.ids -= entry.state.bytes();
        // Most that are free again were the last to come.
        if self.order.back() == Some(&(entry.until, *name)) {
            self.order.pop_back();
        }
        if self.entries.is_empty() {
            (self.entries, self.order, self.swept) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        }
    }

    fn bytes(&self) -> usize {
        self.entries.len() * NAME + self.places() * PLACE + self.ids
    }
}

impl<T> State<T> {
    /// What its id costs.
    fn bytes(&self) -> usize {
        match self {
            Self::UnderWay(_) => ID,
            Self::Done(id) => id.len().next_multiple_of(GRAIN),
            Self::Unknown(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn memory(most: usize) -> Memory<Arc<()>> {
        Memory::new(MINUTE, most)
    }

    fn name(id: usize) -> Name {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&id.to_be_bytes());
        Name(name)
    }

    fn content(of: &str) -> Fingerprint {
        let mut content = [0; 16];
        content[..of.len()].copy_from_slice(of.as_bytes());
        Fingerprint(content)
    }

    /// Claims it, and ends it with a task.
    fn create(memory: &Memory<Arc<()>>, id: usize) -> Asked<Arc<()>> {
        let asked = memory.ask(&name(id), content("hi"), Arc::new(()), |_, _| true);
        if matches!(asked, Asked::Claimed) {
            memory.settle(&name(id), |_| true, End::Done(format!("{id:036}").into()));
        }
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn four_hundred_thousand_fit_into_the_default_and_the_first_is_known_to_its_last_moment() {
        let memory = memory(64 << 20);
        for id in 0..400_000 {
            assert!(matches!(create(&memory, id), Asked::Claimed), "{id}");
        }
        advance(Duration::from_millis(59_999)).await;
        for id in [0, 1, 399_999] {
            assert!(matches!(create(&memory, id), Asked::Done(task) if *task == *format!("{id:036}")), "{id}");
        }
        assert!(memory.size().1 <= 64 << 20);
        advance(Duration::from_millis(1)).await;
        for left in (0..400_000).rev().step_by(4096) {
            assert_eq!(memory.size().0, (left + 1_usize).saturating_sub(4096), "a look forgets so many and no more");
        }
        assert_eq!(memory.size(), (0, 0));
        assert!(matches!(create(&memory, 0), Asked::Claimed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_memory_has_room_again_and_forgets_a_few_for_each_that_comes() {
        let memory = memory(3 * IN_A_TURN * (NAME + PLACE + ID));
        for id in 0..3 * IN_A_TURN {
            assert!(matches!(create(&memory, id), Asked::Claimed), "{id}");
        }
        assert!(matches!(create(&memory, 3 * IN_A_TURN), Asked::Full(_)));
        advance(MINUTE).await;
        // One that asks takes a few with it, whatever the room.
        assert!(matches!(create(&memory, 3 * IN_A_TURN), Asked::Claimed));
        assert_eq!(memory.lock().entries.len(), 3 * IN_A_TURN - AT_ONCE + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_memory_refuses_until_the_first_ones_time_is_up() {
        let memory = memory(100 * (NAME + PLACE + ID));
        for id in 0..100 {
            assert!(matches!(create(&memory, id), Asked::Claimed), "{id}");
            advance(Duration::from_millis(10)).await;
        }
        let Asked::Full(wait) = create(&memory, 100) else { panic!("there is room") };
        assert_eq!(wait, Duration::from_secs(59));
        assert!(matches!(create(&memory, 7), Asked::Done(_)), "the known ones are known");
        advance(wait).await;
        assert!(matches!(create(&memory, 100), Asked::Claimed));
        assert!(matches!(create(&memory, 101), Asked::Full(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_stays_whatever_its_age() {
        let memory = memory(1 << 20);
        let ask = || memory.ask(&name(1), content("hi"), Arc::new(()), |_, _| true);
        assert!(matches!(ask(), Asked::Claimed));
        for _ in 0..5 {
            advance(MINUTE).await;
            assert_eq!(memory.size().0, 1);
            assert!(matches!(ask(), Asked::UnderWay(_)));
        }
    }

    #[tokio::test]
    async fn names_that_are_free_again_leave_nothing_behind() {
        let memory = memory(NAME + PLACE + ID);
        for id in 0..1000 {
            assert!(matches!(memory.ask(&name(id), content("hi"), Arc::new(()), |_, _| true), Asked::Claimed), "{id}");
            memory.settle(&name(id), |_| true, End::Free);
        }
        assert_eq!(memory.size(), (0, 0));
    }

    #[tokio::test]
    async fn only_the_one_under_way_settles_and_only_the_same_content_is_told() {
        let memory = memory(1 << 20);
        let (first, second) = (Arc::new(()), Arc::new(()));
        let ask = |what, new| memory.ask(&name(1), content(what), Arc::clone(new), |_, is_same| is_same);
        assert!(matches!(ask("hi", &first), Asked::Claimed));
        // It is over, and has made nothing.
        assert!(matches!(ask("ho", &second), Asked::Claimed));
        memory.settle(&name(1), |create| Arc::ptr_eq(create, &first), End::Done("first".into()));
        assert!(matches!(ask("ho", &first), Asked::UnderWay(_)));
        memory.settle(&name(1), |create| Arc::ptr_eq(create, &second), End::Unknown(Why::Lost));
        memory.settle(&name(1), |_| true, End::Free);
        assert!(matches!(ask("ho", &first), Asked::Unknown(Why::Lost)));
        assert!(matches!(ask("hi", &first), Asked::Other));
    }
}
