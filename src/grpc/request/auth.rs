//! Who may call: a bearer token, a JWT, a client certificate, who a mesh lets in, or, where none of them is configured,
//! everybody. Not TLS itself.
//!
//! A token that is shown must be right, also beside a certificate: a wrong one is never ignored.

mod jwt;
mod keys;
mod provider;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    sync::Arc,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use self::jwt::{Jwt, Refused};
use super::mesh::Mesh;
use crate::{
    calls::{Error, Kind},
    config::{self, DNS, TokenHash, is_reserved},
    grpc::connection::peer::Peer,
    telemetry::{Method, MethodKind, Record},
    translate,
};

/// Stands for every caller, or every agent, that is not named.
const ANY: &str = "*";

/// The callers and their rights.
pub struct Auth {
    /// The tokens in the settings themselves; those of the file come on top.
    written: Tokens,
    tokens: ArcSwap<Vec<(TokenHash, Arc<str>)>>,
    /// Bearer tokens, by their hashes or as JWTs.
    takes_tokens: bool,
    jwt: Option<Arc<Jwt>>,
    takes_certificates: bool,
    /// Where a mesh says who calls.
    mesh: Option<Mesh>,
    allowed_clients: BTreeSet<String>,
    agents: BTreeMap<String, BTreeSet<String>>,
    /// What needs no right.
    open: Vec<MethodKind>,
}

/// Token hashes by the caller's name.
pub type Tokens = BTreeMap<String, Vec<TokenHash>>;

/// A caller's name, not copied.
pub enum Name<'a> {
    /// Of a token, a JWT or a certificate.
    Proved(Arc<str>),
    /// In the words of a mesh.
    Told(&'a str),
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Proved(name) => name,
            Self::Told(name) => name,
        }
    }
}

impl Auth {
    /// The rights as the settings have them, still without the tokens that `tokens_file` holds.
    pub fn new(settings: &config::Auth, takes_certificates: bool) -> Self {
        let open = [(settings.open_health, MethodKind::Health), (settings.open_reflection, MethodKind::Reflection)];
        let auth = Self {
            written: settings.tokens.clone(),
            tokens: ArcSwap::default(),
            takes_tokens: settings.takes_tokens(),
            jwt: Jwt::new(&settings.jwt).map(Arc::new),
            takes_certificates,
            mesh: settings.caller_metadata.as_deref().filter(|_| settings.mesh_only).and_then(Mesh::new),
            allowed_clients: settings.allowed_clients.clone(),
            agents: settings.agents.clone(),
            open: open.into_iter().filter(|(is_open, _)| *is_open).map(|(_, kind)| kind).collect(),
        };
        auth.replace_tokens(&Tokens::new());
        auth
    }

    /// Puts these in place of the file's tokens, from the next call on.
    pub fn replace_tokens(&self, from_file: &Tokens) {
        let all = self.written.iter().chain(from_file).flat_map(|(name, hashes)| {
            // The settings take no such name; here it is no certificate's and no JWT's all the same.
            let prefix = if is_reserved(name) { "token:" } else { "" };
            let name: Arc<str> = format!("{prefix}{name}").into();
            hashes.iter().map(move |hash| (*hash, Arc::clone(&name)))
        });
        self.tokens.store(Arc::new(all.collect()));
    }

    /// Whom JWTs are taken from, where they are.
    pub fn jwt(&self) -> Option<&Arc<Jwt>> {
        self.jwt.as_ref()
    }

    /// Who may call, in words for the operator.
    pub fn callers(&self) -> &'static str {
        match (self.takes_tokens, self.takes_certificates) {
            (false, false) if self.mesh.is_some() => "whom the mesh lets in, by name",
            (false, false) => "everybody",
            (true, false) => "with a token",
            (false, true) => "with a certificate",
            (true, true) => "with a token or a certificate",
        }
    }

    /// Whether anybody may have a name.
    pub fn names_callers(&self) -> bool {
        self.takes_tokens || self.takes_certificates || self.mesh.is_some()
    }

    /// The caller's name, where callers have names.
    ///
    /// # Errors
    /// When the caller does not prove who it is, or may not call.
    pub fn admit<'a>(&self, method: &Method, headers: &'a HeaderMap, peer: &Peer) -> Result<Option<Name<'a>>, Refused> {
        if self.open.contains(&method.kind) {
            return Ok(None);
        }
        if let Some(mesh) = &self.mesh {
            return Ok(mesh.name(headers)?.map(Name::Told));
        }
        if !(self.takes_tokens || self.takes_certificates) {
            return Ok(None);
        }
        self.prove(headers, peer).map(|name| Some(Name::Proved(name)))
    }

    /// The name that a caller proves to have.
    fn prove(&self, headers: &HeaderMap, peer: &Peer) -> Result<Arc<str>, Refused> {
        // A wrong one could hide behind a right one.
        if self.takes_tokens && headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
            return Err(Kind::Unauthenticated("authorization must be given once").into());
        }
        if self.takes_tokens
            && let Some(token) = bearer(headers)
        {
            if token.is_empty() {
                return Err(Kind::Unauthenticated("the bearer token is empty").into());
            }
            return match &self.jwt {
                Some(jwt) if jwt::is_one(token) => jwt.name(token),
                _ => Ok(self.of_token(token).ok_or(Kind::Unauthenticated("the bearer token is not known"))?),
            };
        }
        let refused = match peer.names().filter(|_| self.takes_certificates) {
            Some(_) if peer.time_left().is_some_and(|left| left.is_zero()) => {
                Kind::Unauthenticated("the client certificate has expired")
            }
            Some(names) => return Ok(self.of_certificate(names).ok_or(Kind::CallerForbidden)?),
            None => Kind::Unauthenticated(match (self.takes_tokens, self.takes_certificates) {
                (true, false) => "a bearer token is required",
                (false, _) => "a client certificate is required",
                (true, true) => "a bearer token or a client certificate is required",
            }),
        };
        Err(refused.into())
    }

    /// The agents that a caller may invoke, by id or name; None where it may invoke every one.
    pub fn agents(&self, caller: Option<&str>) -> Option<&BTreeSet<String>> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        let row = self.names(caller).find_map(|name| self.agents.get(name)).or_else(|| self.agents.get(ANY));
        row.map_or(Some(&NONE), |agents| Some(agents).filter(|agents| !agents.contains(ANY)))
    }

    /// Checks that the caller may invoke an agent, by the id or name that it asks for.
    ///
    /// # Errors
    /// When it may not; the error names the agent where that is an id.
    pub fn check_agent(&self, record: &Record, agent: &str) -> Result<(), Error> {
        if self.agents(record.caller().map(|caller| &**caller)).is_none_or(|agents| agents.contains(agent)) {
            return Ok(());
        }
        let error = Error::new(Kind::AgentForbidden);
        Err(if translate::is_id(agent) { error.of_agent(agent) } else { error })
    }

    /// Whether the settings mean this caller by one of the names, or everybody.
    pub fn is_among(&self, caller: Option<&str>, names: &BTreeSet<String>) -> bool {
        names.contains(ANY) || self.names(caller).any(|name| names.contains(name))
    }

    /// What the settings may call a caller: a DNS name also goes without what stands before it, unless that is the name of
    /// a token's caller.
    pub fn names<'a>(&self, caller: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let host = caller.and_then(|caller| caller.strip_prefix(DNS));
        let is_free = |host: &&str| !self.tokens.load().iter().any(|(_, name)| **name == **host);
        caller.into_iter().chain(host.filter(is_free))
    }

    /// Looks at every hash, so that the time it takes tells nothing.
    fn of_token(&self, token: &[u8]) -> Option<Arc<str>> {
        let hash = Sha256::digest(token);
        let tokens = self.tokens.load();
        let mut found = None;
        for (known, name) in tokens.iter() {
            if bool::from(known.0.ct_eq(hash.as_slice())) {
                found = Some(name);
            }
        }
        found.cloned()
    }

    fn of_certificate(&self, names: &[Arc<str>]) -> Option<Arc<str>> {
        let is_allowed = |name: &&Arc<str>| {
            self.allowed_clients.is_empty() || self.allowed_clients.contains(name.strip_prefix(DNS).unwrap_or(name))
        };
        names.iter().find(is_allowed).cloned()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer") && matches!(token, [] | [b' ', ..]);
    is_bearer.then(|| token.trim_ascii())
}
