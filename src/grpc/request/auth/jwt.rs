//! Callers who show a JWT, such as the token that Kubernetes gives every pod: whether it is good, and whom it names. Nothing
//! of a token is told. Not where its keys come from.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{
    Algorithm, Header, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
};
use memchr::memchr_iter;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    keys::{Coming, Keys, Verified},
    provider,
};
use crate::{
    calls::Kind,
    config::{self, Key, jwt_caller},
};

/// The longest token, in bytes: nothing of a longer one is looked at. Those of Kubernetes have one thousand, those of
/// issuers that put a person's groups into them several.
const LONGEST: usize = 8 << 10;
/// What `typ` may say, in lower case: an access token, or nothing in particular. Issuers sign other things, too.
const TYPES: [&str; 4] = ["jwt", "at+jwt", "application/at+jwt", "jose"];
/// How many keys are tried for a token that does not say which it is by.
const MOST_TRIED: usize = 8;

const UNKNOWN_KEY: &str = "the token's key is not known";
const UNREADABLE: &str = "the token is no JWT that can be read";
const IMMATURE: &str = "the token is not valid yet";
const EXPIRED: &str = "the token has expired";
const FORGED: &str = "the token's signature is wrong";

/// Whom JWTs are taken from, and for whom they are.
pub struct Jwt {
    /// What they are verified by.
    pub keys: Keys,
    issuer: String,
    claim: String,
    leeway: u64,
    validation: Validation,
}

/// Why a caller is not let in.
pub enum Refused {
    /// For good.
    For(Kind),
    /// Unless the key is among those that are on their way.
    Until(Coming),
}

impl From<Kind> for Refused {
    fn from(kind: Kind) -> Self {
        Self::For(kind)
    }
}

impl From<Refused> for Kind {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::For(kind) => kind,
            Refused::Until(_) => Self::Unauthenticated(UNKNOWN_KEY),
        }
    }
}

/// Whether a bearer token has the shape of a JWT: three parts with dots in between.
pub fn is_one(token: &[u8]) -> bool {
    memchr_iter(b'.', token).count() == 2
}

impl Jwt {
    /// As the settings have it; None where no JWT is taken.
    pub fn new(settings: &config::Jwt) -> Option<Self> {
        let (issuer, audience) = (settings.issuer.clone()?, settings.audience.as_ref()?);
        provider::install();
        let (claim, leeway) = (settings.claim.clone(), settings.leeway.as_secs());
        let mut validation = Validation { leeway, validate_nbf: true, ..Validation::default() };
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_audience(&[audience]);
        Some(Self { keys: Keys::new(), issuer, claim, leeway, validation })
    }

    /// The name of the caller who shows this token.
    ///
    /// # Errors
    /// When the token is not good, or names nobody.
    pub fn name(&self, token: &[u8]) -> Result<Arc<str>, Refused> {
        if token.len() > LONGEST {
            return Err(refused("the token is longer than 8 KiB"));
        }
        let (set, hash) = (self.keys.load(), Sha256::digest(token).into());
        if let Some(verified) = set.verified.get(&hash) {
            return if now() <= verified.until { Ok(verified.name) } else { Err(refused(EXPIRED)) };
        }
        let header = header(token)?;
        let is_known = header.kid.is_some() && set.keys.iter().any(|key| key.id == header.kid);
        let may_be = |key: &&Key| {
            let is_named = match &header.kid {
                Some(_) if is_known => key.id == header.kid,
                Some(_) => key.id.is_none(),
                None => true,
            };
            is_named && key.algorithm == header.alg
        };
        for key in set.keys.iter().filter(may_be).take(MOST_TRIED) {
            match self.verify(token, key) {
                Ok(verified) => {
                    set.verified.insert(hash, verified.clone());
                    return Ok(verified.name);
                }
                Err(FORGED) => {}
                Err(why) => return Err(refused(why)),
            }
        }
        // What does not say which key it is by, may be by one that is not there yet.
        if is_known {
            return Err(refused(FORGED));
        }
        Err(self.keys.coming().map_or_else(|| refused(UNKNOWN_KEY), Refused::Until))
    }

    fn verify(&self, token: &[u8], key: &Key) -> Result<Verified, &'static str> {
        let validation = Validation { algorithms: vec![key.algorithm], ..self.validation.clone() };
        let claims = decode::<Map<String, Value>>(token, &key.key, &validation).map_err(|error| words(&error))?.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err("the token is of another issuer");
        }
        match claims.get("iat").map(seconds) {
            Some(None) => return Err(UNREADABLE),
            Some(Some(issued)) if issued > now().saturating_add(self.leeway) => return Err(IMMATURE),
            _ => {}
        }
        let name = claims.get(&self.claim).and_then(Value::as_str).and_then(jwt_caller);
        let name = name.ok_or("the token names no caller, by the claim that is to name it (auth.jwt.claim)")?.into();
        let end = claims.get("exp").and_then(seconds).ok_or(UNREADABLE)?;
        Ok(Verified { name, until: end.saturating_add(self.leeway) })
    }
}

/// The head of a token that may be good. No key is taken from it, nor from where it says that one is.
fn header(token: &[u8]) -> Result<Header, Refused> {
    let header = decode_header(token).map_err(|error| refused(words(&error)))?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
        return Err(refused("the token's algorithm is none of RS256, ES256 and EdDSA"));
    }
    // A payload that is not encoded (b64) has to be among what is critical; who forgets that means it all the same.
    if header.crit.is_some() || header.extras.inner().contains_key("b64") {
        return Err(refused("the token asks for what is not known here (crit, b64)"));
    }
    let is_fit = |kind: &String| TYPES.iter().any(|fit| kind.eq_ignore_ascii_case(fit));
    if !header.typ.as_ref().is_none_or(is_fit) {
        return Err(refused("the token's type (typ) is none of an access token"));
    }
    Ok(header)
}

/// What is wrong, without the library's own words, which repeat what stands there.
fn words(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => FORGED,
        ErrorKind::ExpiredSignature => EXPIRED,
        ErrorKind::ImmatureSignature => IMMATURE,
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token has no issuer, no audience or no end (iss, aud, exp)",
        _ => UNREADABLE,
    }
}

fn refused(why: &'static str) -> Refused {
    Refused::For(Kind::Unauthenticated(why))
}

/// A time, which may have a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is out of range becomes the nearest")]
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds.round() as u64))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
