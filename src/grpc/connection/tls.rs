//! TLS on the gRPC port, by rustls: the certificate, the authorities that callers' certificates come from, and both again
//! when their files change. Not who is at the other end: that is `peer`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio_rustls::TlsAcceptor;

use crate::config::{self, pem};

/// The gRPC port's TLS.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    /// Whether a caller without a certificate may shake hands: for what is open, or for a bearer token.
    certificate_is_optional: bool,
    config: ArcSwap<ServerConfig>,
}

/// Files that TLS cannot be made from.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or does not hold what it should.
    #[error("{setting} {path}: {problem}")]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate and a key that do not fit, or that the library refuses.
    #[error("server.tls_cert_file {certificate} and server.tls_key_file {key}: {error}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// The library refuses its settings.
    #[error("TLS on the gRPC port: {0}")]
    Settings(#[from] rustls::Error),
    /// No verifier can be made from the authorities.
    #[error("server.tls_client_ca_file: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

const CERTIFICATE: &str = "server.tls_cert_file";
const KEY: &str = "server.tls_key_file";
const CLIENT_CA: &str = "server.tls_client_ca_file";

impl Tls {
    /// TLS as the settings have it; none where they name no certificate.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn new(server: &config::Server, auth: &config::Auth) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (server.tls_cert_file.clone(), server.tls_key_file.clone()) else {
            return Ok(None);
        };
        let certificate_is_optional = auth.takes_tokens() || auth.open_health || auth.open_reflection;
        let client_ca = server.tls_client_ca_file.clone();
        let config = ArcSwap::from(load(&certificate, &key, client_ca.as_ref(), certificate_is_optional)?);
        Ok(Some(Self { certificate, key, client_ca, certificate_is_optional, config }))
    }

    /// Reads the files again, for connections from now on.
    ///
    /// # Errors
    /// When a file cannot be used; what was read before stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = load(&self.certificate, &self.key, self.client_ca.as_ref(), self.certificate_is_optional)?;
        self.config.store(config);
        Ok(())
    }

    /// What shakes hands with a new connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

fn load(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&PathBuf>,
    certificate_is_optional: bool,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = pem::certificates(certificate).map_err(wrong(CERTIFICATE, certificate))?;
    let key_der = pem::key(key).map_err(wrong(KEY, key))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = match client_ca {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(path) => {
            verifier(pem::authorities(path).map_err(wrong(CLIENT_CA, path))?, &provider, certificate_is_optional)?
        }
    };
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key_der);
    let mut config =
        config.map_err(|error| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), error })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    if client_ca.is_some() {
        // In a resumed session nobody looks at the certificate again: neither at its end nor at who vouches for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
    certificate_is_optional: bool,
) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if certificate_is_optional { verifier.allow_unauthenticated().build() } else { verifier.build() }
}

fn wrong(setting: &'static str, path: &Path) -> impl FnOnce(String) -> TlsError {
    move |problem| TlsError::File { setting, path: path.to_owned(), problem }
}
