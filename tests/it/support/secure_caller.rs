//! Certificates made here, and callers over TLS.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, SanType};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ALL_VERSIONS, ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};
use tonic::transport::{Channel, Endpoint};
use xpander_grpc_proxy::config::Settings;

use super::{folder::Folder, proxy::Client};

/// Issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// A certificate with its key, both as PEM.
#[derive(Clone)]
pub struct Identity {
    pub chain: String,
    pub key: String,
}

/// The proxy's certificate and its callers' authority, in files.
pub struct Files {
    pub folder: Folder,
    pub authority: Authority,
}

/// A caller over TLS.
#[derive(Clone)]
pub struct Secure {
    config: Arc<ClientConfig>,
    /// Whom it expects at the other end.
    expects: ServerName<'static>,
    connections: Arc<AtomicUsize>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these SPIFFE ids and DNS names.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(|params| {
            params.subject_alt_names = names
                .iter()
                .map(|name| match name.contains("://") {
                    true => SanType::URI((*name).try_into().expect("ASCII")),
                    false => SanType::DnsName((*name).try_into().expect("ASCII")),
                })
                .collect();
        })
    }

    /// A certificate for these names, each as its tag (2 for DNS, 6 for a URI) and its bytes, whatever they are.
    pub fn issue_as_it_is(&self, names: &[(u8, &[u8])]) -> Identity {
        let short = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).expect("short enough").to_be_bytes();
            let length = match length {
                [0, low @ ..0x80] => vec![low],
                [0, low] => vec![0x81, low],
                [high, low] => vec![0x82, high, low],
            };
            [&[tag], &length[..], content].concat()
        };
        let names: Vec<_> = names.iter().map(|(tag, name)| short(0x80 | tag, name)).collect();
        let names = CustomExtension::from_oid_content(&[2, 5, 29, 17], short(0x30, &names.concat()));
        self.issue_with(|params| params.custom_extensions = vec![names])
    }

    /// A certificate that says what it is made to say.
    pub fn issue_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // One that is called as its authority would count as signed by itself.
        params.distinguished_name.push(DnType::CommonName, "member");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// Its own certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate")
    }
}

impl Identity {
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("a certificate")
    }
}

impl Files {
    /// A certificate for `localhost`, in the settings too.
    pub fn new(settings: &mut Settings) -> Self {
        let files = Self { folder: Folder::new(), authority: Authority::new() };
        files.serve(settings);
        files
    }

    /// Puts a certificate for `localhost` into the settings, and asks for none.
    pub fn serve(&self, settings: &mut Settings) {
        let (cert, key) = self.put(&self.authority.issue(&["localhost"]));
        settings.server.tls_cert_file = Some(cert);
        settings.server.tls_key_file = Some(key);
    }

    /// The same, with callers' certificates from the same authority.
    pub fn mutual(settings: &mut Settings) -> Self {
        let files = Self::new(settings);
        settings.server.tls_client_ca_file = Some(files.folder.write("clients.pem", &files.authority.pem));
        files
    }

    /// Writes the proxy's certificate and key over what there was.
    pub fn put(&self, identity: &Identity) -> (PathBuf, PathBuf) {
        (self.folder.write("tls.crt", &identity.chain), self.folder.write("tls.key", &identity.key))
    }

    /// A caller with a certificate for these names.
    pub fn caller(&self, names: &[&str]) -> Secure {
        Secure::new(&self.authority, Some(&self.authority.issue(names)))
    }

    /// A caller without a certificate.
    pub fn nobody(&self) -> Secure {
        Secure::new(&self.authority, None)
    }
}

impl Secure {
    /// A caller that trusts this authority and shows this certificate.
    pub fn new(trusts: &Authority, shows: Option<&Identity>) -> Self {
        Self::speaking(&[b"h2"], trusts, shows)
    }

    /// The same, with these protocols offered by ALPN.
    pub fn speaking(protocols: &[&[u8]], trusts: &Authority, shows: Option<&Identity>) -> Self {
        Self::of(ALL_VERSIONS, protocols, trusts, shows)
    }

    /// The same, with these versions of TLS.
    pub fn of(
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
        trusts: &Authority,
        shows: Option<&Identity>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = CertificateDer::from_pem_slice(trusts.pem.as_bytes()).expect("a certificate");
        roots.add(pem).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match shows {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
                config.with_client_auth_cert(vec![identity.der()], key).expect("they fit")
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let expects = ServerName::try_from("localhost").expect("a name");
        Self { config: Arc::new(config), expects, connections: Arc::default() }
    }

    /// The same, of a server with this name.
    pub fn of_server(self, name: &str) -> Self {
        Self { expects: ServerName::try_from(name.to_owned()).expect("a name"), ..self }
    }

    /// Shakes hands, as far as the caller can tell.
    pub async fn connect(&self, grpc: &str) -> io::Result<TlsStream<TcpStream>> {
        self.connections.fetch_add(1, Relaxed);
        let socket = TcpStream::connect(grpc.trim_start_matches("http://")).await?;
        TlsConnector::from(Arc::clone(&self.config)).connect(self.expects.clone(), socket).await
    }

    /// Shakes hands and hears the proxy's first words of HTTP/2. In TLS 1.3 it is only then that a caller knows whether
    /// its certificate was taken.
    pub async fn is_heard(&self, grpc: &str) -> bool {
        self.handshake(grpc).await.is_some()
    }

    /// The same; how the handshake was made where it was.
    pub async fn handshake(&self, grpc: &str) -> Option<HandshakeKind> {
        const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let mut stream = self.connect(grpc).await.ok()?;
        // What cannot be written is not heard either.
        let _ = stream.write_all(HELLO).await;
        stream.read(&mut [0; 9]).await.ok().filter(|read| *read > 0)?;
        stream.get_ref().1.handshake_kind()
    }

    /// How many connections it has begun.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    pub fn channel(&self, grpc: &str) -> Channel {
        let (caller, grpc) = (self.clone(), grpc.to_owned());
        Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(move |_| {
            let (caller, grpc) = (caller.clone(), grpc.clone());
            async move { caller.connect(&grpc).await.map(TokioIo::new) }
        }))
    }

    pub fn client(&self, grpc: &str) -> Client {
        Client::new(self.channel(grpc))
    }
}
