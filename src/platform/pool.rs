//! The connections to the platform: one pool for each key, so that no connection ever serves two. Not the requests over
//! them: that is `transport`.

use std::{fs, io, path::PathBuf, sync::Arc};

use reqwest::redirect;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::lanes::Lanes;
use crate::config::{self, Http2};

/// What every pool is made from.
pub struct Pools {
    /// Made once: reading the system's authorities takes milliseconds, and a caller of a new key makes a new pool.
    tls: ClientConfig,
    settings: config::Platform,
}

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file of certificate authorities cannot be read.
    #[error("platform.ca_file {0}: {1}")]
    CaFile(PathBuf, io::Error),
    /// The file of certificate authorities holds no certificate, or one that is none.
    #[error("platform.ca_file {0}: it holds no readable certificate authority")]
    CaContent(PathBuf),
    /// The TLS library refuses its settings, or the system has no certificate authorities.
    #[error("TLS to the platform: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client refuses its settings.
    #[error("the platform's HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

impl Pools {
    /// Reads the authorities to trust.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(settings: &config::Platform) -> Result<Self, BuildError> {
        // The process's one, where libraries look for it; a second client finds it there already.
        let _ = ring::default_provider().install_default();
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = match &settings.ca_file {
            Some(path) => tls.with_root_certificates(authorities(path)?),
            None => tls.with_platform_verifier()?,
        };
        let mut tls = tls.with_no_client_auth();
        tls.alpn_protocols = match settings.http2 {
            Http2::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Http2::PriorKnowledge => vec![b"h2".to_vec()],
            Http2::Off => vec![b"http/1.1".to_vec()],
        };
        Ok(Self { tls, settings: settings.clone() })
    }

    /// A new pool; it connects when it is used.
    ///
    /// # Errors
    /// When the HTTP client refuses the settings.
    pub fn open(&self) -> Result<Lanes, BuildError> {
        let mut tls = self.tls.clone();
        // A session of its own too: nothing that one key's connections leave behind serves another's.
        tls.resumption = rustls::client::Resumption::default();
        let settings = self.settings.clone();
        Ok(Lanes::new(self.shared(), move || client(&settings, tls.clone()))?)
    }

    /// How many requests share a connection; zero where HTTP/2 is not spoken.
    fn shared(&self) -> usize {
        match self.settings.http2 {
            Http2::Off => 0,
            // Only TLS offers it.
            Http2::Auto if self.settings.base_url.starts_with("http://") => 0,
            Http2::Auto | Http2::PriorKnowledge => usize::try_from(self.settings.http2_streams).unwrap_or(usize::MAX),
        }
    }
}

fn client(settings: &config::Platform, tls: ClientConfig) -> reqwest::Result<reqwest::Client> {
    let http = reqwest::Client::builder()
        .user_agent(concat!("xpander-grpc-proxy/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.pool_idle_timeout)
        .tcp_nodelay(true)
        .tls_backend_preconfigured(tls);
    let http = match settings.http2 {
        Http2::Auto => http,
        Http2::PriorKnowledge => http.http2_prior_knowledge(),
        Http2::Off => http.http1_only(),
    };
    http.build()
}

fn authorities(path: &PathBuf) -> Result<RootCertStore, BuildError> {
    let pem = fs::read(path).map_err(|error| BuildError::CaFile(path.clone(), error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| BuildError::CaContent(path.clone()))?;
    }
    if roots.is_empty() { Err(BuildError::CaContent(path.clone())) } else { Ok(roots) }
}
