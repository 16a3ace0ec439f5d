//! What names in the settings may look like: of agents, versions, callers, certificates, metadata, and hashes.

use crate::config::{
    read::{Problem, refused},
    secret::TokenHash,
};

/// What stands before a DNS name out of a certificate where it is a caller's name, so that it is no token's.
pub const DNS: &str = "dns:";
/// What a SPIFFE id begins with.
pub const SPIFFE: &str = "spiffe://";

/// What Kubernetes calls a service account by: its namespace and its name stand behind it.
pub const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// What stands before any other name out of a JWT where it is a caller's name, so that it is no token's.
pub const JWT: &str = "jwt:";

/// The longest name of a caller, unless it is one out of a certificate or a JWT.
const LONGEST_CALLER: usize = 128;
/// By the SPIFFE specification.
const LONGEST_SPIFFE_ID: usize = 2048;
const LONGEST_TRUST_DOMAIN: usize = 255;
/// By RFC 1035.
const LONGEST_DNS_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
/// By `OpenID` Connect, for a subject.
const LONGEST_SUBJECT: usize = 255;
/// The metadata that means something to the proxy, to gRPC or to HTTP.
pub const RESERVED_KEYS: [&str; 11] = [
    "authorization",
    "x-api-key",
    "x-organization-id",
    "x-request-id",
    "traceparent",
    "tracestate",
    "baggage",
    "content-type",
    "te",
    "user-agent",
    "host",
];

/// An identifier is a segment of the platform's paths, so it must need no encoding and not be a step in them.
pub fn identifier(text: &str) -> Result<String, Problem> {
    plain(text, 128)
}

/// A version that an agent is pinned to.
pub fn version(text: &str) -> Result<String, Problem> {
    plain(text, 64)
}

/// The name of any caller: one out of a certificate or a JWT, or that of a token's.
pub fn caller(text: &str) -> Result<String, Problem> {
    match text.strip_prefix(DNS) {
        Some(host) => dns_name(host).map(|host| format!("{DNS}{host}")).ok_or_else(|| refused(text)),
        None if is_caller(text) => Ok(text.to_owned()),
        None => Err(refused(text)),
    }
}

/// Whether this is a caller's name as it stands.
pub fn is_caller(text: &str) -> bool {
    match text.strip_prefix(DNS) {
        Some(host) => is_dns_name(host) && !host.bytes().any(|byte| byte.is_ascii_uppercase()),
        None => is_spiffe_id(text) || is_jwt_caller(text) || is_token_caller(text),
    }
}

/// The name of a token's caller: one that stands between the commas, spaces and equals signs of lists and maps.
pub fn token_caller(text: &str) -> Result<String, Problem> {
    if is_token_caller(text) { Ok(text.to_owned()) } else { Err(refused(text)) }
}

fn is_token_caller(text: &str) -> bool {
    is_word(text, LONGEST_CALLER) && !is_reserved(text)
}

/// Whether a name begins like one out of a certificate or a JWT, and so is no token's.
pub fn is_reserved(name: &str) -> bool {
    is_of_jwt(name) || name.starts_with(SPIFFE) || name.starts_with(DNS)
}

/// Whether a name begins like one out of a JWT.
pub fn is_of_jwt(name: &str) -> bool {
    name.starts_with(SERVICE_ACCOUNT) || name.starts_with(JWT)
}

/// The name of the caller whom a JWT calls this: a service account of Kubernetes as it stands there, any other with `jwt:`
/// before it. None for what is no caller's name.
pub fn jwt_caller(claim: &str) -> Option<String> {
    let name = if claim.starts_with(SERVICE_ACCOUNT) { claim.to_owned() } else { format!("{JWT}{claim}") };
    is_jwt_caller(&name).then_some(name)
}

fn is_jwt_caller(text: &str) -> bool {
    match (text.strip_prefix(SERVICE_ACCOUNT), text.strip_prefix(JWT)) {
        (Some(account), _) => account.split_once(':').is_some_and(|(namespace, name)| {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            let is_one = |text: &str, longest| (1..=longest).contains(&text.len()) && text.bytes().all(is_plain);
            is_one(namespace, LONGEST_LABEL) && is_one(name, LONGEST_DNS_NAME)
        }),
        (None, Some(subject)) => is_word(subject, LONGEST_SUBJECT) && !subject.starts_with(SERVICE_ACCOUNT),
        (None, None) => false,
    }
}

/// Whether a text stands between the commas, spaces and equals signs of lists and maps.
fn is_word(text: &str, longest: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b",=*".contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(is_plain)
}

/// What a client's certificate is for: a SPIFFE id, or a DNS name in lower case.
pub fn client(text: &str) -> Result<String, Problem> {
    spiffe_id(text).or_else(|| dns_name(text)).ok_or_else(|| refused(text))
}

/// The key of metadata that a gateway sets, in lower case as HTTP/2 has it. Binary metadata holds no text.
pub fn metadata_key(text: &str) -> Result<String, Problem> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let is_free = !text.starts_with("grpc-") && !text.ends_with("-bin") && !RESERVED_KEYS.contains(&text);
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(is_plain);
    if fits && is_free { Ok(text.to_owned()) } else { Err(refused(text)) }
}

/// A SHA-256 hash in 64 hex digits. What is none is not repeated: it may be the token.
pub fn hash(text: &str) -> Option<TokenHash> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(TokenHash(bytes))
}

fn plain(text: &str, longest: usize) -> Result<String, Problem> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    let fits = (1..=longest).contains(&text.len()) && text.chars().all(is_plain) && !matches!(text, "." | "..");
    if fits { Ok(text.to_owned()) } else { Err(refused(text)) }
}

/// `spiffe://`, a trust domain, and a path if there is one; nothing else that a URI may have, and nothing encoded.
pub fn spiffe_id(text: &str) -> Option<String> {
    is_spiffe_id(text).then(|| text.to_owned())
}

fn is_spiffe_id(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(SPIFFE) else { return false };
    let (domain, path) = rest.split_once('/').unwrap_or((rest, "-"));
    let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_path);
    let fits = (1..=LONGEST_TRUST_DOMAIN).contains(&domain.len()) && domain.bytes().all(in_domain);
    fits && path.split('/').all(is_segment) && text.len() <= LONGEST_SPIFFE_ID
}

/// A DNS name in lower case, without wildcards.
pub fn dns_name(text: &str) -> Option<String> {
    is_dns_name(text).then(|| text.to_ascii_lowercase())
}

fn is_dns_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(is_plain);
    // The last label of an IP address is a number.
    let is_address = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= LONGEST_DNS_NAME && text.split('.').all(is_label) && !is_address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_versions_are_plain_segments_of_a_path() {
        for good in ["a", "A-1.b_~", &"a".repeat(64)] {
            assert!(identifier(good).is_ok() && version(good).is_ok(), "{good}");
        }
        for wrong in ["", ".", "..", "a/b", "a b", "ö", "*", &"a".repeat(129)] {
            assert!(identifier(wrong).is_err() && version(wrong).is_err(), "{wrong}");
        }
        assert!(version(&"1".repeat(65)).is_err());
    }

    #[test]
    fn a_caller_is_a_short_name_or_a_spiffe_id_of_any_length() {
        let long = format!("spiffe://cluster.local/ns/{}/sa/b", "n".repeat(200));
        for good in ["orders", "Orders@acme.io", "team:a", &"a".repeat(128)] {
            assert!(caller(good).is_ok() && token_caller(good).is_ok(), "{good}");
        }
        for of_certificate in ["spiffe://acme.io/orders", "dns:orders.acme.io", &long] {
            assert!(caller(of_certificate).is_ok() && token_caller(of_certificate).is_err(), "{of_certificate}");
        }
        for wrong in ["", "*", "a*", "a=b", "a,b", "a b", "ö", "a\n", "dns:", "dns:*.acme.io", "spiffe://A/b"] {
            assert!(caller(wrong).is_err() && token_caller(wrong).is_err(), "{wrong}");
        }
        assert!(caller(&"a".repeat(129)).is_err());
        assert_eq!(caller("dns:Orders.acme.io").as_deref(), Ok("dns:orders.acme.io"));
    }

    #[test]
    fn a_jwts_caller_has_a_name_that_is_of_no_other_kind() {
        let account = format!("system:serviceaccount:{}:{}", "n".repeat(63), "a".repeat(253));
        for (claim, name) in [
            ("system:serviceaccount:shop:orders", "system:serviceaccount:shop:orders"),
            ("system:serviceaccount:7:orders.v2", "system:serviceaccount:7:orders.v2"),
            (&account, &account),
            ("orders", "jwt:orders"),
            ("auth0|5f7c8ec7c33c6c004bbafe82", "jwt:auth0|5f7c8ec7c33c6c004bbafe82"),
            ("spiffe://acme.io/orders", "jwt:spiffe://acme.io/orders"),
            ("dns:orders.acme.io", "jwt:dns:orders.acme.io"),
            ("jwt:orders", "jwt:jwt:orders"),
            ("system:node:worker", "jwt:system:node:worker"),
        ] {
            assert_eq!(jwt_caller(claim).as_deref(), Some(name));
            assert_eq!(caller(name).as_deref(), Ok(name));
            assert!(is_caller(name) && token_caller(name).is_err(), "{name}");
        }
        let long = "a".repeat(256);
        for wrong in [
            "",
            "a b",
            "CN=orders,O=acme",
            "*",
            "ö",
            &long,
            "system:serviceaccount:",
            "system:serviceaccount:shop",
            "system:serviceaccount::orders",
            "system:serviceaccount:shop:",
            "system:serviceaccount:Shop:orders",
            "system:serviceaccount:shop:orders:more",
        ] {
            assert_eq!(jwt_caller(wrong), None, "{wrong}");
        }
        for wrong in ["jwt:", "jwt:a b", "jwt:*", "jwt:system:serviceaccount:shop:orders", "system:serviceaccount:x"] {
            assert!(caller(wrong).is_err() && !is_caller(wrong) && token_caller(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_client_is_a_spiffe_id_or_a_dns_name() {
        for (text, read) in [
            ("spiffe://acme.io", "spiffe://acme.io"),
            ("spiffe://acme.io/ns/Prod/sa/a_b.c", "spiffe://acme.io/ns/Prod/sa/a_b.c"),
            ("Orders.acme.io", "orders.acme.io"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(client(text).as_deref(), Ok(read));
        }
        for wrong in [
            "",
            "spiffe://",
            "spiffe://Acme.io/a",
            "spiffe://acme.io/",
            "spiffe://acme.io/a//b",
            "spiffe://acme.io/a/../b",
            "spiffe://acme.io:1/a",
            "SPIFFE://acme.io/a",
            "spiffe://acme.io/a%2fb",
            "spiffe://acme.io/a?b",
            "spiffe://acme.io/a#b",
            "spiffe://me@acme.io/a",
            "spiffe:///a",
            "spiffe:acme.io/a",
            "spiffe://acme.io/ä",
            &format!("spiffe://{}/a", "a".repeat(256)),
            &format!("spiffe://acme.io/{}", "a".repeat(2048)),
            "https://acme.io",
            "*.acme.io",
            "acme.io.",
            "10.0.0.1",
            "::1",
            "a b",
            &format!("{}.io", "a".repeat(64)),
        ] {
            assert!(client(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_metadata_key_is_in_lower_case_and_nobody_elses() {
        for good in ["x-user-email", "x.y_z", "grpcx"] {
            assert!(metadata_key(good).is_ok(), "{good}");
        }
        let wrong = ["", "X-User", "x user", ":path", "x-user-bin", "grpc-timeout"];
        for wrong in wrong.into_iter().chain(RESERVED_KEYS) {
            assert!(metadata_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hash_has_64_hex_digits_of_either_case() {
        let hash_of = |text: &str| hash(text).map(|hash| hash.0);
        assert_eq!(hash_of(&"0aF0".repeat(16)), Some(std::array::from_fn(|at| if at % 2 == 0 { 0x0a } else { 0xf0 })));
        for wrong in ["", "ab", &"a".repeat(63), &"g".repeat(64), &"+f".repeat(32), &"ö".repeat(32)] {
            assert_eq!(hash_of(wrong), None, "{wrong}");
        }
    }
}
