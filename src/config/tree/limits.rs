//! The settings on how callers share a replica. A part of the `tree`.

use std::collections::BTreeMap;

use clap::ValueEnum;

/// The part of each pool that is the own of a caller of whom nothing is said.
pub const SHARE: f64 = 0.5;

/// How callers share a replica. `*` stands for each caller that is not named.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Whether what is beyond a limit is refused.
    pub mode: Mode,
    /// The part of each pool that any caller may fill, whatever its share.
    pub lend: f64,
    /// The part of `server.max_calls` that creates may have.
    pub creates: f64,
    /// The part of each pool that is a caller's own.
    pub shares: BTreeMap<String, f64>,
    /// The creates that a caller may begin in a second, for long.
    pub creates_per_second: BTreeMap<String, f64>,
    /// The creates that it may begin at once; without one, as many as in a second.
    pub burst: BTreeMap<String, u32>,
}

/// Whether what is beyond a limit is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is counted and logged, and goes on.
    Observe,
}

impl Limits {
    /// Whether a caller of this name has a row of its own.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let Self { shares, creates_per_second, burst, .. } = self;
        shares.contains_key(name) || creates_per_second.contains_key(name) || burst.contains_key(name)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            lend: 0.8,
            creates: 0.8,
            shares: BTreeMap::from([("*".to_owned(), SHARE)]),
            creates_per_second: BTreeMap::new(),
            burst: BTreeMap::new(),
        }
    }
}
