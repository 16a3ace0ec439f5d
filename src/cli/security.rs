//! How a client command proves who it is, and whom it trusts: TLS, a client certificate, a bearer token. Not the server's
//! side of it: that is `grpc`.

use std::{
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use http::Uri;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Identity},
};

use super::failure::Failure;
use crate::config::{Secret, secret_from};

/// The variable with the bearer token. No flag holds one: it would show in the list of processes.
const TOKEN: &str = "XPANDER_GRPC_TOKEN";

/// TLS and credentials.
#[derive(clap::Args, Default)]
pub struct Security {
    /// For https: a PEM file with the authorities to trust instead of the system's
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// For https: a PEM file with the certificate to show (mTLS)
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_CERT_FILE", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// A PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_KEY_FILE", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
    /// For https: the name in the proxy's certificate, where it is not the URL's host
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// A file with the bearer token to show; without one, the variable `XPANDER_GRPC_TOKEN` may hold it
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

impl Security {
    /// TLS for an `https` server, none for another.
    ///
    /// # Errors
    /// When a file cannot be used, or would be of no use because the server is called in cleartext.
    pub fn tls(&self, server: &Uri) -> Result<Option<ClientTlsConfig>, Failure> {
        if server.scheme_str() != Some("https") {
            return match self.tls_flag() {
                Some(flag) => Err(usage(format!("{flag}: {server} is called without TLS; use https://"))),
                None => Ok(None),
            };
        }
        let mut tls = match &self.ca_file {
            Some(path) => ClientTlsConfig::new().ca_certificate(authorities(path)?),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) {
            tls = tls.identity(identity(certificate, key)?);
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        Ok(Some(tls))
    }

    /// What to write into `authorization`, if anything.
    ///
    /// # Errors
    /// When the token cannot be read, or others could read it on its way.
    pub fn authorization(&self, server: &Uri) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let (source, token) = match &self.token_file {
            // Without the path, for which a token may have been given by mistake.
            Some(path) => ("--token-file", secret_from(path).map_err(|why| usage(format!("--token-file: {why}")))?),
            None => match env::var(TOKEN) {
                Ok(token) if !token.is_empty() => (TOKEN, Secret::new(token)),
                _ => return Ok(None),
            },
        };
        if server.scheme_str() != Some("https") && !is_loopback(server) {
            return Err(usage(format!(
                "{source}: a token is not sent to {server}, where others could read it; use https://"
            )));
        }
        let mut value = MetadataValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| usage(format!("{source}: the token (not shown) is not printable ASCII")))?;
        // Kept out of compression tables, and of every Debug.
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// A flag that means nothing without TLS.
    fn tls_flag(&self) -> Option<&'static str> {
        let flags = [
            (self.ca_file.is_some(), "--ca-file"),
            (self.cert_file.is_some(), "--cert-file"),
            (self.server_name.is_some(), "--server-name"),
        ];
        flags.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
    }
}

/// Looks into the file, since tonic leaves out what it cannot use.
fn authorities(path: &Path) -> Result<Certificate, Failure> {
    let pem = read("--ca-file", path)?;
    let mut roots = RootCertStore::empty();
    for authority in chain("--ca-file", path, &pem)? {
        roots.add(authority).map_err(|error| wrong("--ca-file", path, &error))?;
    }
    Ok(Certificate::from_pem(pem))
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, Failure> {
    let (chain_pem, key_pem) = (read("--cert-file", certificate)?, read("--key-file", key)?);
    chain("--cert-file", certificate, &chain_pem)?;
    PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| wrong("--key-file", key, &error))?;
    Ok(Identity::from_pem(chain_pem, key_pem))
}

fn chain(flag: &str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| wrong(flag, path, &error))?;
    if chain.is_empty() {
        return Err(wrong(flag, path, &"there is no certificate in it"));
    }
    Ok(chain)
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| usage(format!("{flag}: cannot read {}: {error}", path.display())))
}

fn wrong(flag: &str, path: &Path, why: &dyn std::fmt::Display) -> Failure {
    usage(format!("{flag}: {}: {why}", path.display()))
}

fn usage(why: String) -> Failure {
    Failure::Usage(why)
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_only() {
        let is = |server: &str| is_loopback(&server.parse().expect("a URL"));
        for here in ["http://localhost:1", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1"] {
            assert!(is(here), "{here}");
        }
        for elsewhere in
            ["http://10.0.0.1", "http://localhost.example.com", "http://[::2]:1", "http://127.0.0.1.nip.io"]
        {
            assert!(!is(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_for_tls_is_not_ignored_without_it() {
        let clear = "http://localhost:1".parse().expect("a URL");
        let security = Security { server_name: Some("proxy".to_owned()), ..Security::default() };
        let Err(Failure::Usage(why)) = security.tls(&clear) else { panic!("wrong usage is expected") };
        assert_eq!(why, "--server-name: http://localhost:1/ is called without TLS; use https://");
        assert!(matches!(Security::default().tls(&clear), Ok(None)));
    }
}
