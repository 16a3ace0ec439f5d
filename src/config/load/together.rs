//! What settings need of each other. Not whether each is right by itself: its `kind` knows that.

use std::collections::BTreeMap;

use crate::config::{
    fault::Fault,
    keys::names::{DNS, dns_name, is_of_jwt, is_reserved, spiffe_id},
    tree::{Settings, callers::UserField},
};

pub const API_KEY: &str = "platform.api_key";
pub const API_KEY_FILE: &str = "platform.api_key_file";
const ORGANIZATION: &str = "platform.organization_id";
const CERTIFICATE: &str = "server.tls_cert_file";
const CERTIFICATE_KEY: &str = "server.tls_key_file";
const CLIENT_CA: &str = "server.tls_client_ca_file";
const TOKENS: &str = "auth.tokens";
const TOKENS_FILE: &str = "auth.tokens_file";
const ISSUER: &str = "auth.jwt.issuer";
const AUDIENCE: &str = "auth.jwt.audience";
const JWKS_FILE: &str = "auth.jwt.jwks_file";
const JWKS_URL: &str = "auth.jwt.jwks_url";
const JWKS_CA: &str = "auth.jwt.jwks_ca_file";
const JWKS_TOKEN: &str = "auth.jwt.jwks_token_file";
const STORE: &str = "deduplication.store";
const STORE_FILE: &str = "deduplication.store_file";
const STORE_CA: &str = "deduplication.store_ca_file";
const CALLER_METADATA: &str = "auth.caller_metadata";

/// All that is missing or in each other's way. `sources` has the settings that were given, also wrong ones: what was
/// given wrongly is told as that, and not as missing.
pub fn faults(settings: &Settings, sources: &BTreeMap<&str, &str>, sandbox: bool) -> Vec<Fault> {
    let mut together = Together { settings, sources, faults: Vec::new() };
    together.check_ports();
    together.check_tls();
    together.check_callers();
    together.check_jwt();
    together.check_mesh();
    together.check_limits();
    together.check_users();
    together.check_store();
    if !sandbox {
        together.check_credentials();
    }
    together.faults
}

struct Together<'a> {
    settings: &'a Settings,
    sources: &'a BTreeMap<&'a str, &'a str>,
    faults: Vec<Fault>,
}

impl Together<'_> {
    fn has(&self, name: &str) -> bool {
        self.sources.contains_key(name)
    }

    fn fault(&mut self, setting: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        let source = self.sources.get(setting).copied().unwrap_or("a default");
        self.faults.push(Fault {
            setting: setting.to_owned(),
            source: source.to_owned(),
            problem: problem.into(),
            allowed: allowed.into(),
        });
    }

    /// Port 0 is any free one, so two of them differ.
    fn check_ports(&mut self) {
        let (grpc, admin) = (self.settings.server.listen, self.settings.server.admin_listen);
        if grpc == admin && grpc.port() != 0 {
            let problem = format!("{admin} is server.listen already");
            self.fault("server.admin_listen", problem, "an address or port of its own");
        }
    }

    fn check_tls(&mut self) {
        for (one, other) in [(CERTIFICATE, CERTIFICATE_KEY), (CERTIFICATE_KEY, CERTIFICATE)] {
            if self.has(one) && !self.has(other) {
                self.fault(
                    one,
                    format!("there is no {other}"),
                    format!("{CERTIFICATE} and {CERTIFICATE_KEY}, or neither"),
                );
            }
        }
        if self.has(CLIENT_CA) && !self.has(CERTIFICATE) && !self.has(CERTIFICATE_KEY) {
            let allowed = format!("with {CERTIFICATE} and {CERTIFICATE_KEY}, or not at all");
            self.fault(CLIENT_CA, "callers' certificates are seen over TLS only", allowed);
        }
        if !self.settings.auth.allowed_clients.is_empty() && !self.has(CLIENT_CA) {
            let allowed = format!("with {CLIENT_CA}, or not at all");
            self.fault("auth.allowed_clients", "there is no authority for callers' certificates", allowed);
        }
    }

    /// Names of callers mean nothing where nobody has one.
    fn check_callers(&mut self) {
        if self.names_callers() {
            return;
        }
        let is_name = |name: &String| name != "*";
        let Settings { auth, users, limits, .. } = self.settings;
        let in_need = [
            ("auth.agents", auth.agents.keys().any(is_name)),
            ("auth.list_tasks", auth.list_tasks.iter().any(is_name)),
            ("users.callers", users.callers.iter().any(is_name)),
            ("limits.shares", limits.shares.keys().any(is_name)),
            ("limits.creates_per_second", limits.creates_per_second.keys().any(is_name)),
            ("limits.burst", limits.burst.keys().any(is_name)),
            ("users.principal", users.principal),
        ];
        let need = format!("with {TOKENS}, {TOKENS_FILE}, {ISSUER}, {CLIENT_CA} or {CALLER_METADATA}");
        for (name, _) in in_need.into_iter().filter(|(_, is_in_need)| *is_in_need) {
            let allowed = if name == "users.principal" { need.clone() } else { format!("*, or names {need}") };
            self.fault(name, "callers are not authenticated, so that nobody has a name", allowed);
        }
    }

    fn names_callers(&self) -> bool {
        [TOKENS, TOKENS_FILE, ISSUER, CLIENT_CA, CALLER_METADATA].iter().any(|name| self.has(name))
    }

    /// Of a JWT everything has to be known that it is checked by.
    fn check_jwt(&mut self) {
        let all = [ISSUER, AUDIENCE, JWKS_FILE, JWKS_URL, JWKS_CA, JWKS_TOKEN];
        if !all.iter().any(|name| self.has(name)) {
            return;
        }
        for (missing, why) in [(ISSUER, "whose JWTs are taken"), (AUDIENCE, "for whom JWTs have to be")] {
            if !self.has(missing) {
                self.fault(missing, format!("nothing says {why}"), format!("{ISSUER} and {AUDIENCE}, or no JWTs"));
            }
        }
        match (self.has(JWKS_FILE), self.has(JWKS_URL)) {
            (true, true) => self.fault(JWKS_URL, format!("there is {JWKS_FILE}, too"), "one of them"),
            (false, false) => {
                self.fault(JWKS_FILE, "JWTs have no keys to be verified by", format!("{JWKS_FILE} or {JWKS_URL}"));
            }
            _ => {}
        }
        for fetching in [JWKS_CA, JWKS_TOKEN] {
            if self.has(fetching) && !self.has(JWKS_URL) {
                self.fault(fetching, "no keys are fetched", format!("with {JWKS_URL}, or not at all"));
            }
        }
    }

    /// Who gets past a mesh could call in any name.
    fn check_mesh(&mut self) {
        let auth = &self.settings.auth;
        if auth.caller_metadata.is_none() {
            return;
        }
        if !auth.mesh_only {
            let problem = "callers could name themselves, where they reach the port past the mesh";
            self.fault(CALLER_METADATA, problem, "with auth.mesh_only = true, or not at all");
        }
        let others: Vec<_> =
            [TOKENS, TOKENS_FILE, ISSUER, CLIENT_CA].into_iter().filter(|name| self.has(name)).collect();
        for other in others {
            self.fault(CALLER_METADATA, format!("callers have names by {other} already"), "one of them");
        }
    }

    /// Limits that are nobody's.
    fn check_limits(&mut self) {
        let limits = &self.settings.limits;
        let rates = &limits.creates_per_second;
        let has_rate =
            |name: &str| rates.contains_key(name) || rates.contains_key("*") || name == "*" && !rates.is_empty();
        if let Some(name) = limits.burst.keys().find(|name| !has_rate(name)) {
            let problem = format!("{name} has no rate, so that its burst does nothing");
            self.fault("limits.burst", problem, "callers that limits.creates_per_second has, or its *");
        }
        if !self.names_callers() {
            return;
        }
        let named = [
            ("limits.shares", self.nobody(limits.shares.keys())),
            ("limits.creates_per_second", self.nobody(rates.keys())),
            ("limits.burst", self.nobody(limits.burst.keys())),
        ];
        for (setting, names) in named.into_iter().filter(|(_, names)| !names.is_empty()) {
            let allowed = "callers with a token or a JWT, or clients whose certificates may call";
            self.fault(setting, format!("no caller can have the name {names}"), allowed);
        }
    }

    /// Those of the names that nobody can have.
    fn nobody<'a>(&self, names: impl Iterator<Item = &'a String>) -> String {
        let names = names.filter(|name| *name != "*" && !self.can_exist(name)).map(String::as_str);
        names.collect::<Vec<_>>().join(", ")
    }

    /// Whether anybody may call in a name. Files may bring any token's.
    fn can_exist(&self, name: &str) -> bool {
        let auth = &self.settings.auth;
        let host = name.strip_prefix(DNS);
        let is_client = || {
            let client = host.unwrap_or(name);
            let is_one = spiffe_id(client).is_some() || dns_name(client).is_some();
            self.has(CLIENT_CA) && is_one && (auth.allowed_clients.is_empty() || auth.allowed_clients.contains(client))
        };
        let is_jwt = || is_of_jwt(name) && self.has(ISSUER);
        let is_token = || !is_reserved(name) && (self.has(TOKENS_FILE) || auth.tokens.contains_key(name));
        self.has(CALLER_METADATA) || is_jwt() || is_token() || is_client()
    }

    fn check_users(&mut self) {
        let metadata = &self.settings.users.metadata;
        if !metadata.is_empty() && !metadata.contains_key(&UserField::Email) {
            self.fault(
                "users.metadata",
                "there is no email, without which there is no user",
                "with an email among them",
            );
        }
    }

    fn check_store(&mut self) {
        let is_wrong = self.has(STORE) || self.has(STORE_FILE);
        let is_secure = match &self.settings.deduplication.store {
            Some(url) => url.expose().starts_with("rediss://"),
            None => is_wrong,
        };
        if self.has(STORE_CA) && !is_secure {
            let allowed = format!("with a {STORE} that begins with rediss://, or not at all");
            self.fault(STORE_CA, "the store shows a certificate over TLS only", allowed);
        }
    }

    /// Callers who bring their own keys make the proxy's one unnecessary.
    fn check_credentials(&mut self) {
        let has_key = self.has(API_KEY) || self.has(API_KEY_FILE);
        let needs_key = !self.settings.auth.pass_through;
        if needs_key && !has_key {
            self.fault(
                API_KEY,
                "there is no API key",
                "a key in XPANDER_API_KEY or in a file that XPANDER_API_KEY_FILE names, auth.pass_through for callers with \
                 keys of their own, or --sandbox to do without the platform",
            );
        }
        if (needs_key || has_key) && !self.has(ORGANIZATION) {
            self.fault(
                ORGANIZATION,
                "there is no organization, which an API key needs",
                "the organization's id in XPANDER_ORGANIZATION_ID, or --sandbox to do without the platform",
            );
        }
    }
}
