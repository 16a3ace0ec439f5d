//! The process's variables as text. A variable may hold any bytes, also one that nobody here asks for; only those that
//! mean something here have to be UTF-8. Not what they mean: `sources` and `otel` know that.

use std::{collections::HashMap, ffi::OsString};

use super::sources;
use crate::config::{fault::Fault, proxies};

/// What is text, and the faults of what is ours and is none. What is wrong is told without the value, which may be a
/// secret's.
pub fn texts<T: Into<OsString>>(variables: impl IntoIterator<Item = (T, T)>) -> (HashMap<String, String>, Vec<Fault>) {
    let mut texts = HashMap::new();
    let mut faults = Vec::new();
    for (name, value) in variables {
        let (name, value) = (name.into(), value.into());
        match (name.to_str(), value.into_string()) {
            (Some(name), Ok(value)) => {
                texts.insert(name.to_owned(), value);
            }
            // The rest of a name that is no text cannot be one of ours, but was meant to.
            _ if is_ours(&name.to_string_lossy()) => faults.push(no_text(&name.to_string_lossy())),
            _ => {}
        }
    }
    (texts, faults)
}

/// Whether the variable is read here, or by a library that would take it for unset.
fn is_ours(name: &str) -> bool {
    let is_official = sources::OFFICIAL.iter().any(|(official, _)| *official == name) || name == "IS_STG";
    // The prefix counts in either case.
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    is_official || starts("XPANDER_PROXY_") || name.starts_with("OTEL_") || proxies::is_one(name)
}

fn no_text(name: &str) -> Fault {
    Fault {
        setting: name.to_owned(),
        source: format!("the environment variable {name}"),
        problem: "the name or the value (not shown) is no UTF-8".to_owned(),
        allowed: "text in UTF-8".to_owned(),
    }
}
