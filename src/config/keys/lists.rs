//! Readers of the settings that are lists or maps: each element checked, all wrong ones told. Not what an element of one
//! may look like: `read` and `names` know that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use super::names;
use crate::config::{
    raw::Raw,
    read::{self, Problem},
    secret::TokenHash,
    tree::callers::UserField,
};

/// The most agents that metrics name.
pub const MOST_AGENTS: usize = 200;

/// Versions by agent id.
pub fn pins(raw: &Raw) -> Result<BTreeMap<String, String>, Problem> {
    let pairs = raw.pairs()?.into_iter().map(|pair| {
        let (agent, value) = pair.map_err(no_pair)?;
        let version = value.text().and_then(names::version).map_err(|problem| of(agent, &problem))?;
        Ok((names::identifier(agent)?, version))
    });
    unique(all(pairs)?)
}

/// Metadata keys by the field they fill.
pub fn user_fields(raw: &Raw) -> Result<BTreeMap<UserField, String>, Problem> {
    let pairs = raw.pairs()?.into_iter().map(|pair| {
        let (field, value) = pair.map_err(no_pair)?;
        let key = value.text().and_then(names::metadata_key).map_err(|problem| of(field, &problem))?;
        Ok((read::choice::<UserField>(field)?, key))
    });
    unique(all(pairs)?)
}

/// The agents of each caller.
pub fn rights(raw: &Raw) -> Result<BTreeMap<String, BTreeSet<String>>, Problem> {
    let pairs = raw.pairs()?.into_iter().map(|pair| {
        let (caller, value) = pair.map_err(no_pair)?;
        let agents =
            value.words().and_then(|agents| all(agents.into_iter().map(|agent| or_all(agent, names::identifier))));
        let agents: BTreeSet<_> = agents.map_err(|problem| of(caller, &problem))?;
        Ok((or_all(caller, names::caller)?, agents))
    });
    let mut rights = BTreeMap::<_, BTreeSet<_>>::new();
    for (caller, agents) in all::<_, Vec<_>>(pairs)? {
        rights.entry(caller).or_default().extend(agents);
    }
    if rights.is_empty() {
        return Err("the value is empty, so that nobody could invoke anything".to_owned());
    }
    Ok(rights)
}

/// Names of callers, or `*`.
pub fn callers(raw: &Raw) -> Result<BTreeSet<String>, Problem> {
    all(raw.elements()?.iter().map(|caller| or_all(caller, names::caller)))
}

/// Ids of agents; so many that no metric becomes too large to be read.
pub fn agents(raw: &Raw) -> Result<BTreeSet<String>, Problem> {
    let elements = raw.elements()?;
    if elements.len() > MOST_AGENTS {
        return Err(format!("there are {} of them", elements.len()));
    }
    all(elements.iter().map(|agent| names::identifier(agent)))
}

/// SPIFFE ids and DNS names.
pub fn clients(raw: &Raw) -> Result<BTreeSet<String>, Problem> {
    all(raw.elements()?.iter().map(|client| names::client(client)))
}

/// Token hashes by caller; see [`tokens`].
pub fn hashes(raw: &Raw) -> Result<BTreeMap<String, Vec<TokenHash>>, Problem> {
    let pairs = raw.pairs()?;
    if pairs.is_empty() {
        return Err("the value is empty, so that it would let everybody in".to_owned());
    }
    let entries = pairs.iter().enumerate().map(|(at, pair)| {
        let place = format!("entry {}", at + 1);
        match pair {
            Ok((caller, value)) => match value.words() {
                Ok(hashes) => Ok((place, *caller, hashes)),
                Err(problem) => Err(format!("{place}: {problem}")),
            },
            Err(_) => Err(format!("{place} is not name=hash")),
        }
    });
    tokens(entries)
}

/// Token hashes from their place, the caller's name and the hashes as they are written.
///
/// # Errors
/// The places of all that is wrong, and nothing of what stands there: who pastes a token, even one that ends with `=`,
/// must not find it in a log.
pub fn tokens<'a>(
    entries: impl Iterator<Item = Result<(String, &'a str, Vec<&'a str>), Problem>>,
) -> Result<BTreeMap<String, Vec<TokenHash>>, Problem> {
    let checked = entries.map(|entry| {
        let (place, caller, hashes) = entry?;
        let caller = names::token_caller(caller).map_err(|_| format!("{place} has no caller's name before its ="))?;
        if hashes.is_empty() {
            return Err(format!("{place} has no hash"));
        }
        let hash = |hash: &&str| match names::hash(hash) {
            Some(hash) if hash == TokenHash::OF_NOTHING => Err(format!("{place} has the hash of the empty text")),
            hash => hash.ok_or_else(|| format!("{place} has something else than a hash")),
        };
        Ok((place.clone(), caller, hashes.iter().map(hash).collect::<Result<Vec<_>, _>>()?))
    });
    let mut owners = BTreeMap::new();
    let mut tokens = BTreeMap::<String, Vec<TokenHash>>::new();
    for (place, caller, hashes) in all::<_, Vec<_>>(checked)? {
        for hash in hashes {
            match owners.insert(hash.0, caller.clone()) {
                None => tokens.entry(caller.clone()).or_default().push(hash),
                Some(owner) if owner == caller => {}
                Some(_) => return Err(format!("{place} has the hash of another caller's token")),
            }
        }
    }
    Ok(tokens)
}

/// `*`, or what `read` takes.
pub fn or_all(text: &str, read: fn(&str) -> Result<String, Problem>) -> Result<String, Problem> {
    if text == "*" { Ok(text.to_owned()) } else { read(text) }
}

/// All values, or all problems in one.
pub fn all<T, C: FromIterator<T>>(results: impl Iterator<Item = Result<T, Problem>>) -> Result<C, Problem> {
    let mut problems = Vec::new();
    let values = results.filter_map(|result| result.map_err(|problem| problems.push(problem)).ok()).collect();
    if problems.is_empty() { Ok(values) } else { Err(problems.join("; ")) }
}

pub fn unique<K: Ord + Debug, V>(pairs: Vec<(K, V)>) -> Result<BTreeMap<K, V>, Problem> {
    let mut map = BTreeMap::new();
    for (name, value) in pairs {
        if map.contains_key(&name) {
            return Err(format!("{name:?} is given twice"));
        }
        map.insert(name, value);
    }
    Ok(map)
}

pub fn no_pair(element: &str) -> Problem {
    format!("{} is not name=value", read::shortened(element))
}

pub fn of(name: &str, problem: &str) -> Problem {
    format!("of {}: {problem}", read::shortened(name))
}
