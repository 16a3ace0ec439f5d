//! The throttle of Google's book on site reliability ("Handling Overload", adaptive throttling): of what is sent to a platform
//! that fails, at most twice as much as it takes, over two minutes. Here it counts and draws no lots: what the platform takes
//! pays for two more. So a platform that recovers is in full use after as many round trips as it takes to double one request.
//!
//! Not what counts as a failure: `brake` knows.

use super::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Two minutes, in pieces.
const PIECES: usize = 12;
const PIECE: u64 = 10_000;
const WINDOW: u64 = PIECES as u64 * PIECE;
/// So many failures more than answers hold nothing back: a caller alone meets some, and there is nobody to protect.
const FLOOR: u64 = 30;
/// What is taken pays for so many more, which are saved up to so many.
const PAYS: u32 = 2;
const SAVED: u32 = 100;
/// One in so many milliseconds goes through whatever is counted: where there are few, none would find out.
const PROBE: u64 = 1_000;
/// A piece's number, the failures in it and the answers, in one number: they are changed at once.
const COUNT_BITS: u32 = 22;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const NUMBER: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

/// What the platform took and what it did not, over two minutes.
#[derive(Debug)]
pub struct Throttle {
    pieces: [AtomicU64; PIECES],
    /// The millisecond after the last failure; zero before the first.
    failed: AtomicU64,
    saved: AtomicU32,
    /// When the last one went through because of the time alone.
    probed: AtomicU64,
}

impl Throttle {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            pieces: std::array::from_fn(|_| AtomicU64::new(0)),
            failed: AtomicU64::new(0),
            saved: AtomicU32::new(0),
            probed: AtomicU64::new(0),
        }
    }

    /// Whether one more may be sent, at this time in milliseconds.
    pub fn lets_through(&self, now: u64) -> bool {
        if !self.is_shut(now) {
            return true;
        }
        let pay = |saved: u32| saved.checked_sub(1);
        if self.saved.fetch_update(Relaxed, Relaxed, pay).is_ok() {
            return true;
        }
        let is_due = |probed: u64| (now.saturating_sub(probed) >= PROBE).then_some(now);
        self.probed.fetch_update(Relaxed, Relaxed, is_due).is_ok()
    }

    /// Notes one that the platform took.
    pub fn took(&self, now: u64) {
        self.count(now, 1);
        if self.has_failed(now) {
            let save = |saved: u32| Some((saved + PAYS).min(SAVED));
            let _ = self.saved.fetch_update(Relaxed, Relaxed, save);
        }
    }

    /// Notes one that it did not.
    pub fn failed(&self, now: u64) {
        self.count(now, 1 << COUNT_BITS);
        self.failed.fetch_max(now + 1, Relaxed);
    }

    /// Whether failures are so many that not all goes through.
    fn is_shut(&self, now: u64) -> bool {
        if !self.has_failed(now) {
            return false;
        }
        let (mut failed, mut taken) = (0, 0);
        for piece in &self.pieces {
            let piece = piece.load(Relaxed);
            // The number of a piece that is later by another's clock counts, too.
            let age = (now / PIECE).wrapping_sub(piece >> (2 * COUNT_BITS)) & NUMBER;
            if age < PIECES as u64 || age == NUMBER {
                failed += (piece >> COUNT_BITS) & COUNT;
                taken += piece & COUNT;
            }
        }
        failed > taken + FLOOR
    }

    fn has_failed(&self, now: u64) -> bool {
        let failed = self.failed.load(Relaxed);
        failed > 0 && now < failed + WINDOW
    }

    fn count(&self, now: u64, one: u64) {
        let number = (now / PIECE) & NUMBER;
        let piece = &self.pieces[(now / PIECE % PIECES as u64) as usize];
        let next = |piece: u64| {
            let of = piece >> (2 * COUNT_BITS);
            // One that is late counts in the piece that has come since.
            let is_same = of == number || number.wrapping_sub(of) & NUMBER > NUMBER / 2;
            let counts = if is_same { piece } else { number << (2 * COUNT_BITS) };
            let is_full = (counts / one) & COUNT == COUNT;
            Some(if is_full { counts } else { counts + one })
        };
        let _ = piece.fetch_update(Relaxed, Relaxed, next);
    }
}
