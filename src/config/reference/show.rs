//! The settings in force, for `check`. Not a settings file: secrets are left out.

use std::fmt::Write as _;

use crate::config::{keys::KEYS, otel, tree::Settings};

/// One line `section.key = value` per setting; secrets are `(set)` or `(not set)`. What the `OTEL_*` variables say
/// comes last.
#[must_use]
pub fn show(settings: &Settings) -> String {
    let mut settings = settings.clone();
    let keys = KEYS.iter().fold(String::new(), |mut lines, (name, kind, _)| {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name} = {}", kind.show(&mut settings));
        lines
    });
    keys + &otel::show(&settings.otlp)
}
