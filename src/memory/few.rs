//! What may be there a few times at once, and not for long: the oldest gives way to the next, which is never refused.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

/// So many places.
#[derive(Debug)]
pub struct Few {
    most: usize,
    /// In the order in which they were taken; those between that were given back count until the older ones are gone.
    taken: Mutex<VecDeque<Weak<Place>>>,
}

/// One of them, given back when it is dropped.
#[derive(Debug, Default)]
pub struct Place {
    gives_way: AtomicBool,
    keeper: AtomicWaker,
}

impl Few {
    /// So many places, all free.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, taken: Mutex::new(VecDeque::new()) }
    }

    /// Takes a place: where all are taken, that of the oldest.
    #[must_use]
    pub fn enter(&self) -> Arc<Place> {
        let place = Arc::default();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.front().is_some_and(|oldest| oldest.strong_count() == 0) {
            taken.pop_front();
        }
        taken.push_back(Arc::downgrade(&place));
        let oldest = if taken.len() > self.most { taken.pop_front() } else { None };
        drop(taken);
        if let Some(oldest) = oldest.and_then(|oldest| oldest.upgrade()) {
            oldest.gives_way.store(true, SeqCst);
            oldest.keeper.wake();
        }
        place
    }
}

impl Place {
    /// Ready once it has to be given back. For one who waits.
    pub fn poll_gives_way(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.keeper.register(cx.waker());
        if self.gives_way.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Comes when it has to be given back.
    pub async fn gives_way(&self) {
        poll_fn(|cx| self.poll_gives_way(cx)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn gives_way(place: &Place) -> bool {
        place.poll_gives_way(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_gives_way_to_the_next() {
        let few = Few::new(2);
        let places: Vec<_> = (0..3).map(|_| few.enter()).collect();
        assert_eq!(places.iter().map(|place| gives_way(place)).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn a_place_that_was_given_back_is_free() {
        let few = Few::new(2);
        let first = few.enter();
        drop(first);
        let second = few.enter();
        let _third = few.enter();
        assert!(!gives_way(&second));
    }
}
