//! A task's event stream: the platform's bytes, decoded, with an eye on silence.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::{
    error::Error,
    lanes::Share,
    sse::{Decoder, Frame},
    transport::lost,
};
use crate::telemetry::Attempt;

/// An open event stream. Reads from the platform only when asked for an event, so a slow caller slows the platform;
/// dropping it closes the connection.
pub struct EventStream {
    response: Response,
    /// Held as long as the response.
    share: Share,
    decoder: Decoder,
    idle_timeout: Duration,
    opened: Instant,
    /// When the last bytes arrived; comments count as life.
    alive: Instant,
    is_over: bool,
    /// The request; its span is as long as the stream.
    attempt: Attempt,
}

impl EventStream {
    pub(super) fn new(
        response: Response,
        share: Share,
        attempt: Attempt,
        idle_timeout: Duration,
        max_event_bytes: usize,
    ) -> Self {
        let decoder = Decoder::new(max_event_bytes);
        let now = Instant::now();
        Self { response, share, decoder, idle_timeout, opened: now, alive: now, is_over: false, attempt }
    }

    /// The next event; None at the stream's end. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// When the connection breaks or nothing arrives for the idle time.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(frame) = self.decoder.next_frame() {
                return Ok(Some(frame));
            }
            if self.is_over {
                return Ok(None);
            }
            let silent = self.alive + self.idle_timeout;
            match timeout_at(silent, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    self.share.heard(None);
                    self.decoder.push(&bytes);
                }
                Ok(Ok(None)) => {
                    self.is_over = true;
                    return Ok(self.decoder.finish());
                }
                Ok(Err(error)) => return Err(self.failed(lost(error))),
                Err(_) => {
                    self.share.given_up(self.alive);
                    return Err(self.failed(Error::Timeout(self.idle_timeout)));
                }
            }
            self.alive = Instant::now();
        }
    }

    fn failed(&mut self, error: Error) -> Error {
        self.attempt.failed(error.name(), error.cause());
        error
    }

    /// Sets how long nothing may arrive.
    pub fn set_idle_timeout(&mut self, idle_timeout: Duration) {
        self.idle_timeout = idle_timeout;
    }

    /// How long the platform wants clients to wait before they reconnect, when it has said so.
    pub fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// How long the stream has been open.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// How many events were left out since the last call, for being too large.
    pub fn take_dropped(&mut self) -> u64 {
        self.decoder.take_dropped()
    }
}
