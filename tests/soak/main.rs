//! The soak: hundreds of callers at once, before a platform that fails at random, and the books balanced at the end.
//!
//! `cargo test --test soak` takes ten seconds. `SOAK_SECONDS` makes it longer, up to two minutes; `SOAK_SEED` chooses the
//! callers and the faults of an earlier run again (which fault meets which caller also depends on timing).

mod calls;
mod faults;
mod jobs;
mod leaks;
mod ledger;
mod road;
mod scenes;
mod transcript;
mod world;

#[allow(dead_code, reason = "shared with the tests of `it`, which use all of it")]
#[path = "../it/support/direct.rs"]
mod direct;
#[allow(dead_code, reason = "shared with the tests of `it`, which use all of it")]
#[path = "../it/support/proxy.rs"]
mod proxy;

use std::{
    env,
    io::{self, Write},
    time::Duration,
};

use world::World;

/// How many are under way at once, and whose they are: one is greedy, and may create less than it tries to.
const CALLERS_BY_NAME: [(&str, usize); 3] = [("greedy", 100), ("modest", 50), ("other", 50)];
/// The longest soak.
const LONGEST: u64 = 120;

#[test]
fn under_random_faults_nothing_is_lost_and_nothing_doubled() {
    let seed = number("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let time = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(10).clamp(1, LONGEST));
    say(&format!("soak: SOAK_SEED={seed} SOAK_SECONDS={}", time.as_secs()));
    let panics = leaks::count_panics(seed);
    let ledger = World::soak(seed, time);
    let panics = panics();
    if panics > 0 {
        ledger.wrong("the process", format!("{panics} panics"));
    }
    say(&ledger.report());
    let wrongs = ledger.wrongs();
    assert!(
        wrongs.is_empty(),
        "SOAK_SEED={seed}: {} wrongs\n{}",
        wrongs.len(),
        wrongs[..wrongs.len().min(50)].join("\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

/// Not `println!`, which is seen only when the test fails.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
