//! What a create is known by: hashes, so that nothing of a prompt, a key or a request id is kept.

use std::io;

use sha2::{Digest as _, Sha256};

/// A create's name: whose it is and its request id, as a hash that all replicas agree on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name(pub(super) [u8; 32]);

/// What a create asks for, as a hash that all replicas agree on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(pub(super) [u8; 16]);

struct Hashed(Sha256);

impl Name {
    /// The name of a create of this owner and this caller; of no two is it the same text.
    #[must_use]
    pub fn new(owner: [&str; 3], caller: Option<&str>, request_id: &str) -> Self {
        let is_known = if caller.is_some() { "caller" } else { "" };
        let mut hash = Sha256::new();
        for part in owner.into_iter().chain([is_known, caller.unwrap_or_default(), request_id]) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Its key in the store; one key, so that it works on a cluster.
    pub(super) fn key(&self) -> String {
        self.0.iter().fold("xgp1:c:".to_owned(), |key, byte| key + &format!("{byte:02x}"))
    }

    /// As much of it as one process needs.
    pub(super) fn short(&self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }
}

impl Fingerprint {
    /// Of what is written. Other under every name: that two creates ask the same cannot be seen in the store.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(name: &Name, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<Self> {
        let mut hashed = Hashed(Sha256::new_with_prefix(name.0));
        write(&mut hashed)?;
        Ok(Self(Name(hashed.0.finalize().into()).short()))
    }
}

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
