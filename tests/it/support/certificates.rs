//! Authorities made here, what they vouch for as PEM files, and a caller that shows it.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
};
use tonic::transport::{Channel, Endpoint};
use xpander_grpc_proxy::proto::agent_service_client::AgentServiceClient;

use super::proxy::Client;

/// An authority; its files go with it.
pub struct Authority {
    pub ca_file: PathBuf,
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, in files and by itself.
pub struct Identity {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let mut params = called("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let ca_file = folder.join("ca.pem");
        fs::write(&ca_file, issuer.pem()).expect("written");
        Self { ca_file, folder, issuer }
    }

    /// Vouches for a SPIFFE id or a DNS name.
    pub fn vouch_for(&self, name: &str) -> Identity {
        let mut params = called("member");
        let name_in_it = name.try_into().expect("ASCII");
        params.subject_alt_names =
            vec![if name.contains("://") { SanType::URI(name_in_it) } else { SanType::DnsName(name_in_it) }];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let stem = name.replace(['/', ':'], "_");
        let (cert_file, key_file) = (self.folder.join(format!("{stem}.pem")), self.folder.join(format!("{stem}.key")));
        fs::write(&cert_file, certificate.pem()).expect("written");
        fs::write(&key_file, key.serialize_pem()).expect("written");
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Identity { cert_file, key_file, chain: vec![certificate.der().clone()], key: private }
    }

    /// A caller of the server at `address`, which this authority vouches for by `name`; it shows `identity`.
    pub fn client(&self, address: SocketAddr, name: &str, identity: Option<&Identity>) -> Client {
        AgentServiceClient::new(self.channel(address, name, identity))
    }

    fn channel(&self, address: SocketAddr, name: &str, identity: Option<&Identity>) -> Channel {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match identity {
            Some(Identity { chain, key, .. }) => {
                config.with_client_auth_cert(chain.clone(), key.clone_key()).expect("a good certificate")
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (tls, name) = (TlsConnector::from(Arc::new(config)), name.to_owned());
        // The connection is made here, not by tonic, which would want its own TLS.
        Endpoint::from_static("http://replica").connect_with_connector_lazy(tower::service_fn(move |_: http::Uri| {
            let (tls, name) = (tls.clone(), ServerName::try_from(name.clone()).expect("a name"));
            async move {
                let socket = TcpStream::connect(address).await?;
                Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, socket).await?))
            }
        }))
    }
}

/// Under a name of its own: one that is called as its authority would count as signed by itself.
fn called(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
