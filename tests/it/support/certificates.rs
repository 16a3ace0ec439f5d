//! An authority and what it vouches for, in PEM files for those that take files.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    folder::Folder,
    proxy::Client,
    secure_caller::{self, Secure},
};

/// An authority; its files go with it.
pub struct Authority {
    pub ca_file: PathBuf,
    folder: Folder,
    issuer: secure_caller::Authority,
}

/// A certificate with its key, in files.
pub struct Identity {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pems: secure_caller::Identity,
}

impl Authority {
    pub fn new() -> Self {
        let (folder, issuer) = (Folder::new(), secure_caller::Authority::new());
        Self { ca_file: folder.write("ca.pem", &issuer.pem), folder, issuer }
    }

    /// Vouches for a SPIFFE id or a DNS name.
    pub fn vouch_for(&self, name: &str) -> Identity {
        let (pems, stem) = (self.issuer.issue(&[name]), name.replace(['/', ':'], "_"));
        let cert_file = self.folder.write(&format!("{stem}.pem"), &pems.chain);
        let key_file = self.folder.write(&format!("{stem}.key"), &pems.key);
        Identity { cert_file, key_file, pems }
    }

    /// A caller of the server at `address`, which this authority vouches for by `name`; it shows `identity`.
    pub fn client(&self, address: SocketAddr, name: &str, identity: Option<&Identity>) -> Client {
        let caller = Secure::new(&self.issuer, identity.map(|identity| &identity.pems));
        caller.of_server(name).client(&address.to_string())
    }
}
