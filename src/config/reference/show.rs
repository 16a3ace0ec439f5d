//! The settings in force, for `check`. Not a settings file: secrets are left out.

use std::fmt::Write as _;

use ::config::{File, FileFormat, Source as _, Value as Toml};
use serde_json::{Map, Value as Json};

use crate::config::{keys::KEYS, otel, shown::NOT_SET, tree::Settings};

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

/// The same as a JSON object: values by `section.key`, null for what is not set, and words in parentheses as texts.
#[must_use]
pub fn json(settings: &Settings) -> Json {
    let shown = show(settings);
    let pairs = shown.lines().filter_map(|line| line.split_once(" = "));
    Json::Object(pairs.map(|(name, value)| (name.to_owned(), json_of(value))).collect::<Map<_, _>>())
}

/// A value that is shown as TOML has it.
fn json_of(shown: &str) -> Json {
    if shown == NOT_SET {
        return Json::Null;
    }
    let toml = File::from_str(&format!("value = {shown}"), FileFormat::Toml).collect().ok();
    let value = toml.and_then(|mut toml| toml.remove("value"));
    value.and_then(|value: Toml| value.try_deserialize().ok()).unwrap_or_else(|| shown.into())
}
