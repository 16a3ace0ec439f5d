//! One key's connections, and which of them a request takes.
//!
//! Over HTTP/2 requests share a connection, but no more of them than the server lets in at once: one beyond that waits
//! until another is over, and behind event streams that takes hours. So a client, which keeps to one connection, gets so
//! many and no more; the next ones get another client.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request's share of a connection, held until its answer has been read; none where each has one of its own.
pub type Share = Option<OwnedSemaphorePermit>;

/// The connections.
pub struct Lanes {
    open: Box<dyn Fn() -> reqwest::Result<Client> + Send + Sync>,
    /// How many requests a client may have under way.
    most: usize,
    /// Where nothing is shared, the first alone is used.
    first: Client,
    /// In the order in which they are filled, so that the last ones fall idle first.
    opened: Mutex<Vec<Lane>>,
}

struct Lane {
    client: Client,
    free: Arc<Semaphore>,
}

impl Lanes {
    /// Lanes for so many requests each, made by `open`; for any number where that is zero.
    ///
    /// # Errors
    /// When the HTTP client refuses its settings.
    pub fn new(
        most: usize,
        open: impl Fn() -> reqwest::Result<Client> + Send + Sync + 'static,
    ) -> reqwest::Result<Self> {
        Ok(Self { first: open()?, open: Box::new(open), most, opened: Mutex::default() })
    }

    /// A client to build requests with, whichever sends them.
    pub fn builder(&self) -> &Client {
        &self.first
    }

    /// The client that sends the next request.
    pub fn next(&self) -> (Client, Share) {
        if self.most == 0 {
            return (self.first.clone(), None);
        }
        let mut lanes = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in &*lanes {
            if let Ok(share) = Arc::clone(&lane.free).try_acquire_owned() {
                return (lane.client.clone(), Some(share));
            }
        }
        let client = if lanes.is_empty() { Ok(self.first.clone()) } else { (self.open)() };
        // What was made once can be made again; if not, the request waits for its turn.
        let Ok(client) = client else { return (self.first.clone(), None) };
        let free = Arc::new(Semaphore::new(self.most));
        let share = Arc::clone(&free).try_acquire_owned().ok();
        lanes.push(Lane { client: client.clone(), free });
        (client, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(most: usize) -> Lanes {
        Lanes::new(most, || Ok(Client::new())).expect("a client")
    }

    fn count(lanes: &Lanes) -> usize {
        lanes.opened.lock().expect("no panic").len()
    }

    #[tokio::test]
    async fn a_client_gets_so_many_requests_and_the_next_ones_another() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lanes = lanes(2);
        let mut shares: Vec<_> = (0..5).map(|_| lanes.next().1.expect("a share")).collect();
        assert_eq!(count(&lanes), 3);
        // One that is over makes room in the first client.
        drop(shares.remove(0));
        shares.push(lanes.next().1.expect("a share"));
        assert_eq!(count(&lanes), 3);
        shares.push(lanes.next().1.expect("a share"));
        assert_eq!(count(&lanes), 3);
        shares.push(lanes.next().1.expect("a share"));
        assert_eq!(count(&lanes), 4);
    }

    #[tokio::test]
    async fn where_nothing_is_shared_one_client_has_all() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lanes = lanes(0);
        assert!((0..5).all(|_| lanes.next().1.is_none()));
        assert_eq!(count(&lanes), 0);
    }
}
