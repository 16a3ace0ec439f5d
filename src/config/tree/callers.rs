//! The settings on those who call: who may, and what is said of the people behind them. A part of the `tree`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use clap::ValueEnum;

use crate::config::secret::TokenHash;

/// Who may call. With neither tokens nor a client CA everybody may: then a mesh decides.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
#[derive(Debug, Clone)]
pub struct Auth {
    /// The SHA-256 hashes of each caller's bearer tokens, by the caller's name.
    pub tokens: BTreeMap<String, Vec<TokenHash>>,
    /// A file with more of them, a line `name=hash` each. Re-read when it changes.
    pub tokens_file: Option<PathBuf>,
    /// Callers who show a JWT.
    pub jwt: Jwt,
    /// The SPIFFE ids and DNS names whose certificates may call; empty: all that the client CA vouches for.
    pub allowed_clients: BTreeSet<String>,
    /// The agents that each caller may invoke, by the caller's name; `*` stands for every other caller, or for any agent.
    pub agents: BTreeMap<String, BTreeSet<String>>,
    /// Whether the tasks of other agents are out of reach, too.
    pub tasks: Tasks,
    /// The callers that may list tasks, and so see what others did; `*` stands for everybody.
    pub list_tasks: BTreeSet<String>,
    /// Whether health checks need no right.
    pub open_health: bool,
    /// Whether server reflection needs no right.
    pub open_reflection: bool,
    /// The metadata key in which a mesh says who calls.
    pub caller_metadata: Option<String>,
    /// Whether nobody reaches the port but through the mesh.
    pub mesh_only: bool,
    /// Whether a call's own `x-api-key` and `x-organization-id` are used for the platform.
    pub pass_through: bool,
}

/// Callers who show a JWT, taken where there is an issuer.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// Who makes them (`iss`).
    pub issuer: Option<String>,
    /// For whom they are (`aud`).
    pub audience: Option<String>,
    /// The claim that names the caller.
    pub claim: String,
    /// The file with the issuer's keys, a JWKS. Re-read when it changes.
    pub jwks_file: Option<PathBuf>,
    /// Where the issuer's keys are fetched from in its place.
    pub jwks_url: Option<String>,
    /// A PEM file of certificate authorities to trust behind it instead of the system's. Read for each fetch.
    pub jwks_ca_file: Option<PathBuf>,
    /// A file with the bearer token to show there. Read for each fetch.
    pub jwks_token_file: Option<PathBuf>,
    /// How far clocks may be apart.
    pub leeway: Duration,
}

/// What is said of the people and services behind a call.
#[derive(Debug, Clone, Default)]
pub struct Users {
    /// The metadata keys, set by an authenticating gateway, that fields of `user_details` are taken from.
    pub metadata: BTreeMap<UserField, String>,
    /// The callers whose metadata is believed; `*` stands for everybody.
    pub callers: BTreeSet<String>,
    /// Whether a request without a principal gets one that names the authenticated caller.
    pub principal: bool,
    /// Whose requests may name users and principals by themselves.
    pub trust_request: TrustRequest,
}

/// What it takes to read, follow and stop a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Tasks {
    /// To know its id.
    #[default]
    Id,
    /// The right to its agent, too.
    Agent,
}

/// Whose requests may name users and principals by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TrustRequest {
    /// Everybody's.
    #[default]
    Always,
    /// Those of callers that may speak for users.
    Speakers,
    /// Nobody's.
    Never,
}

/// A field of `user_details` that metadata can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum UserField {
    /// The user's id at the caller.
    Id,
    /// The given name.
    FirstName,
    /// The family name.
    LastName,
    /// The e-mail address; without one there is no user.
    Email,
    /// The IANA name of the time zone.
    Timezone,
}

impl Auth {
    /// Whether callers may show a bearer token, of whichever kind.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        !self.tokens.is_empty() || self.tokens_file.is_some() || self.jwt.issuer.is_some()
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            claim: "sub".to_owned(),
            jwks_file: None,
            jwks_url: None,
            jwks_ca_file: None,
            jwks_token_file: None,
            leeway: Duration::from_secs(30),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        let everybody = || "*".to_owned();
        Self {
            tokens: BTreeMap::new(),
            tokens_file: None,
            jwt: Jwt::default(),
            allowed_clients: BTreeSet::new(),
            agents: BTreeMap::from([(everybody(), BTreeSet::from([everybody()]))]),
            tasks: Tasks::default(),
            list_tasks: BTreeSet::new(),
            open_health: true,
            open_reflection: false,
            caller_metadata: None,
            mesh_only: false,
            pass_through: false,
        }
    }
}
