//! The settings in force, for `check`. Not a settings file: secrets are left out.

use std::fmt::Write as _;

use super::{keys::KEYS, tree::Settings};

/// One line `section.key = value` per setting; secrets are `(set)` or `(not set)`.
#[must_use]
pub fn show(settings: &Settings) -> String {
    let mut settings = settings.clone();
    KEYS.iter().fold(String::new(), |mut lines, (name, kind)| {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name} = {}", kind.show(&mut settings));
        lines
    })
}
