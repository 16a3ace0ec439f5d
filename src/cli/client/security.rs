//! How a client command proves who it is, and whom it trusts: TLS, a client certificate, a bearer token. Not the server's
//! side of it: that is `grpc`.

use std::{
    env::{self, VarError},
    ffi::OsStr,
    net::IpAddr,
    path::{Path, PathBuf},
};

use http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tonic::metadata::{Ascii, MetadataValue};

use super::super::failure::Failure;
use crate::{
    config::{Secret, pem, secret_from},
    platform::{Trust, TrustError},
};

/// The variable with the bearer token. No flag holds one: it would show in the list of processes.
const TOKEN: &str = "XPANDER_GRPC_TOKEN";

/// TLS and credentials.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "TLS and credentials")]
pub struct Security {
    /// For https: a PEM file with the authorities to trust instead of the system's
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
    /// For https: a PEM file with the certificate to show (mTLS)
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_CERT_FILE", hide_env_values = true, requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// A PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_KEY_FILE", hide_env_values = true, requires = "cert_file")]
    pub key_file: Option<PathBuf>,
    /// For https: the name in the proxy's certificate, where it is not the URL's host
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// A file with the bearer token to show, read again for each call; without one, the variable `XPANDER_GRPC_TOKEN` may hold it
    #[arg(long, value_name = "FILE", env = "XPANDER_GRPC_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
}

/// TLS to a server: how, and what it is called.
pub struct Tls {
    pub config: ClientConfig,
    pub name: ServerName<'static>,
}

impl Security {
    /// TLS for an `https` server, none for another.
    ///
    /// # Errors
    /// When a file cannot be used, or would be of no use because the server is called in cleartext.
    pub fn tls(&self, server: &Uri) -> Result<Option<Tls>, Failure> {
        if server.scheme_str() != Some("https") {
            return match self.tls_flag() {
                Some(flag) => Err(usage(format!("{flag}: {server} is called without TLS; use https://"))),
                None => Ok(None),
            };
        }
        let trust = self.ca_file.clone().map_or(Trust::System, Trust::File);
        let tls = trust.client().map_err(|error| match error {
            TrustError::File(path, why) => wrong("--ca-file", &path, &why),
            error => usage(error.to_string()),
        })?;
        let tls = match (&self.cert_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                let chain = pem::certificates(certificate).map_err(|why| wrong("--cert-file", certificate, &why))?;
                let private = pem::key(key).map_err(|why| wrong("--key-file", key, &why))?;
                tls.with_client_auth_cert(chain, private)
                    .map_err(|error| usage(format!("TLS cannot be set up by --cert-file and --key-file: {error}")))?
            }
            _ => tls.with_no_client_auth(),
        };
        let host = self.server_name.as_deref().or(server.host()).unwrap_or_default();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| usage(format!("--server-name: {host} is no name of a server")))?;
        Ok(Some(Tls { config: tls, name }))
    }

    /// What to write into the next call's `authorization`, if anything: a token in a file may have been exchanged.
    ///
    /// # Errors
    /// When the token cannot be read, or others could read it on its way.
    pub fn authorization(&self, server: &Uri) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let (source, token) = match &self.token_file {
            // Without the path, for which a token may have been given by mistake.
            Some(path) => ("--token-file", secret_from(path).map_err(|why| usage(format!("--token-file: {why}")))?),
            None => match env::var(TOKEN) {
                Ok(token) if !token.is_empty() => (TOKEN, Secret::new(token)),
                Ok(_) | Err(VarError::NotPresent) => return Ok(None),
                Err(VarError::NotUnicode(_)) => {
                    return Err(usage(format!("{TOKEN}: the token (not shown) is no UTF-8")));
                }
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

    /// The flags, each with the variable that may stand for it and what it was given.
    pub fn flags(&self) -> [(&'static str, &'static str, Option<&OsStr>); 5] {
        [
            ("--ca-file", "XPANDER_GRPC_CA_FILE", self.ca_file.as_deref().map(Path::as_os_str)),
            ("--cert-file", "XPANDER_GRPC_CERT_FILE", self.cert_file.as_deref().map(Path::as_os_str)),
            ("--key-file", "XPANDER_GRPC_KEY_FILE", self.key_file.as_deref().map(Path::as_os_str)),
            ("--server-name", "", self.server_name.as_deref().map(OsStr::new)),
            ("--token-file", "XPANDER_GRPC_TOKEN_FILE", self.token_file.as_deref().map(Path::as_os_str)),
        ]
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
