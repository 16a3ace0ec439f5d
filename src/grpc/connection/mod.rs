//! What the calls of one connection share: who is at the other end, what goes on, and when it ends. Not the loop that serves
//! it: that is `serving`.

pub mod arriving;
pub mod gathered;
pub mod inbound;
pub mod malformed;
pub mod patience;
pub mod peer;
pub mod tls;
pub mod traffic;
pub mod turn;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio_util::sync::CancellationToken;

use self::{peer::Peer, traffic::Traffic};
use crate::calls::Kind;

/// What the calls of one connection share.
pub struct Connection {
    /// Who is at the other end, by certificate.
    pub peer: Peer,
    /// Its calls under way and its resets.
    pub traffic: Arc<Traffic>,
    /// Ends its streams.
    closing: CancellationToken,
    /// A drain begins.
    draining: CancellationToken,
    /// Ends all that is left, on every connection.
    drained: CancellationToken,
    is_aged: AtomicBool,
}

impl Connection {
    /// A new one, whose caller may reset so many calls; `draining` says that a drain begins, `drained` that it has no more time.
    pub fn new(peer: Peer, max_resets: u32, draining: CancellationToken, drained: CancellationToken) -> Self {
        let (traffic, closing) = (Arc::new(Traffic::new(max_resets)), drained.child_token());
        Self { peer, traffic, closing, draining, drained, is_aged: AtomicBool::new(false) }
    }

    /// Ends its streams, since it has had its time.
    pub fn end_streams(&self) {
        self.is_aged.store(true, Relaxed);
        self.closing.cancel();
    }

    /// Comes when a drain begins.
    pub async fn draining(&self) -> Kind {
        self.draining.cancelled().await;
        Kind::Draining
    }

    /// Comes when a drain has no more time.
    pub async fn drained(&self) -> Kind {
        self.drained.cancelled().await;
        Kind::Draining
    }

    /// Comes when the connection's streams have to end, and says why.
    pub async fn closed(&self) -> Kind {
        self.closing.cancelled().await;
        if self.is_aged.load(Relaxed) { Kind::Aged } else { Kind::Draining }
    }
}
