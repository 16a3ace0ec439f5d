//! The pools. Not how a place is counted: that is `pool`.

use super::pool::Pool;
use crate::{config, telemetry::Shed};

/// How many pools there are.
pub const POOLS: usize = 4;

/// What binary fractions are beside those on paper, at most.
const ROUNDING: f64 = 1e-6;

/// A pool of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Short calls.
    Calls,
    /// Of those, the ones that create.
    Creates,
    /// Calls that wait.
    Waits,
    /// Streams.
    Streams,
}

/// All pools.
#[derive(Debug)]
pub struct Places(pub [Pool; POOLS]);

impl Which {
    /// What a refusal is called where it is full.
    pub fn full(self) -> Shed {
        match self {
            Self::Calls => Shed::Calls,
            Self::Creates => Shed::Creates,
            Self::Waits => Shed::Waits,
            Self::Streams => Shed::Streams,
        }
    }
}

impl Places {
    /// As many as the settings say.
    pub fn new(server: &config::Server, limits: &config::Limits) -> Self {
        let pool = |most: u32| Pool::new(most, part(most, limits.lend));
        // One at least: without any, nobody would find out that creates have no room.
        let creates = whole(f64::from(server.max_calls) * limits.creates + ROUNDING).max(1);
        Self([pool(server.max_calls), pool(creates), pool(server.max_waits), pool(server.max_streams)])
    }

    /// How many places each pool has.
    pub fn most(&self) -> [u32; POOLS] {
        self.0.each_ref().map(Pool::most)
    }
}

/// So much of a pool, rounded up: who holds less than that holds less than its part.
pub fn part(of: u32, part: f64) -> u32 {
    whole((f64::from(of) * part - ROUNDING).ceil())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and all of a pool")]
fn whole(places: f64) -> u32 {
    places as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_they_are_on_paper() {
        let rows = [
            (10, 0.7, 7, 7),
            (10, 0.3, 3, 3),
            (3, 0.1, 1, 1),
            (5_000, 0.8, 4_000, 4_000),
            (3, 0.5, 2, 1),
            (9, 1.0, 9, 9),
        ];
        for (of, some, own, creates) in rows {
            assert_eq!(part(of, some), own, "{some} of {of}");
            let server = config::Server { max_calls: of, ..config::Server::default() };
            let limits = config::Limits { creates: some, ..config::Limits::default() };
            assert_eq!(Places::new(&server, &limits).most()[Which::Creates as usize], creates, "{some} of {of}");
        }
        assert_eq!(part(7, 0.0), 0);
    }
}
