//! Where the store is, and how a connection to it is made. Not when one is made: that is `link`.

use std::{io, path::PathBuf, sync::Arc};

use redis::{
    AsyncConnectionConfig, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, aio::MultiplexedConnection,
};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::TlsConnector;
use url::Url;

use super::limited::{Limited, TooMuch};
use crate::{
    config::Secret,
    platform::{Trust, TrustError},
};

const PORT: u16 = 6379;

/// Where the store is.
pub struct Endpoint {
    host: String,
    port: u16,
    info: RedisConnectionInfo,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A URL or a file of authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The URL is none of a store.
    #[error("deduplication.store: the URL cannot be used")]
    Url,
    /// There is nobody to trust.
    #[error("deduplication.store_ca_file: {0}")]
    Trust(#[from] TrustError),
    /// There is somebody to trust, and nobody who would show a certificate.
    #[error("deduplication.store_ca_file: does nothing without a store behind rediss://")]
    NoTls,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It cannot be reached, or is none of whom to trust.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// It says nothing.
    #[error("it does not answer")]
    Silent,
    /// It says too much, or something else than a store.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// It refuses the user or the password.
    #[error("it refuses the user or the password (deduplication.store)")]
    Password,
    /// It refuses something else.
    #[error("it refuses the connection: {0}")]
    Refused(String),
    /// It takes no writes.
    #[error("it is a replica, which takes no writes")]
    Replica,
    /// It does not know the commands.
    #[error("its version is {0}, and Redis 7 or any Valkey is needed")]
    TooOld(u32),
}

impl Endpoint {
    /// The endpoint of a checked URL.
    ///
    /// # Errors
    /// When the URL or the authorities cannot be used.
    pub fn new(url: &Secret, ca_file: Option<PathBuf>) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Url;
        let url = Url::parse(url.expose()).map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let tls = if url.scheme() == "rediss" {
            let trust = ca_file.map_or(Trust::System, Trust::File);
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
            Some((TlsConnector::from(Arc::new(trust.client()?.with_no_client_auth())), name))
        } else if ca_file.is_some() {
            return Err(EndpointError::NoTls);
        } else {
            None
        };
        // Its own TLS is not built in.
        let plain = url.as_str().replacen("rediss://", "redis://", 1);
        let info = plain.into_connection_info().map_err(|_| wrong())?.redis_settings().clone();
        Ok(Self { host, port: url.port().unwrap_or(PORT), info: info.set_skip_set_lib_name(), tls })
    }

    /// A connection, and what drives it, which ends with it.
    pub async fn connect(&self) -> Result<(MultiplexedConnection, JoinHandle<()>), Trouble> {
        let socket = TcpStream::connect((&*self.host, self.port)).await?;
        socket.set_nodelay(true)?;
        // Each command has a limit of its own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        Ok(match &self.tls {
            None => {
                let socket = Limited::new(socket);
                let (connection, driver) = MultiplexedConnection::new_with_config(&self.info, socket, config).await?;
                (connection, tokio::spawn(driver))
            }
            Some((tls, name)) => {
                let socket = Limited::new(tls.connect(name.clone(), socket).await?);
                let (connection, driver) = MultiplexedConnection::new_with_config(&self.info, socket, config).await?;
                (connection, tokio::spawn(driver))
            }
        })
    }
}

impl From<RedisError> for Trouble {
    /// Without its words, which are the store's.
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Password,
            ErrorKind::Io if error.to_string() == TooMuch.to_string() => Self::TooMuch(TooMuch),
            ErrorKind::Io => Self::Unreachable(io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke")),
            kind => match error.code() {
                Some("WRONGPASS" | "NOAUTH") => Self::Password,
                _ => Self::Refused(format!("{kind:?}")),
            },
        }
    }
}
