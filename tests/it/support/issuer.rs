//! An issuer of JWTs with keys of its own: tokens of any shape, well signed, and the set of keys that verifies them.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use xpander_grpc_proxy::config::Settings;

pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
pub const AUDIENCE: &str = "xpander-grpc-proxy";
pub const ORDERS: &str = "system:serviceaccount:shop:orders";

/// One of its keys.
pub struct Key {
    pub id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    /// Made from a file: ring makes none.
    pub fn rsa(id: &'static str) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_file("tests/fixtures/keys/jwt-rsa.key").expect("a fixture");
        Self { id, pair: Pair::Rsa(RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("a key")) }
    }

    pub fn ec(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random);
        Self { id, pair: Pair::Ec(pair.expect("a key")) }
    }

    pub fn ed(id: &'static str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { id, pair: Pair::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key")) }
    }

    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// What verifies, as a set has it.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(key) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = key.public().into();
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": encoded(n), "e": encoded(e) })
            }
            Pair::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "x": encoded(x), "y": encoded(y) })
            }
            Pair::Ed(key) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": encoded(key.public_key()) }),
        }
    }

    /// The head of its tokens.
    pub fn head(&self) -> Value {
        json!({ "alg": self.algorithm(), "kid": self.id })
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.head(), claims)
    }

    /// A token with this head, whatever it says.
    pub fn sign(&self, head: &Value, claims: &Value) -> String {
        self.sign_parts(&encoded(head.to_string()), &encoded(claims.to_string()))
    }

    /// A token of these parts, which may be no JSON.
    pub fn sign_parts(&self, head: &str, payload: &str) -> String {
        let message = format!("{head}.{payload}");
        let (bytes, random) = (message.as_bytes(), SystemRandom::new());
        let signature = match &self.pair {
            Pair::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).expect("signed");
                signature
            }
            Pair::Ec(key) => key.sign(&random, bytes).expect("signed").as_ref().to_vec(),
            Pair::Ed(key) => key.sign(bytes).as_ref().to_vec(),
        };
        format!("{message}.{}", encoded(signature))
    }
}

/// A token whose signature is by a secret: by what everybody knows, where that is a public key.
pub fn by_secret(head: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", encoded(tag))
}

/// A set of keys.
pub fn set(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// What Kubernetes says of a pod of this service account, as it was recorded there, good for an hour.
pub fn claims(subject: &str) -> Value {
    let name = subject.rsplit(':').next();
    json!({
        "aud": [AUDIENCE], "exp": from_now(3600), "iat": from_now(0), "nbf": from_now(0), "iss": ISSUER, "sub": subject,
        "jti": "0a9d2f4e-8f55-4a6b-9b35-6c8a1d7b6c11",
        "kubernetes.io": {
            "namespace": "shop",
            "node": { "name": "worker-1", "uid": "9f4c1b8e-5a39-4f0e-8a40-0b7f9d9a51d2" },
            "pod": { "name": "orders-7d4b9c", "uid": "5e0f6d43-33a7-4f8e-9d1a-6d3f6b0f2f4c" },
            "serviceaccount": { "name": name, "uid": "c0a8e3f1-7c52-4f3e-a9b0-2f6f0b8f1a77" },
        },
    })
}

/// The same with one more claim, or another one; null takes it out.
pub fn with(claim: &str, value: Value) -> Value {
    let mut claims = claims(ORDERS);
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(claim)),
        value => claims[claim] = value,
    }
    claims
}

/// So many seconds from now, in seconds since 1970.
pub fn from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("a time") + seconds
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Has the issuer's tokens taken, whose keys are in this file.
pub fn take(settings: &mut Settings, jwks_file: &Path) {
    expect(settings);
    settings.auth.jwt.jwks_file = Some(jwks_file.to_owned());
}

/// The same, with keys that are fetched from here.
pub fn take_from(settings: &mut Settings, jwks_url: &str) {
    expect(settings);
    settings.auth.jwt.jwks_url = Some(jwks_url.to_owned());
}

fn expect(settings: &mut Settings) {
    let jwt = &mut settings.auth.jwt;
    (jwt.issuer, jwt.audience) = (Some(ISSUER.to_owned()), Some(AUDIENCE.to_owned()));
    jwt.leeway = Duration::from_secs(30);
}

/// The same as variables, but for where the keys are.
pub const VARIABLES: [(&str, &str); 2] =
    [("XPANDER_PROXY_AUTH__JWT__ISSUER", ISSUER), ("XPANDER_PROXY_AUTH__JWT__AUDIENCE", AUDIENCE)];

/// What Kubernetes does with a mounted `ConfigMap`: a new folder, and a link that is turned.
pub fn mount(folder: &Path, version: &str, name: &str, content: &str) {
    fs::create_dir(folder.join(version)).expect("a new folder");
    fs::write(folder.join(version).join(name), content).expect("written");
    std::os::unix::fs::symlink(version, folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
}
