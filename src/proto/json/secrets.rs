//! What of the platform's JSON never reaches a caller.

use super::{quoted::Quoted, reader::Reader};

/// The user's secrets, wherever they stand.
pub const USERS: [&str; 2] = ["user_oidc_token", "user_tokens"];
/// Where MCP servers stand, here and in the files of their clients, and what is secret in there.
const SERVERS: [&str; 2] = ["mcp_servers", "mcpServers"];
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
        // What is shorter than each of them is none of them, with escapes too; in there they have other spellings.
        if key.raw().len() < SHORTEST && !self.in_servers {
            return Some(self);
        }
        let is_secret = USERS.iter().any(|name| key.is(name)) || self.in_servers && is_of_servers(&key.text());
        (!is_secret).then(|| Self { in_servers: self.in_servers || SERVERS.iter().any(|name| key.is(name)) })
    }

    /// Whether a string may have a secret in it: in an MCP server one that is itself an object, as JSON or as another
    /// language writes it, and has a secret's name.
    #[inline]
    pub fn may_be_in(self, string: Quoted<'_>) -> bool {
        self.in_servers && speaks_of_secrets(&string.text())
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

/// Whether a key is one of a server's secrets, also as other languages write it: `apiKey`, `API-KEY`.
#[cold]
fn is_of_servers(key: &str) -> bool {
    let key = letters(key);
    OF_SERVERS.iter().any(|name| key == letters(name))
}

#[cold]
fn speaks_of_secrets(text: &str) -> bool {
    text.contains('{') && {
        let text = letters(text);
        OF_SERVERS.iter().chain(&USERS).any(|name| text.contains(&letters(name)))
    }
}

fn letters(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).map(|letter| letter.to_ascii_lowercase()).collect()
}
