//! Who is at the other end of a connection, by the certificate that rustls has verified: its names, and its end. Not who
//! may call: that is `auth`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{ServerConnection, pki_types::CertificateDer};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{ASN1Time, FromDer as _},
};

use crate::config::{self, DNS, SPIFFE};

/// The caller at the other end.
#[derive(Default)]
pub struct Peer {
    certificate: Option<Certificate>,
}

/// What counts of a certificate; of one that cannot be read, nothing.
#[derive(Default)]
struct Certificate {
    names: Vec<Arc<str>>,
    /// None: it is over.
    end: Option<SystemTime>,
}

/// What the tag of a URI is among the names of a certificate (RFC 5280).
const URI: u32 = 6;

impl Peer {
    /// The caller behind a connection.
    pub fn of(connection: &ServerConnection) -> Self {
        let shown = connection.peer_certificates().and_then(|chain| chain.first());
        Self { certificate: shown.map(|certificate| Certificate::read(certificate).unwrap_or_default()) }
    }

    /// The SPIFFE id, then the DNS names with `dns:` before them; None where the caller showed no certificate.
    pub fn names(&self) -> Option<&[Arc<str>]> {
        self.certificate.as_ref().map(|certificate| &*certificate.names)
    }

    /// How long its certificate is good from now on; None where it showed none.
    pub fn time_left(&self) -> Option<Duration> {
        let end = self.certificate.as_ref()?.end.unwrap_or(SystemTime::UNIX_EPOCH);
        Some(end.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

impl Certificate {
    fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Self { names: names(&certificate).unwrap_or_default(), end: time(certificate.validity().not_after) })
    }
}

fn time(time: ASN1Time) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.timestamp().try_into().ok()?))
}

/// The names, by SPIFFE's rules: who shows a SPIFFE id, even a malformed one, shows exactly one URI, which it is. Of DNS
/// names those count that can be one caller's; a certificate may have others, as a server.
fn names(certificate: &X509Certificate<'_>) -> Option<Vec<Arc<str>>> {
    let (mut uris, mut hosts) = (Vec::new(), Vec::new());
    for name in &certificate.subject_alternative_name().ok()??.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(tag, _) if tag.0 == URI => return None,
            GeneralName::DNSName(host) => {
                hosts.extend(config::dns_name(host).map(|host| format!("{DNS}{host}").into()));
            }
            _ => {}
        }
    }
    let is_spiffe = |uri: &&str| uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"));
    if uris.iter().any(is_spiffe) {
        let [id] = uris[..] else { return None };
        if is_signing(certificate)? {
            return None;
        }
        // The id of a trust domain itself is an authority's, and no caller's.
        let id = config::spiffe_id(id).filter(|id| id[SPIFFE.len()..].contains('/'))?;
        hosts.insert(0, id.into());
    }
    Some(hosts)
}

/// Whether a certificate may vouch for others; None where that cannot be read.
fn is_signing(certificate: &X509Certificate<'_>) -> Option<bool> {
    let usage = certificate.key_usage().ok()?;
    Some(usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()))
}
