//! Readers of the settings on how callers share a replica: parts, rates, and both by caller.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    lists::{all, no_pair, of, or_all, unique},
    names,
};
use crate::config::{
    raw::Raw,
    read::{self, Problem},
};

/// A part of something, from nothing to all of it.
pub const PART: RangeInclusive<f64> = 0.0..=1.0;
/// One that leaves something.
pub const SOME_PART: RangeInclusive<f64> = 0.01..=1.0;
/// Creates in a second.
pub const RATE: RangeInclusive<f64> = 0.001..=1e6;
/// Creates at once.
pub const BURST: RangeInclusive<u32> = 1..=1_000_000;

/// A number, with or without a fraction.
pub fn number(raw: &Raw, range: &RangeInclusive<f64>) -> Result<f64, Problem> {
    let number = raw.number()?;
    if range.contains(&number) { Ok(number) } else { Err(format!("the value is {number}")) }
}

/// The part of each caller.
pub fn shares(raw: &Raw) -> Result<BTreeMap<String, f64>, Problem> {
    by_caller(raw, |value| number(value, &PART))
}

/// The rate of each caller.
pub fn rates(raw: &Raw) -> Result<BTreeMap<String, f64>, Problem> {
    by_caller(raw, |value| number(value, &RATE))
}

/// The burst of each caller.
pub fn bursts(raw: &Raw) -> Result<BTreeMap<String, u32>, Problem> {
    by_caller(raw, |value| read::number(value.text()?, &BURST))
}

fn by_caller<T>(raw: &Raw, read: impl Fn(&Raw) -> Result<T, Problem>) -> Result<BTreeMap<String, T>, Problem> {
    let pairs = raw.pairs()?.into_iter().map(|pair| {
        let (caller, value) = pair.map_err(no_pair)?;
        let value = read(&value).map_err(|problem| of(caller, &problem))?;
        Ok((or_all(caller, names::caller)?, value))
    });
    unique(all(pairs)?)
}
