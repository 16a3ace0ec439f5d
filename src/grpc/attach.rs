//! What the proxy attaches to an invocation by itself: the user whom a gateway names in the metadata, and the caller as
//! its principal. Version pins are not here: they depend on the agent that is loaded.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;

use crate::{
    calls::Error,
    config::{self, UserField},
    proto::{InvokeRequest, Principal, PrincipalKind, User},
    telemetry::{Attached, Record},
};

/// The longest field that is taken from metadata, in bytes.
const MAX_FIELD: usize = 1024;

/// What is attached, and for whom.
pub struct Attach {
    metadata: BTreeMap<UserField, String>,
    speakers: BTreeSet<String>,
    principal: bool,
}

impl Attach {
    /// As the settings have it.
    pub fn new(settings: &config::Users) -> Self {
        Self { metadata: settings.metadata.clone(), speakers: settings.callers.clone(), principal: settings.principal }
    }

    /// Attaches what the request does not say itself.
    ///
    /// # Errors
    /// When a field of the metadata is no text, too long, or given twice: a task for the wrong user is worse than none.
    pub fn to(&self, request: &mut InvokeRequest, record: &Record, headers: &HeaderMap) -> Result<(), Error> {
        let caller = record.caller().map(|caller| &**caller);
        if request.user_details.is_none()
            && self.may_speak_for_users(caller)
            && let Some(user) = self.user(headers)?
        {
            request.user_details = Some(user);
            record.attached(Attached::User);
        }
        if request.principal.is_none()
            && self.principal
            && let Some(caller) = caller
        {
            request.principal = Some(principal(caller));
            record.attached(Attached::Principal);
        }
        Ok(())
    }

    fn may_speak_for_users(&self, caller: Option<&str>) -> bool {
        self.speakers.contains("*") || caller.is_some_and(|caller| self.speakers.contains(caller))
    }

    /// The user in the metadata, if it names one: it takes an e-mail address to be one.
    fn user(&self, headers: &HeaderMap) -> Result<Option<User>, Error> {
        let field = |field| {
            let Some(key) = self.metadata.get(&field) else { return Ok(None) };
            let mut values = headers.get_all(key).iter();
            let Some(value) = values.next() else { return Ok(None) };
            match std::str::from_utf8(value.as_bytes()) {
                Ok(text) if text.len() <= MAX_FIELD && values.next().is_none() => {
                    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
                }
                _ => Err(Error::invalid(key, format!("must be given once, in UTF-8 of at most {MAX_FIELD} bytes"))),
            }
        };
        let Some(email) = field(UserField::Email)? else { return Ok(None) };
        Ok(Some(User {
            id: field(UserField::Id)?,
            first_name: field(UserField::FirstName)?,
            last_name: field(UserField::LastName)?,
            email,
            additional_attributes: None,
            timezone: field(UserField::Timezone)?,
        }))
    }
}

/// The caller as the platform knows principals: an id has no colon, so a SPIFFE id loses its scheme.
fn principal(caller: &str) -> Principal {
    let id = caller.strip_prefix("spiffe://").unwrap_or(caller).replace(':', "/");
    Principal { kind: PrincipalKind::System.into(), id, email: None, display_name: Some(caller.to_owned()) }
}
