//! What is wrong with a setting, said to the operator in one line. Never shows a secret's value.

use std::fmt::{self, Write as _};

/// One wrong, unknown or missing setting. Its [`Display`](fmt::Display) is a single line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting's name, `section.key`.
    pub setting: String,
    /// Where the value came from, e.g. `the flag --listen`.
    pub source: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub allowed: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, source, problem, allowed } = self;
        let line = format!("{setting} (from {source}): {problem}; allowed: {allowed}");
        // Names and paths are the operator's: a line break in one must not make two lines of it.
        for c in line.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_whatever_the_name() {
        let [problem, allowed] = ["unknown", "none"].map(str::to_owned);
        let fault = Fault { setting: "a\nb\u{1b}".to_owned(), source: "the file /x\n".to_owned(), problem, allowed };
        let line = fault.to_string();
        assert!(!line.contains(|c: char| c.is_control()), "{line}");
    }
}
