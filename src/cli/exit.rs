//! How a command ends, as its exit code says it: one table, which `--help` prints and docs/terminal.md has.

use std::{fmt::Write as _, process::ExitCode};

/// How a command ends. Scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Completed,
    /// What was asked about is not well.
    Failed,
    /// The command line, a file or a setting is wrong.
    Usage,
    /// A task goes on beyond the time that was given.
    Running,
    /// A task waits for a person.
    Waiting,
    /// A call failed, and is known to have created nothing.
    CallFailed,
    /// A create of which nobody knows whether it made a task.
    Unknown,
    /// Ctrl-C; the number is what shells say of it.
    Interrupted,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Completed,
        Self::Failed,
        Self::Usage,
        Self::Running,
        Self::Waiting,
        Self::CallFailed,
        Self::Unknown,
        Self::Interrupted,
    ];

    /// The number, the word that `--json` has for it, and what it means.
    #[must_use]
    pub fn row(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Completed => (0, "completed", "the task is completed, or the command did what it was asked to do"),
            Self::Failed => {
                (1, "failed", "the task failed or was stopped; health: not serving; serve: it cannot start")
            }
            Self::Usage => (2, "usage", "the command line, a file or a setting is wrong"),
            Self::Running => (3, "running", "the time was up before the task was over"),
            Self::Waiting => (4, "waiting", "the task waits for a person"),
            Self::CallFailed => (5, "call_failed", "the call failed"),
            Self::Unknown => (6, "unknown", "the create failed, and a task may exist all the same"),
            Self::Interrupted => (130, "interrupted", "Ctrl-C; a task that was followed goes on"),
        }
    }

    /// The table for `--help`.
    #[must_use]
    pub fn table() -> String {
        Self::ALL.iter().fold("Exit codes:".to_owned(), |mut table, exit| {
            let (code, _, means) = exit.row();
            // Writing to a string cannot fail.
            let _ = write!(table, "\n  {code:<4} {means}");
            table
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.row().0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_ways_to_end_share_a_number_or_a_word() {
        let codes: BTreeSet<_> = Exit::ALL.iter().map(|exit| exit.row().0).collect();
        let words: BTreeSet<_> = Exit::ALL.iter().map(|exit| exit.row().1).collect();
        assert_eq!((codes.len(), words.len()), (Exit::ALL.len(), Exit::ALL.len()));
    }
}
