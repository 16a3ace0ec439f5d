//! Whom to trust behind a TLS connection that is made here: the system's authorities, or those of a file. Not what a
//! server of ours trusts.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::config::pem;

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Whom the system trusts.
    System,
    /// The authorities in this PEM file, and servers whose very certificate is in it.
    File(PathBuf),
    /// Nobody: no connection is made over TLS.
    Nobody,
}

/// Nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be used.
    #[error("{0}: {1}")]
    File(PathBuf, String),
    /// The TLS library refuses its settings, or the system has no authorities.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// No verifier can be made of the authorities.
    #[error("TLS: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

impl Trust {
    /// A client's settings of TLS, but for the certificate that it shows.
    ///
    /// # Errors
    /// When there is nobody to trust though somebody has to be.
    pub fn client(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TrustError> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let tls = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        Ok(match self {
            Self::System => tls.with_platform_verifier()?,
            Self::Nobody => tls.with_root_certificates(RootCertStore::empty()),
            Self::File(path) => {
                let verifier = Pinned::new(path, provider)?;
                tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        })
    }
}

/// Trusts the authorities of a file as usual, and a server that shows one of the file's own certificates although it is
/// an authority's, or has its name as its subject alone: so `openssl req -x509` makes them, and other libraries take them.
struct Pinned {
    usual: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Pinned {
    fn new(path: &Path, provider: Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let wrong = |why| TrustError::File(path.to_owned(), why);
        let (roots, certificates) = (pem::authorities(path).map_err(wrong)?, pem::certificates(path).map_err(wrong)?);
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { usual, certificates })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // Its dates were good: they are looked at before this.
            Err(error) if is_by_itself(&error) && self.certificates.iter().any(|known| known == end_entity) => {
                match verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name) {
                    Err(_) if is_subject(end_entity, server_name) => {}
                    named => named?,
                }
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Whether the certificate was refused for being an authority's, or for its name.
fn is_by_itself(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(why)) => {
            matches!(why.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        Error::InvalidCertificate(why) => {
            matches!(why, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
        }
        _ => false,
    }
}

/// Whether a certificate that has no names is the server's by its subject, as openssl makes them that is told no more.
fn is_subject(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let mut subject = certificate.subject().iter_common_name().map(|subject| subject.as_str().unwrap_or_default());
    let is_nameless = matches!(certificate.subject_alternative_name(), Ok(None));
    is_nameless && subject.next().is_some_and(|subject| subject.eq_ignore_ascii_case(&name.to_str()))
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({} certificates)", self.certificates.len())
    }
}
