//! A line on the terminal that says how a task is and for how long, rewritten as time goes by. Nothing of it where standard
//! error is no terminal, or one that cannot go back in a line.

use std::{
    env,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use tokio::{
    select,
    time::{MissedTickBehavior, interval},
};

use super::super::{
    output::Output,
    render::{Look, Stream, shorten, span},
};

/// How often the line is rewritten.
const TICK: Duration = Duration::from_secs(1);
/// Back to the line's beginning, and what stands there goes.
const CLEAR: &str = "\r\u{1b}[K";

/// The line; cleared when it is dropped.
pub struct Progress {
    look: Look,
    since: Instant,
    is_shown: bool,
    state: String,
}

impl Progress {
    /// Where somebody looks.
    pub fn new(output: Output) -> Self {
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_shown = !output.is_json && Stream::Err.is_terminal() && !is_dumb;
        Self { look: output.aside, since: Instant::now(), is_shown, state: String::new() }
    }

    /// Whether there is a line.
    pub fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// How the task is, in a word.
    pub fn state(&mut self, state: String) {
        self.state = state;
        self.write();
    }

    /// Rewrites the line until the work is done, and clears it.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        if !self.is_shown {
            return work.await;
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(work);
        loop {
            select! {
                done = &mut work => return done,
                _ = ticks.tick() => self.write(),
            }
        }
    }

    /// Makes room for other words.
    pub fn clear(&self) {
        if !self.state.is_empty() {
            self.put("");
        }
    }

    fn write(&self) {
        if !self.state.is_empty() {
            // One column is left free: a full line would move the cursor into the next one.
            let width = self.look.width().saturating_sub(1);
            self.put(&shorten(&format!("{} · {}", self.state, span(self.since.elapsed())), width));
        }
    }

    fn put(&self, text: &str) {
        if self.is_shown {
            let mut out = io::stderr();
            let _ = write!(out, "{CLEAR}{text}").and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
