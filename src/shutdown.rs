//! The signals: SIGTERM and SIGINT end the process, the first by a drain, the second at once; SIGHUP, SIGUSR1 and SIGUSR2,
//! which end a process that does not catch them, end nothing. Not what SIGHUP is for: `app` looks at its files then.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// The signals that have a meaning, caught from now on.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP, caught from now on.
pub struct HangUps(Signal);

impl Signals {
    /// Catches the signals.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn catch() -> io::Result<Self> {
        for harmless in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()] {
            // Stays caught when nobody listens any more.
            drop(signal(harmless)?);
        }
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

impl HangUps {
    /// Catches the signal.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Returns when one has come since the last time.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
