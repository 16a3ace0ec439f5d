//! How much of what has arrived one turn of a connection's task takes in: what comes in one burst is answered, taken and
//! dropped piece by piece, whatever HTTP/2 does with it. Not a limit on a call, nor on a connection.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// How much that is, in bytes, give or take what is read at once: some 2,000 frames of one byte, or a thousand requests that
/// are reset at once, each with a head of three bytes.
const MOST: usize = 16 << 10;

/// The turns of one connection's task.
#[derive(Clone, Default)]
pub struct Turn {
    read: Arc<AtomicUsize>,
}

impl Turn {
    /// Polls the connection to its end, each time in a turn of its own.
    pub async fn each<F: Future>(&self, mut connection: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            self.read.store(0, Relaxed);
            connection.as_mut().poll(cx)
        })
        .await
    }

    /// Notes so many bytes.
    pub fn read(&self, bytes: usize) {
        self.read.fetch_add(bytes, Relaxed);
    }

    /// Whether the rest has to wait for the next turn.
    pub fn is_over(&self) -> bool {
        self.read.load(Relaxed) >= MOST
    }
}
