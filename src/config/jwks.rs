//! Sets of keys (JWKS, RFC 7517): those that JWTs are verified by, or why there are none. What is of another kind or for
//! another use is passed over. Not what is done with them.

use std::{fs, io::Read as _, path::Path};

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::read::Problem;

/// The largest set, in bytes: hundreds of keys.
pub const LARGEST: usize = 1 << 20;

/// A key, and the one algorithm that it is for.
pub struct Key {
    /// What tokens call it (`kid`).
    pub id: Option<String>,
    /// RS256, ES256 or `EdDSA`.
    pub algorithm: Algorithm,
    /// What verifies.
    pub key: DecodingKey,
}

/// The keys in a file, one at least.
///
/// # Errors
/// When the file cannot be read, or as [`keys`] says.
pub fn keys_from(path: &Path) -> Result<Vec<Key>, Problem> {
    let mut json = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut json))
        .map_err(|error| format!("it cannot be read: {error}"))?;
    keys(&json)
}

/// The keys in a set, one at least.
///
/// # Errors
/// When it is too large, is no set, or holds no key that verifies. Nothing of it is repeated.
pub fn keys(json: &[u8]) -> Result<Vec<Key>, Problem> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    if json.len() > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    let set: Set = serde_json::from_slice(json).map_err(|_| "it is no JSON with a list of keys".to_owned())?;
    let count = set.keys.len();
    let keys: Vec<_> = set.keys.into_iter().filter_map(|key| Key::of(&serde_json::from_value(key).ok()?)).collect();
    if keys.is_empty() {
        return Err(format!("of its {count} keys none is for RS256, ES256 or EdDSA"));
    }
    Ok(keys)
}

impl Key {
    /// None for a key that is not taken.
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            _ => return None,
        };
        let is_for_it = common.key_algorithm.is_none_or(|algorithm| algorithm == named);
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let key = usable(DecodingKey::from_jwk(jwk).ok()?)?;
        (is_for_it && is_for_signatures && verifies).then(|| Self { id: common.key_id.clone(), algorithm, key })
    }
}

/// A key of a size that can verify: RSA of 2048 to 8192 bits, a point on P-256 or an Ed25519 key.
fn usable(key: DecodingKey) -> Option<DecodingKey> {
    match key.kind() {
        // Some write a number with a zero before it, so that it does not look negative.
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let zeros = n.iter().take_while(|byte| **byte == 0).count();
            (256..=1024).contains(&(n.len() - zeros)).then(|| DecodingKey::from_rsa_raw_components(&n[zeros..], e))
        }
        DecodingKeyKind::SecretOrDer(bytes) => matches!(bytes.len(), 65 | 32).then_some(key),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn of(key: &Value) -> Option<(Option<String>, Algorithm)> {
        let set = json!({ "keys": [key] }).to_string();
        keys(set.as_bytes()).ok()?.pop().map(|key| (key.id, key.algorithm))
    }

    fn number(bytes: usize) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(vec![0xa5; bytes])
    }

    #[test]
    fn a_key_is_for_one_algorithm_by_its_type() {
        let rsa = json!({"kty": "RSA", "kid": "a", "n": number(256), "e": "AQAB", "use": "sig", "alg": "RS256", "x5c": ["MII"]});
        let ec = json!({"kty": "EC", "crv": "P-256", "x": number(32), "y": number(32), "key_ops": ["verify"]});
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": number(32), "kid": null});
        assert_eq!(of(&rsa), Some((Some("a".to_owned()), Algorithm::RS256)));
        assert_eq!(of(&ec), Some((None, Algorithm::ES256)));
        assert_eq!(of(&ed), Some((None, Algorithm::EdDSA)));
        let zero = BASE64_URL_SAFE_NO_PAD.encode([&[0][..], &[0xa5; 256]].concat());
        assert!(of(&json!({"kty": "RSA", "n": zero, "e": "AQAB"})).is_some());
    }

    #[test]
    fn what_is_of_another_kind_or_for_another_use_is_passed_over() {
        let rsa = |name: &str, value: Value| {
            let mut key = json!({"kty": "RSA", "n": number(256), "e": "AQAB"});
            key[name] = value;
            key
        };
        let good = rsa("kid", json!("good"));
        let others = [
            rsa("use", json!("enc")),
            rsa("alg", json!("PS256")),
            rsa("alg", json!("HS256")),
            rsa("alg", json!("X-NEW")),
            rsa("key_ops", json!(["sign"])),
            rsa("n", json!(number(128))),
            rsa("n", json!(number(1025))),
            rsa("n", json!("!")),
            rsa("n", json!(7)),
            rsa("kid", json!(7)),
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
            json!({"kty": "EC", "crv": "P-384", "x": number(48), "y": number(48)}),
            json!({"kty": "EC", "crv": "secp256k1", "x": number(32), "y": number(32)}),
            json!({"kty": "EC", "crv": "P-256", "x": number(31), "y": number(32)}),
            json!({"kty": "OKP", "crv": "X25519", "x": number(32)}),
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
            json!({}),
            json!("text"),
            json!(null),
        ];
        for other in others {
            assert_eq!(of(&other), None, "{other}");
            let both = json!({ "keys": [other, good] }).to_string();
            assert_eq!(keys(both.as_bytes()).map(|keys| keys.len()), Ok(1), "{other}");
        }
    }

    #[test]
    fn what_is_no_set_is_told_without_a_word_of_it() {
        let large = format!("{{\"keys\": [\"{}\"]}}", "a".repeat(LARGEST));
        for wrong in ["", "<html>secret</html>", "{}", "[]", "{\"keys\": {}}", "{\"keys\": []}", "null", &large] {
            let problem = keys(wrong.as_bytes()).map(|keys| keys.len()).expect_err("no set");
            assert!(problem.len() < 80 && !problem.contains("secret"), "{problem}");
        }
    }
}
