//! How often a caller may begin something: the generic cell rate algorithm (GCRA, ITU-T I.371), one number a caller, which
//! is the moment at which it will have used up what it was given.
//!
//! Not the crate `governor`, which is made for the same: it would bring four crates for this one number.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const SECOND: f64 = 1e9;

/// The rate of one caller, in nanoseconds.
#[derive(Debug)]
pub struct Rate {
    /// What one costs; rounded up, so that there are never more than so many.
    cost: u64,
    /// How far ahead of the time a caller may be.
    ahead: u64,
    used: AtomicU64,
}

impl Rate {
    /// So many a second for long, and so many at once after a rest. The rate is at least a thousandth.
    pub fn new(per_second: f64, burst: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and at most 10^12")]
        let cost = (SECOND / per_second).ceil() as u64;
        Self { cost, ahead: cost.saturating_mul(u64::from(burst.max(1)) - 1), used: AtomicU64::new(0) }
    }

    /// Takes one, at a time in nanoseconds since some beginning.
    ///
    /// # Errors
    /// How long it is until there will be one.
    pub fn take(&self, now: u64) -> Result<(), Duration> {
        let next =
            |used: u64| (used.saturating_sub(self.ahead) <= now).then(|| used.max(now).saturating_add(self.cost));
        match self.used.fetch_update(Relaxed, Relaxed, next) {
            Ok(_) => Ok(()),
            Err(used) => Err(Duration::from_nanos(used - self.ahead - now)),
        }
    }

    /// Whether it is as if it had never been used.
    pub fn is_rested(&self, now: u64) -> bool {
        self.used.load(Relaxed) <= now
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "a nanosecond in years does not matter")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR: u64 = 365 * 24 * 3_600 * 1_000_000_000;

    fn rates() -> impl Strategy<Value = (f64, u32)> {
        (prop_oneof![0.001..1.0, 1.0..1e6], prop_oneof![1..10_u32, 1..1_000_000_u32])
    }

    /// Pauses of every length, none among them.
    fn pauses() -> impl Strategy<Value = Vec<u64>> {
        let pause = prop_oneof![Just(0), 1..1_000_u64, 1..2_000_000_000_u64, 1..YEAR / 1_000];
        prop::collection::vec(pause, 1..200)
    }

    proptest! {
        /// In any stretch of time, from any of those that were let in to any later one.
        #[test]
        fn never_more_than_the_burst_and_the_rate((per_second, burst) in rates(), pauses in pauses()) {
            let (rate, mut now, mut taken) = (Rate::new(per_second, burst), 0, Vec::new());
            for pause in pauses {
                now += pause;
                if rate.take(now).is_ok() {
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let most = f64::from(burst) + per_second * (to - from) as f64 / SECOND;
                    prop_assert!((last - first + 1) as f64 <= most + 1e-6, "{} in {} ns", last - first + 1, to - from);
                }
            }
        }

        /// One nanosecond before the wait is over there is none, and then there is one.
        #[test]
        fn the_wait_is_exact((per_second, burst) in rates(), pauses in pauses()) {
            let (rate, mut now) = (Rate::new(per_second, burst), 0);
            for pause in pauses {
                now += pause % 1_000;
                if let Err(wait) = rate.take(now) {
                    let wait = u64::try_from(wait.as_nanos()).unwrap();
                    prop_assert!(wait > 0);
                    prop_assert_eq!(rate.take(now + wait - 1), Err(Duration::from_nanos(1)));
                    now += wait;
                    prop_assert_eq!(rate.take(now), Ok(()));
                }
            }
        }

        /// A caller gets all that it was given: the burst at once, again after a rest, and then one each period.
        #[test]
        fn all_of_the_burst_and_of_the_rate_is_there((per_second, burst) in (0.001..1e6, 1..1_000_u32), rest in 0..YEAR) {
            let rate = Rate::new(per_second, burst);
            let mut now = rest;
            for _ in 0..2 {
                for _ in 0..burst {
                    prop_assert_eq!(rate.take(now), Ok(()));
                }
                for _ in 0..3 {
                    prop_assert_eq!(rate.take(now), Err(Duration::from_nanos(rate.cost)));
                    now += rate.cost;
                    prop_assert_eq!(rate.take(now), Ok(()));
                }
                prop_assert!(!rate.is_rested(now));
                now += rate.cost * u64::from(burst);
                prop_assert!(rate.is_rested(now));
            }
        }
    }
}
