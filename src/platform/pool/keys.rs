//! Whose platform key a call uses: the proxy's own, or its caller's where that is switched on. Not whether it may be:
//! the edge decides that.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use http::header::InvalidHeaderValue;
use moka::{policy::EvictionPolicy, sync::Cache};

use super::{
    BuildError, Pools,
    credentials::{Credentials, Owner},
};
use crate::{
    config::{self, Secret},
    platform::brake::Brakes,
};

/// The most callers' keys that are kept at once, each with its connections; the least lately used one goes first.
const CAPACITY: u64 = 1_000;
/// How long a caller's key is kept that is not used.
const UNUSED: Duration = Duration::from_mins(5);

/// The keys in use.
pub struct Keys {
    pools: Pools,
    base_url: String,
    organization: Option<String>,
    own: ArcSwapOption<Credentials>,
    passed: Cache<(Secret, String), Arc<Credentials>>,
}

/// A key that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// It cannot be a header's value.
    #[error("platform.api_key: the key cannot be sent as a header")]
    Header,
    /// Its connections cannot be made.
    #[error(transparent)]
    Pool(Arc<BuildError>),
}

impl Keys {
    /// The proxy's own key as the settings have it.
    ///
    /// # Errors
    /// When the key or the connections cannot be made.
    pub fn new(settings: &config::Platform) -> Result<Self, KeyError> {
        let keys = Self {
            pools: Pools::new(settings)?,
            base_url: settings.base_url.clone(),
            organization: settings.organization_id.clone(),
            own: ArcSwapOption::empty(),
            passed: Cache::builder()
                .max_capacity(CAPACITY)
                // Not the default policy, which may refuse a newcomer: each of its calls would make connections of its own.
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(UNUSED)
                .build(),
        };
        if let Some(key) = &settings.api_key {
            keys.replace_own(key.clone())?;
        }
        Ok(keys)
    }

    /// The proxy's own key, if it has one.
    #[must_use]
    pub fn own(&self) -> Option<Arc<Credentials>> {
        self.own.load_full()
    }

    /// Puts another key in place of the proxy's own, from the next call on. Calls under way keep theirs, but for those that
    /// ask again and again, which take the one in force each time.
    ///
    /// # Errors
    /// When the key cannot be used; the old one stays.
    pub fn replace_own(&self, key: Secret) -> Result<(), KeyError> {
        let organization = self.organization.as_deref().unwrap_or_default();
        // What the platform asks, it asks of a key.
        let same = self.own().filter(|own| own.secret() == key.expose());
        let brakes = same.map_or_else(Arc::default, |own| Arc::clone(&own.brakes));
        let new = Arc::new(self.credentials(key, organization, Owner::Proxy, brakes)?);
        if let Some(old) = self.own.swap(Some(Arc::clone(&new))) {
            let _ = old.successor.set(new);
        }
        Ok(())
    }

    /// A caller's key for its organization, with connections of its own.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn of_caller(&self, key: &str, organization: &str) -> Result<Arc<Credentials>, KeyError> {
        let named = (Secret::new(key), organization.to_owned());
        let open = || {
            let (key, organization) = named.clone();
            let owner = Owner::Caller(key.clone(), organization.clone());
            self.credentials(key, &organization, owner, Arc::default()).map(Arc::new)
        };
        self.passed.try_get_with_by_ref(&named, open).map_err(|error| KeyError::clone(&error))
    }

    /// Reads the platform's authorities again: they hold for connections from the next call on; calls under way keep theirs.
    ///
    /// # Errors
    /// When they cannot be used; the old ones stay.
    pub fn reload_authorities(&self) -> Result<(), KeyError> {
        self.pools.reload()?;
        for (named, old) in &self.passed {
            let (key, organization) = &*named;
            // What the platform asks of a key, it asks of its new connections, too.
            let new = self.credentials(key.clone(), organization, old.owner().clone(), Arc::clone(&old.brakes))?;
            self.passed.insert(named.as_ref().clone(), Arc::new(new));
        }
        match self.own() {
            Some(own) => self.replace_own(Secret::new(own.secret())),
            None => Ok(()),
        }
    }

    /// The organization of callers that name none.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    fn credentials(
        &self,
        key: Secret,
        organization: &str,
        owner: Owner,
        brakes: Arc<Brakes>,
    ) -> Result<Credentials, KeyError> {
        let connections = (self.pools.open()?, self.pools.forward());
        Ok(Credentials::new(&self.base_url, organization, key, owner, connections, brakes)?)
    }
}

impl From<InvalidHeaderValue> for KeyError {
    fn from(_: InvalidHeaderValue) -> Self {
        Self::Header
    }
}

impl From<BuildError> for KeyError {
    fn from(error: BuildError) -> Self {
        Self::Pool(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_authorities_leave_what_the_platform_asks_of_a_callers_key() {
        let keys = Keys::new(&config::Platform::default()).expect("keys");
        let of_caller = || keys.of_caller("a-key", "an-organization").expect("a key");
        let before = of_caller();
        keys.reload_authorities().expect("authorities");
        let after = of_caller();
        assert!(!Arc::ptr_eq(&before, &after) && Arc::ptr_eq(&before.brakes, &after.brakes));
    }
}
