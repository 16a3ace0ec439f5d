//! The signals that end the process: the first begins a drain, the second exits at once.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// The signals SIGTERM and SIGINT, caught from now on.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the first signal; from then on a second one exits the process with 1.
    pub async fn first(mut self) {
        self.next().await;
        info!("draining; a second signal exits at once");
        tokio::spawn(async move {
            self.next().await;
            process::exit(1);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
