//! What of the platform's JSON never reaches a caller.

use super::{quoted::Quoted, reader::Reader};

/// The user's secrets, wherever they stand.
pub const USERS: [&str; 2] = ["user_oidc_token", "user_tokens"];
/// Where MCP servers stand, and what is secret in there.
const SERVERS: &str = "mcp_servers";
const OF_SERVERS: [&str; 4] = ["api_key", "client_secret", "headers", "env_vars"];

/// The length of the shortest of these names.
const SHORTEST: usize = 7;

/// The names that are left out.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Secrets {
    pub in_servers: bool,
}

impl Secrets {
    /// What is left out of this attribute's value; None for a secret.
    #[inline]
    pub fn within(self, key: Quoted<'_>) -> Option<Self> {
        // What is shorter than each of them is none of them, with escapes too.
        if key.raw().len() < SHORTEST {
            return Some(self);
        }
        let is_one_of = |names: &[&str]| names.iter().any(|name| key.is(name));
        let is_secret = is_one_of(&USERS) || self.in_servers && is_one_of(&OF_SERVERS);
        (!is_secret).then(|| Self { in_servers: self.in_servers || key.is(SERVERS) })
    }

    /// Whether a string may have a secret in it: in an MCP server one that is itself an object, as JSON or as another
    /// language writes it, and has a secret's name.
    #[inline]
    pub fn may_be_in(self, string: Quoted<'_>) -> bool {
        if !self.in_servers {
            return false;
        }
        let text = string.text();
        text.contains('{') && OF_SERVERS.iter().chain(&USERS).any(|name| text.contains(name))
    }

    /// Whether a text of JSON has a secret's name in it, as a key or as a string.
    pub fn are_in(mut self, text: &str) -> bool {
        let mut rest = text;
        while let Some(quote) = memchr::memchr(b'"', rest.as_bytes()) {
            rest = &rest[quote..];
            let mut json = Reader::new(rest);
            let Some(string) = json.string() else { return true };
            let Some(inside) = self.within(string) else { return true };
            self = inside;
            rest = &rest[json.at()..];
        }
        false
    }
}
