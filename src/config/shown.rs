//! Values as `check` and the reference write them: as TOML has them, so that they can be read again. Never a secret.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::ValueEnum;

use super::secret::TokenHash;

pub const NOT_SET: &str = "(not set)";

pub fn quoted(value: &impl ToString) -> String {
    format!("{:?}", value.to_string())
}

pub fn path(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or(NOT_SET.to_owned(), |path| quoted(&path.display()))
}

pub fn list(elements: &BTreeSet<String>) -> String {
    let elements: Vec<_> = elements.iter().map(quoted).collect();
    format!("[{}]", elements.join(", "))
}

/// A table in one line, from names and values that are shown already.
pub fn table<N: ToString>(pairs: impl Iterator<Item = (N, String)>) -> String {
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{} = {value}", quoted(&name))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

/// Numbers by name.
pub fn numbers(numbers: &BTreeMap<String, impl ToString>) -> String {
    table(numbers.iter().map(|(name, number)| (name, number.to_string())))
}

/// The callers who have tokens, and how many.
pub fn tokens(tokens: &BTreeMap<String, Vec<TokenHash>>) -> String {
    let callers: Vec<_> = tokens.iter().map(|(caller, hashes)| format!("{caller}: {}", hashes.len())).collect();
    if callers.is_empty() { NOT_SET.to_owned() } else { format!("(hashes of {})", callers.join(", ")) }
}

/// A choice as it is written in the settings.
pub fn name<T: ValueEnum>(choice: &T) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// All choices there are.
pub fn choices<T: ValueEnum>() -> String {
    let names: Vec<_> = T::value_variants().iter().map(name).collect();
    names.join(" or ")
}
