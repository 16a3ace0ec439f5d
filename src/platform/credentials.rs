//! On whose behalf the platform is asked, and under which addresses.

use std::fmt;

use http::{HeaderValue, header::InvalidHeaderValue};

use crate::config::{Roots, Secret, roots};

/// A platform key, its organization and the addresses that follow from it.
#[derive(PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The key as a header, marked sensitive.
    pub(super) key: HeaderValue,
    secret: Secret,
    /// Where the organization's REST routes and event streams are.
    pub(super) roots: Roots,
}

impl Credentials {
    /// Credentials for the platform at `base_url`.
    ///
    /// # Errors
    /// When the key cannot be a header's value.
    pub fn new(base_url: &str, organization: &str, secret: Secret) -> Result<Self, InvalidHeaderValue> {
        let mut key = HeaderValue::from_str(secret.expose())?;
        key.set_sensitive(true);
        Ok(Self { key, secret, roots: roots(base_url, organization) })
    }

    /// The key itself, to cut it out of what the platform says.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(secret)")
    }
}
