//! On whose behalf the platform is asked, and under which addresses.

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock, OnceLock},
};

use http::{HeaderValue, header::InvalidHeaderValue};
use reqwest::Url;

use super::{Forward, lanes::Lanes};
use crate::{
    config::{Roots, Secret, roots},
    platform::{
        brake::Brakes,
        error::{Cause, Error},
    },
};

/// One for all credentials, and another in every process: nobody outside can make two of them collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A platform key, its organization, the addresses that follow from it and the connections that it alone uses.
pub struct Credentials {
    /// The key as a header, marked sensitive.
    pub(in crate::platform) key: HeaderValue,
    secret: Secret,
    owner: Owner,
    /// The platform and the organization, as they were given.
    place: [String; 2],
    /// Of all that makes two equal: they are looked up by every call.
    hash: u64,
    roots: Roots,
    /// The same, parsed once: to parse a host takes ten times as long as to add a route to it. None for what is no URL.
    rest: Option<Url>,
    events: Option<Url>,
    /// Never shared between keys.
    pub(in crate::platform) http: Lanes,
    /// The forward proxies on the way.
    pub(in crate::platform) forward: Forward,
    /// What the platform asks of those who use the key.
    pub(in crate::platform) brakes: Arc<Brakes>,
    /// What was put in their place since.
    pub(in crate::platform) successor: OnceLock<Arc<Self>>,
}

/// Whose a key is. What is remembered under a request id belongs to an owner, so that a create is not repeated because
/// the proxy's own key was rotated in between.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The proxy's, whichever it is at the time.
    Proxy,
    /// A caller's: this key, of this organization.
    Caller(Secret, String),
}

impl Credentials {
    /// Credentials for the platform at `base_url`.
    ///
    /// # Errors
    /// When the key cannot be a header's value.
    pub(in crate::platform) fn new(
        base_url: &str,
        organization: &str,
        secret: Secret,
        owner: Owner,
        (http, forward): (Lanes, Forward),
        brakes: Arc<Brakes>,
    ) -> Result<Self, InvalidHeaderValue> {
        let mut key = HeaderValue::from_str(secret.expose())?;
        key.set_sensitive(true);
        let roots = roots(base_url, organization);
        let hash = HASHER.hash_one((&secret, &roots, &owner));
        let place = [base_url, organization].map(str::to_owned);
        let [rest, events] = [&roots.rest, &roots.events].map(|root| Url::parse(root).ok().filter(Url::has_host));
        let successor = OnceLock::new();
        Ok(Self { key, secret, owner, place, hash, roots, rest, events, http, forward, brakes, successor })
    }

    /// The address of a REST route, given by the segments of its path.
    ///
    /// # Errors
    /// When the base URL is none.
    pub(in crate::platform) fn rest(&self, route: &[&str]) -> Result<Url, Error> {
        below(self.rest.as_ref(), route)
    }

    /// The address of an event stream.
    ///
    /// # Errors
    /// When the base URL is none.
    pub(in crate::platform) fn events(&self, route: &[&str]) -> Result<Url, Error> {
        below(self.events.as_ref(), route)
    }

    /// The credentials that are in force by now, for work that outlives a change of the key.
    #[must_use]
    pub fn in_force(self: &Arc<Self>) -> Arc<Self> {
        let mut latest = self;
        while let Some(successor) = latest.successor.get() {
            latest = successor;
        }
        Arc::clone(latest)
    }

    /// The key itself, to cut it out of what the platform says.
    pub(in crate::platform) fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// The organization that the key belongs to.
    pub(in crate::platform) fn organization(&self) -> &str {
        &self.place[1]
    }

    /// Whose key it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The platform, the organization and the caller's own key: the same in every replica, whichever key the proxy has at the
    /// moment. For a hash alone.
    #[must_use]
    pub fn identity(&self) -> [&str; 3] {
        let [base_url, organization] = &self.place;
        let key = match &self.owner {
            Owner::Proxy => "",
            Owner::Caller(key, _) => key.expose(),
        };
        [base_url, organization, key]
    }
}

impl Owner {
    /// How long the texts in it are together, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Proxy => 0,
            Self::Caller(key, organization) => key.expose().len() + organization.len(),
        }
    }
}

fn below(root: Option<&Url>, route: &[&str]) -> Result<Url, Error> {
    let mut url = root.ok_or_else(|| Error::Connect(Cause("the base URL is none".to_owned())))?.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(route);
    }
    Ok(url)
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.secret == other.secret && self.roots == other.roots && self.owner == other.owner
    }
}

impl Eq for Credentials {}

impl Hash for Credentials {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_stands_below_the_root_as_if_it_were_appended() {
        for base in ["http://127.0.0.1:9016", "https://inbound.xpander.ai", "https://example.com/a%20b/v1/"] {
            let Roots { rest, events } = roots(base, "org/1");
            for root in [rest, events] {
                let url = below(Url::parse(&root).ok().as_ref(), &["agents", "a.b_c~d"]).expect("a URL");
                assert_eq!(url.as_str(), format!("{root}/agents/a.b_c~d"));
            }
        }
        assert!(below(None, &["agents"]).is_err_and(|error| error.is_unsent()));
    }
}
