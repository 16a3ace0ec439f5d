//! The variables that name forward proxies on the way to the platform. They mean what they mean to curl, but none is
//! passed over in silence: what was meant to go through a proxy must not go around it.

use std::{collections::HashMap, fmt};

use url::Url;

use super::fault::Fault;

/// The stronger name first; an empty variable hides nothing.
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const WITHOUT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The forward proxies on the way to the platform; which of them is taken follows from an address's scheme and host.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `https`, by `HTTPS_PROXY` or `ALL_PROXY`.
    pub https: Option<String>,
    /// For `http`, by `HTTP_PROXY` or `ALL_PROXY`.
    pub http: Option<String>,
    /// The hosts and networks that are reached without, by `NO_PROXY`, with commas in between.
    pub without: String,
}

/// Whether the variable is one of those.
pub fn is_one(name: &str) -> bool {
    HTTPS.contains(&name) || HTTP.contains(&name) || WITHOUT.contains(&name)
}

/// What the variables say, and what is wrong with them.
pub fn proxies(variables: &HashMap<String, String>) -> (Proxies, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut proxy = |names: &[&'static str]| {
        let (name, value) = first(variables, names)?;
        address(value).map_err(|problem| faults.push(fault(name, problem))).ok()
    };
    let (https, http) = (proxy(&HTTPS), proxy(&HTTP));
    // One for both schemes is told once.
    faults.dedup();
    let without = first(variables, &WITHOUT).map(|(_, value)| value.to_owned()).unwrap_or_default();
    (Proxies { https, http, without }, faults)
}

fn first<'a>(variables: &'a HashMap<String, String>, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
    let mut given = names.iter().filter_map(|name| Some((*name, variables.get(*name)?.trim())));
    given.find(|(_, value)| !value.is_empty())
}

/// A proxy's address; `http://` where it has no scheme. The problems repeat nothing of it: it may carry a password.
fn address(text: &str) -> Result<String, &'static str> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|_| "the value (not shown) is no address of a proxy")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the proxy's scheme is neither http nor https");
    }
    // `http//proxy:3128` would be a host `http` otherwise.
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("the value (not shown) has more than a host and a port");
    }
    Ok(url.into())
}

fn fault(variable: &str, problem: &str) -> Fault {
    Fault {
        setting: variable.to_owned(),
        source: format!("the environment variable {variable}"),
        problem: problem.to_owned(),
        allowed: "http:// or https://, a user name and password if need be, a host and a port".to_owned(),
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may carry a password.
        f.write_str("Proxies")
    }
}
