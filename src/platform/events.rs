//! A task's event stream: the platform's bytes, decoded, with an eye on silence.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::{
    error::Error,
    pool::lanes::Share,
    sse::{Decoder, Frame},
};
use crate::{
    memory::{Growing, ROOM_TIME},
    telemetry::Attempt,
};

/// An open event stream. Reads from the platform only when asked for an event, so a slow caller slows the platform;
/// dropping it closes the connection.
pub struct EventStream {
    response: Response,
    /// Held as long as the response.
    share: Share,
    decoder: Decoder,
    /// What the event that is under way holds, and since when it waits for more.
    room: Growing,
    waits: Option<Instant>,
    idle_timeout: Duration,
    opened: Instant,
    /// When its last bytes arrived, by both clocks.
    arrived: SystemTime,
    alive: Instant,
    /// For how long the platform may yet be waited for in all, where its task is over.
    left: Option<Duration>,
    is_over: bool,
    /// The request; its span is as long as the stream.
    attempt: Attempt,
}

impl EventStream {
    pub(super) fn new(
        response: Response,
        share: Share,
        attempt: Attempt,
        room: Growing,
        idle_timeout: Duration,
        max_event_bytes: usize,
    ) -> Self {
        let decoder = Decoder::new(max_event_bytes);
        let (opened, arrived) = (Instant::now(), SystemTime::now());
        Self {
            response,
            share,
            decoder,
            room,
            waits: None,
            idle_timeout,
            opened,
            arrived,
            alive: opened,
            left: None,
            is_over: false,
            attempt,
        }
    }

    /// The next event; None at the stream's end. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// When the connection breaks or nothing arrives for the idle time. Comments count as life, unless the task is over.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(frame) = self.decoder.next_frame() {
            return Ok(Some(frame));
        }
        // From now on: what a slow caller has left unread is no silence of the platform's.
        let asked = Instant::now();
        let mut alive = asked;
        while !self.is_over {
            let silent = alive + self.idle_timeout;
            let until = self.left.map_or(silent, |left| silent.min(asked + left));
            self.find_room().await;
            match timeout_at(until, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    (self.arrived, self.alive) = (SystemTime::now(), Instant::now());
                    self.share.heard(None);
                    self.decoder.push(&bytes);
                }
                Ok(Ok(None)) => self.is_over = true,
                Ok(Err(error)) => return Err(self.failed(Error::lost(error))),
                Err(_) => {
                    self.share.given_up(alive);
                    return Err(self.failed(Error::Timeout(self.idle_timeout)));
                }
            }
            if let Some(frame) = self.decoder.next_frame() {
                self.left = self.left.map(|left| left.saturating_sub(asked.elapsed()));
                return Ok(Some(frame));
            }
            let now = Instant::now();
            if self.left.is_some() && now >= until {
                // Bytes that are always there leave a timer no turn.
                return Err(self.failed(Error::Timeout(self.idle_timeout)));
            }
            if self.left.is_none() || self.decoder.is_in_event() {
                alive = now;
            }
        }
        Ok(None)
    }

    /// Finds room for what there is of the next event, or leaves it out.
    async fn find_room(&mut self) {
        let held = self.decoder.held();
        if self.room.has_room(held) {
            self.waits = None;
            return;
        }
        let until = *self.waits.get_or_insert_with(Instant::now) + ROOM_TIME;
        if timeout_at(until, self.room.make_room(held)).await.is_err() {
            self.decoder.skip();
        }
        self.waits = None;
    }

    fn failed(&mut self, error: Error) -> Error {
        self.attempt.failed(error.name(), error.cause());
        error
    }

    /// Expects no more than what is there already, since the task is over: events come within `silence`, however often
    /// the platform says that it is alive, and it is waited for no longer than `in_all`.
    pub fn expect_no_more(&mut self, silence: Duration, in_all: Duration) {
        self.idle_timeout = silence;
        self.left = Some(in_all);
    }

    /// How long the platform wants clients to wait before they reconnect, when it has said so.
    pub fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// When the event that was given last arrived.
    pub fn arrived(&self) -> SystemTime {
        self.arrived
    }

    /// How long after its opening the platform's last bytes came.
    pub fn lived(&self) -> Duration {
        self.alive - self.opened
    }

    /// How long the stream has been open.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }
}
