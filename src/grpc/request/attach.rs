//! For whom an invocation speaks: whether it may say so itself, and what the proxy attaches where it does not, the user
//! whom a gateway names in the metadata and the caller as its principal. Version pins are not here: they depend on the agent that is loaded.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;

use super::auth::Auth;
use crate::{
    calls::Error,
    config::{self, DNS, SPIFFE, TrustRequest, UserField},
    proto::{InvokeRequest, Principal, PrincipalKind, User},
    telemetry::{Attached, MethodKind, Record},
};

/// The longest field that is taken from metadata, in bytes.
const MAX_FIELD: usize = 1024;

/// What is attached, and for whom.
pub struct Attach {
    metadata: BTreeMap<UserField, String>,
    speakers: BTreeSet<String>,
    principal: bool,
    trust_request: TrustRequest,
}

impl Attach {
    /// As the settings have it.
    pub fn new(settings: &config::Users) -> Self {
        let config::Users { metadata, callers, principal, trust_request } = settings.clone();
        Self { metadata, speakers: callers, principal, trust_request }
    }

    /// Attaches what the request does not say itself.
    ///
    /// # Errors
    /// When the request says what it may not. When a field of the metadata is no text, too long, or given twice: a task for
    /// the wrong user is worse than none.
    pub fn to(
        &self,
        request: &mut InvokeRequest,
        auth: &Auth,
        record: &Record,
        headers: &HeaderMap,
    ) -> Result<(), Error> {
        let caller = record.caller().map(|caller| &**caller);
        let is_speaker = auth.is_among(caller, &self.speakers);
        if let Some(field) = untrusted(request, caller).filter(|_| !self.trusts(is_speaker)) {
            let error = Error::invalid(field, "must not be set by this caller (users.trust_request)");
            return Err(if record.method().kind == MethodKind::Streaming { error.in_invocation() } else { error });
        }
        if request.user_details.is_none()
            && is_speaker
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

    /// Whether a caller may speak for users.
    pub fn lets_speak(&self, auth: &Auth, caller: Option<&str>) -> bool {
        auth.is_among(caller, &self.speakers)
    }

    fn trusts(&self, is_speaker: bool) -> bool {
        match self.trust_request {
            TrustRequest::Always => true,
            TrustRequest::Speakers => is_speaker,
            TrustRequest::Never => false,
        }
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

/// The field in which a request speaks for somebody else than its caller.
fn untrusted(request: &InvokeRequest, caller: Option<&str>) -> Option<&'static str> {
    let is_own = |given: &Principal| {
        let Principal { kind, id, email, display_name } = given;
        let is_named = |own: &str| display_name.as_deref().is_none_or(|name| name.is_empty() || name == own);
        let is_it = |own: Principal| (kind, id) == (&own.kind, &own.id);
        email.as_deref().is_none_or(str::is_empty) && caller.is_some_and(|own| is_it(principal(own)) && is_named(own))
    };
    match &request.principal {
        _ if request.user_details.is_some() => Some("user_details"),
        Some(principal) if !is_own(principal) => Some("principal"),
        _ => None,
    }
}

/// The caller as the platform knows principals, whose ids have no colon: a kind of name that comes out of certificates
/// stands before a slash, which no other kind has in it.
fn principal(caller: &str) -> Principal {
    let id = match (caller.strip_prefix(SPIFFE), caller.strip_prefix(DNS)) {
        (Some(id), _) => format!("spiffe/{id}"),
        (_, Some(host)) => format!("dns/{host}"),
        _ => caller.replace('%', "%25").replace('/', "%2F").replace(':', "%3A"),
    };
    Principal { kind: PrincipalKind::System.into(), id, email: None, display_name: Some(caller.to_owned()) }
}
