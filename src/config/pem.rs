//! Certificates and keys in PEM files: what they hold, or which part cannot be used and why. The problems repeat no line
//! of a file, which may be a key's. Not what they are used for.

use std::{fs, io::ErrorKind, path::Path};

use memchr::{memchr_iter, memmem};
use rustls::{
    RootCertStore,
    crypto::ring::sign::any_supported_type,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error, PemObject as _},
    },
};

use super::read::Problem;

/// What the TLS library can sign with.
const KEYS: &str = "RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519, without a password";

/// The certificates in a file, one at least.
///
/// # Errors
/// When the file cannot be read or one of them cannot, which is told by its number and line.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = content(path)?;
    let sections = sections(&pem);
    if sections.is_empty() {
        return Err(format!("{}there is no certificate in PEM in it", instead(&pem, "CERTIFICATE")));
    }
    let read = |(at, section): (usize, &Section<'_>)| {
        if !section.text.starts_with(BEGIN.as_bytes()) {
            return Err(section.problem(
                at,
                sections.len(),
                "it is in a form of openssl's own; `openssl x509` makes the usual one",
            ));
        }
        let certificate = CertificateDer::from_pem_slice(section.text);
        certificate.map_err(|error| section.problem(at, sections.len(), reason(&error)))
    };
    sections.iter().enumerate().map(read).collect()
}

/// The certificate authorities in a file, one at least.
///
/// # Errors
/// As [`certificates`] says.
pub fn authorities(path: &Path) -> Result<RootCertStore, Problem> {
    let certificates = certificates(path)?;
    let (pem, count) = (content(path)?, certificates.len());
    let mut roots = RootCertStore::empty();
    for (at, (certificate, section)) in certificates.into_iter().zip(sections(&pem)).enumerate() {
        roots.add(certificate).map_err(|error| section.problem(at, count, &error.to_string()))?;
    }
    Ok(roots)
}

/// The private key in a file.
///
/// # Errors
/// When there is none that can be signed with.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let pem = content(path)?;
    let key = PrivateKeyDer::from_pem_slice(&pem);
    // The one way says it in the section's name, the other in its first line.
    if ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"].iter().any(|mark| has(&pem, mark)) {
        return Err(format!("the private key is encrypted; usable are {KEYS}"));
    }
    let instead = instead(&pem, "PRIVATE KEY");
    let key = key.map_err(|_| format!("{instead}there is no readable private key in PEM in it; usable are {KEYS}"))?;
    any_supported_type(&key)
        .map_err(|_| format!("the private key is of a kind that is not usable, such as P-521; usable are {KEYS}"))?;
    Ok(key)
}

/// A certificate's part of a file.
struct Section<'a> {
    /// Counted from 1.
    line: usize,
    text: &'a [u8],
}

impl Section<'_> {
    fn problem(&self, at: usize, count: usize, why: &str) -> Problem {
        format!("certificate {} of {count}, at line {}: {why}", at + 1, self.line)
    }
}

/// How a certificate begins, and how openssl's own forms do, which would be passed over.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const OWN: [&str; 2] = ["-----BEGIN TRUSTED CERTIFICATE-----", "-----BEGIN X509 CERTIFICATE-----"];

/// Where each certificate stands: from where it begins to where the next does. Not by lines: a byte order mark may stand
/// before the first, and no line break between two files that were put together.
fn sections(pem: &[u8]) -> Vec<Section<'_>> {
    let is_one = |at: &usize| [BEGIN].iter().chain(&OWN).any(|begin| pem[*at..].starts_with(begin.as_bytes()));
    let begins: Vec<_> = memmem::find_iter(pem, "-----BEGIN ").filter(is_one).collect();
    let ends = begins.iter().skip(1).copied().chain([pem.len()]);
    let section = |(begin, end): (&usize, usize)| {
        let line = 1 + memchr_iter(b'\n', &pem[..*begin]).count();
        Section { line, text: &pem[*begin..end] }
    };
    begins.iter().zip(ends).map(section).collect()
}

/// What a file holds in place of what was asked for, as far as that can be told: most are another file's name.
fn instead(content: &[u8], wanted: &str) -> &'static str {
    let others = [
        ("-----BEGIN CERTIFICATE REQUEST-----", "it is a request for a certificate, which an authority has to sign: "),
        ("PRIVATE KEY-----", "it is a private key; the certificate is in another file: "),
        ("-----BEGIN CERTIFICATE-----", "it is a certificate; the private key is in another file: "),
        ("PUBLIC KEY-----", "it is a public key: "),
    ];
    let other = others.iter().find(|(mark, _)| !mark.contains(&format!("{wanted}-")) && has(content, mark));
    match (content, other) {
        ([], _) => "the file is empty: ",
        (_, Some((_, what))) => what,
        // A sequence, as all of them are.
        ([0x30, 0x80..=0xff, ..], None) => "it is in DER, which openssl makes PEM of (-inform der): ",
        _ => "",
    }
}

fn has(content: &[u8], mark: &str) -> bool {
    memmem::find(content, mark.as_bytes()).is_some()
}

/// The library's own words would repeat the line.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "it has no end",
        Error::Base64Decode(_) => "it is not base64",
        _ => "it is no PEM",
    }
}

fn content(path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => "it is a folder; a file is needed".to_owned(),
        _ => format!("the file cannot be read: {error}"),
    })
}
