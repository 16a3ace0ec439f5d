//! The two addresses that follow from a base URL and an organization. Not whether the base URL is allowed: `read` checks that.

use std::borrow::Cow;

use url::{Host, Url};

/// The port of a local platform that answers REST and events alike.
const CONTROLLER_PORT: u16 = 9016;
/// The port of a local platform whose events are on [`CONTROLLER_PORT`].
const INBOUND_PORT: u16 = 8085;
const CONTROLLER: &str = "agent-controller";

/// Where an organization's REST routes and event streams are; neither ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Roots {
    /// What the REST routes are appended to.
    pub rest: String,
    /// What the routes of event streams are appended to.
    pub events: String,
}

/// The roots for `organization` behind `base_url`, which gets `https://` when it has no scheme.
///
/// The organization becomes one segment of a path whatever its characters. Credentials, a query and a fragment are cut
/// off. A base URL that is none is kept as it is, for the connection to fail on it.
#[must_use]
pub fn roots(base_url: &str, organization: &str) -> Roots {
    let text = with_scheme(base_url);
    let Some(base) = Url::parse(&text).ok().and_then(bare) else {
        let rest = text.trim_end_matches('/').to_owned();
        return Roots { events: format!("{rest}/{organization}"), rest };
    };
    let scoped = joined(&base, organization);
    let events = match events_host(&base) {
        Some(host) => Url::parse(host).map_or_else(|_| scoped.clone(), |host| joined(&host, organization)),
        None => scoped.clone(),
    };
    let rest = if is_controller(&base) { scoped } else { trimmed(&base) };
    Roots { rest, events }
}

/// Adds `https://` to a URL without a scheme. `localhost:8085` has none: without `//` what is before the colon is a host.
pub(super) fn with_scheme(text: &str) -> Cow<'_, str> {
    if text.contains("://") { text.into() } else { format!("https://{text}").into() }
}

/// The URL without what must not reach an event or REST address.
fn bare(mut url: Url) -> Option<Url> {
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// Whether the organization is part of the REST root.
fn is_controller(base: &Url) -> bool {
    let segment = base.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    base.host_str().is_some_and(|host| host.contains(CONTROLLER))
        || base.port() == Some(CONTROLLER_PORT)
        || segment.eq_ignore_ascii_case(CONTROLLER)
}

/// The other host that streams events, for the platforms that have one.
fn events_host(base: &Url) -> Option<&'static str> {
    match base.host()? {
        Host::Domain("inbound.xpander.ai") => Some("https://agent-controller.xpander.ai"),
        Host::Domain("inbound.stg.xpander.ai") => Some("https://agent-controller.stg.xpander.ai"),
        host if is_loopback(&host) && base.port() == Some(INBOUND_PORT) => Some("http://localhost:9016"),
        _ => None,
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn joined(base: &Url, organization: &str) -> String {
    let mut url = base.clone();
    url.set_path(base.path().trim_end_matches('/'));
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(organization);
    }
    url.into()
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base_url: &str) -> (String, String) {
        let Roots { rest, events } = roots(base_url, "org-1");
        (rest, events)
    }

    #[test]
    fn every_row_of_the_recorded_table_holds() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/urls.json")).expect("the fixture is JSON");
        let rows = table.as_array().expect("the fixture is a list");
        assert_eq!(rows.len(), 10);
        for row in rows {
            let text = |key: &str| row[key].as_str().expect("a row has three strings").to_owned();
            assert_eq!(of(&text("base_url")), (text("rest_root"), text("events_root")), "{row}");
        }
    }

    #[test]
    fn the_organization_is_in_the_rest_root_of_a_controller_however_it_is_written() {
        for (base, root) in [
            ("https://AGENT-Controller.Acme.io/", "https://agent-controller.acme.io/org-1"),
            ("acme.io:9016", "https://acme.io:9016/org-1"),
            ("https://acme.io/Agent-Controller//", "https://acme.io/Agent-Controller/org-1"),
            ("https://acme.io/agent-controller/v2/", "https://acme.io/agent-controller/v2/org-1"),
        ] {
            assert_eq!(of(base), (root.to_owned(), root.to_owned()), "{base}");
        }
    }

    #[test]
    fn any_other_path_or_port_leaves_the_organization_out_of_the_rest_root() {
        for (base, rest) in [
            ("https://acme.io:19016", "https://acme.io:19016"),
            ("https://acme.io/x/agent-controller", "https://acme.io/x/agent-controller"),
            ("https://acme.io/agent-controllers", "https://acme.io/agent-controllers"),
            ("https://acme.io:443///", "https://acme.io"),
        ] {
            assert_eq!(of(base).0, rest, "{base}");
        }
    }

    #[test]
    fn a_loopback_host_streams_from_the_controllers_port_and_only_it_does() {
        let local = "http://localhost:9016/org-1";
        for base in
            ["http://LOCALHOST:8085/", "http://[::1]:8085", "http://127.1.2.3:8085", "http://u:p@localhost:8085"]
        {
            assert_eq!(of(base).1, local, "{base}");
        }
        assert_eq!(of("http://localhost:8080").1, "http://localhost:8080/org-1");
        assert_eq!(of("http://10.0.0.1:8085").1, "http://10.0.0.1:8085/org-1");
    }

    #[test]
    fn a_known_host_counts_only_as_the_whole_host() {
        assert_eq!(of("https://INBOUND.xpander.ai/").1, "https://agent-controller.xpander.ai/org-1");
        for base in ["https://inbound.xpander.ai.evil.io", "https://x.inbound.xpander.ai"] {
            assert_eq!(of(base).1, format!("{base}/org-1"));
        }
        assert_eq!(
            of("https://inbound.xpander.ai@evil.io"),
            ("https://evil.io".into(), "https://evil.io/org-1".into())
        );
    }

    #[test]
    fn an_organization_stays_one_segment() {
        assert_eq!(roots("https://acme.io", "a/../b?c").events, "https://acme.io/a%2F..%2Fb%3Fc");
    }

    #[test]
    fn what_is_no_url_is_kept_to_fail_later() {
        assert_eq!(of("http://"), ("http:".into(), "http:/org-1".into()));
    }
}
