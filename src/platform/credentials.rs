//! On whose behalf the platform is asked, and under which addresses.

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    sync::LazyLock,
};

use http::{HeaderValue, header::InvalidHeaderValue};

use super::lanes::Lanes;
use crate::config::{Roots, Secret, roots};

/// One for all credentials, and another in every process: nobody outside can make two of them collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A platform key, its organization, the addresses that follow from it and the connections that it alone uses.
pub struct Credentials {
    /// The key as a header, marked sensitive.
    pub(super) key: HeaderValue,
    secret: Secret,
    owner: Owner,
    /// Of all that makes two equal: they are looked up by every call.
    hash: u64,
    /// Where the organization's REST routes and event streams are.
    pub(super) roots: Roots,
    /// Never shared between keys.
    pub(super) http: Lanes,
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
    pub(super) fn new(
        base_url: &str,
        organization: &str,
        secret: Secret,
        owner: Owner,
        http: Lanes,
    ) -> Result<Self, InvalidHeaderValue> {
        let mut key = HeaderValue::from_str(secret.expose())?;
        key.set_sensitive(true);
        let roots = roots(base_url, organization);
        let hash = HASHER.hash_one((&secret, &roots, &owner));
        Ok(Self { key, secret, owner, hash, roots, http })
    }

    /// The key itself, to cut it out of what the platform says.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// Whose key it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }
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
