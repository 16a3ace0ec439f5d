//! A setting's name that no setting has, and the one that was most likely meant.

use crate::config::{fault::Fault, keys::KEYS};

/// The fault of a name that no setting has; the nearest one is suggested.
pub fn unknown(name: &str, source: &str) -> Fault {
    let problem = match nearest(name) {
        Some(known) => format!("there is no such setting, did you mean {known}?"),
        None => "there is no such setting".to_owned(),
    };
    Fault { setting: name.to_owned(), source: source.to_owned(), problem, allowed: neighbours(name) }
}

/// The known name that `name` was most likely meant to be, if any is close: a setting, or a section as `[section]`.
fn nearest(name: &str) -> Option<String> {
    // What stands below a setting belongs into its value.
    if let Some((known, ..)) =
        KEYS.iter().find(|(known, ..)| name.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')))
    {
        return Some((*known).to_owned());
    }
    let farthest = (name.chars().count() / 3).max(2);
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    // A right key in a wrong section or in none is one step away.
    let keys = KEYS
        .iter()
        .map(|(known, ..)| (distance(name, known).min(distance(&last(name), &last(known)) + 1), (*known).to_owned()));
    let sections = sections().into_iter().map(|section| (distance(name, section), format!("[{section}]")));
    let (steps, known) = keys.chain(sections).min_by_key(|(steps, _)| *steps)?;
    (steps <= farthest).then_some(known)
}

/// How many letters must be added, dropped or exchanged to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The names that are there: of the section when it exists, else the sections.
fn neighbours(name: &str) -> String {
    let section = name.split('.').next().unwrap_or_default();
    let known = || KEYS.iter().filter_map(|(name, ..)| name.split_once('.'));
    let keys: Vec<_> = known().filter(|(other, _)| *other == section).map(|(_, key)| key).collect();
    if !keys.is_empty() {
        return format!("in [{section}] {}", keys.join(", "));
    }
    format!("section.key with the sections {}", sections().join(", "))
}

/// All sections, in their order.
fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = KEYS.iter().filter_map(|(name, ..)| Some(name.split_once('.')?.0)).collect();
    sections.dedup();
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_close_and_nothing_when_nothing_is() {
        for (typed, meant) in [
            ("server.drain_dely", Some("server.drain_delay")),
            ("server_listen", Some("server.listen")),
            ("listen", Some("server.listen")),
            ("server.log_format", Some("telemetry.log_format")),
            ("platfrom.apikey", Some("platform.api_key")),
            ("servr", Some("[server]")),
            ("agent.pins", Some("agents.pins")),
            ("auth.tokens.orders", Some("auth.tokens")),
            ("something.else_entirely", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed).as_deref(), meant, "{typed}");
        }
    }
}
