//! The counters of the limits and of the brake, in all interleavings of those who use them.
//!
//! The very files, made of loom's atomics in place of the standard library's: `cargo test --locked --manifest-path
//! tests/loom/Cargo.toml --target-dir target/loom`. A package of its own, so that what loom needs stays out of the build.

#![cfg(test)]
#![allow(clippy::pedantic, dead_code, reason = "tests are read as prose, and not all of each file is needed")]

mod atomic {
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[path = "../../../src/grpc/request/limits/pool.rs"]
mod pool;

#[path = "../../../src/platform/brake/pause.rs"]
mod pause;

#[path = "../../../src/platform/brake/throttle.rs"]
mod throttle;

#[path = "../../../src/platform/brake/turn.rs"]
mod turn;

use loom::{
    model::Builder,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
};

use self::{
    pause::Pause,
    pool::{Full, Part, Pool},
    throttle::Throttle,
    turn::Turn,
};

/// In all interleavings in which no thread is stopped in the middle of its work more than three times: more of them find
/// nothing new in counters, and take for ever.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(check);
}

/// Runs these at the same time, and gives what they gave.
fn at_once<T: 'static>(work: Vec<Box<dyn FnOnce() -> T>>) -> Vec<T> {
    let threads: Vec<_> = work.into_iter().map(thread::spawn).collect();
    threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
}

/// One place for two callers: it is one's at a time, and comes back.
#[test]
fn a_pool_is_never_overfull_and_every_place_comes_back() {
    model(|| {
        let pool = Arc::new(Pool::new(1, 1));
        let under_way = Arc::new(AtomicU32::new(0));
        let work = (0..2).map(|_| {
            let (pool, under_way) = (Arc::clone(&pool), Arc::clone(&under_way));
            Box::new(move || {
                let part = Part::new();
                let taken = pool.take(&part, 1);
                if taken.is_ok() {
                    assert_eq!(under_way.fetch_add(1, SeqCst), 0, "two at once");
                    under_way.fetch_sub(1, SeqCst);
                    pool.give_back(&part);
                }
                assert_eq!(part.held(), 0);
                taken
            }) as Box<dyn FnOnce() -> _>
        });
        let taken: Vec<Result<(), Full>> = at_once(work.collect());
        assert!(taken.iter().any(Result::is_ok), "{taken:?}");
        assert!(taken.iter().all(|taken| matches!(taken, Ok(()) | Err(Full::Pool))), "{taken:?}");
        assert_eq!(pool.take(&Part::new(), 1), Ok(()));
    });
}

/// A caller that asks for three of four places while nothing is lent has its share of two; the other one has its own.
#[test]
fn a_caller_holds_its_share_and_leaves_the_others_theirs() {
    model(|| {
        let pool = Arc::new(Pool::new(4, 1));
        let greedy = Arc::new(Part::new());
        let other = Arc::new(Part::new());
        let ask = |part: &Arc<Part>, times: usize| {
            let (pool, part) = (Arc::clone(&pool), Arc::clone(part));
            Box::new(move || (0..times).filter(|_| pool.take(&part, 2).is_ok()).count()) as Box<dyn FnOnce() -> _>
        };
        let taken = at_once(vec![ask(&greedy, 3), ask(&other, 1)]);
        assert_eq!(taken, [2_usize, 1]);
        assert_eq!((greedy.held(), other.held()), (2, 1));
    });
}

/// One caller asks from two places at once.
#[test]
fn one_caller_from_two_threads_has_exactly_what_it_may_have() {
    for (lent, most) in [(0, 2), (3, 3)] {
        model(move || {
            let pool = Arc::new(Pool::new(4, lent));
            let part = Arc::new(Part::new());
            let work = (0..2).map(|_| {
                let (pool, part) = (Arc::clone(&pool), Arc::clone(&part));
                Box::new(move || (0..2).filter(|_| pool.take(&part, 2).is_ok()).count() as u32)
                    as Box<dyn FnOnce() -> _>
            });
            assert_eq!(at_once(work.collect()).iter().sum::<u32>(), most);
            assert_eq!(part.held(), most);
            (0..most).for_each(|_| pool.give_back(&part));
            assert_eq!(part.held(), 0);
        });
    }
}

/// Of those that come at once, exactly each hundredth goes through.
#[test]
fn no_turn_is_lost_and_none_is_taken_twice() {
    model(|| {
        let turn = Arc::new(Turn::new());
        (0..98).for_each(|_| assert!(!turn.is_next()));
        let work = (0..2).map(|_| {
            let turn = Arc::clone(&turn);
            Box::new(move || turn.is_next()) as Box<dyn FnOnce() -> _>
        });
        assert_eq!(at_once(work.collect()).iter().filter(|is_next| **is_next).count(), 1);
        assert!(!turn.is_next());
    });
}

/// Whoever asks last, the longest pause holds, with its own reason; it is told as new by one at least.
#[test]
fn the_longest_pause_holds() {
    model(|| {
        let pause = Arc::new(Pause::new());
        let ask = |until: u64, is_unavailable: bool| {
            let pause = Arc::clone(&pause);
            Box::new(move || pause.ask(until, is_unavailable)) as Box<dyn FnOnce() -> _>
        };
        let new: Vec<bool> = at_once(vec![ask(300, true), ask(200, false)]);
        assert!(new[0], "nothing was longer");
        assert_eq!(pause.left(50), Some((250, true)));
        assert_eq!(pause.left(300), None);
    });
}

/// What is noted at the same time is all counted, also where a new piece of time begins.
#[test]
fn nothing_that_the_throttle_hears_is_lost() {
    for now in [0, 9_999, 10_000, 130_000] {
        model(move || {
            let throttle = Arc::new(Throttle::new());
            // As many failures as are let pass, and so old that a new piece takes the place of one of them.
            (0..30).for_each(|_| throttle.failed(now));
            let note = |failed: bool, now: u64| {
                let throttle = Arc::clone(&throttle);
                Box::new(move || if failed { throttle.failed(now) } else { throttle.took(now) })
                    as Box<dyn FnOnce() -> _>
            };
            // One failure too many, and one answer that makes up for it, whichever comes first.
            at_once(vec![note(true, now), note(false, now + 1)]);
            assert!(
                (0..4).all(|_| throttle.lets_through(now + 1)),
                "thirty more failures than answers hold nothing back"
            );
            throttle.failed(now + 1);
            // What was taken has paid for two; then one a second.
            let through = (0..5).filter(|_| throttle.lets_through(now + 1)).count();
            assert!((2..=3).contains(&through), "{through}");
        });
    }
}

/// A credit is spent once.
#[test]
fn what_was_taken_pays_for_two_more_and_not_for_three() {
    model(|| {
        let throttle = Arc::new(Throttle::new());
        (0..40).for_each(|_| throttle.failed(5_000));
        assert!(throttle.lets_through(5_000), "one a second");
        let ask = || {
            let throttle = Arc::clone(&throttle);
            Box::new(move || throttle.lets_through(5_001)) as Box<dyn FnOnce() -> _>
        };
        throttle.took(5_000);
        let through: Vec<bool> = at_once(vec![ask(), ask()]);
        assert_eq!(through, [true, true]);
        assert!(!throttle.lets_through(5_001));
    });
}
