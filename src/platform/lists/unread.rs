//! The body of an answer that is read piece by piece, as far as it is needed. Not what is in it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;

use crate::{
    memory::{Growing, UNCOUNTED},
    platform::{
        error::Error,
        transport::{Transport, is_garbled, piece},
    },
};

/// A body; what is held of it is counted.
pub struct Unread {
    response: Response,
    /// How long a piece may take.
    time_limit: Duration,
    /// How much has come.
    size: usize,
    room: Growing,
}

impl Unread {
    /// The body of this answer.
    pub fn new(response: Response, transport: &Transport) -> Self {
        let (_, time_limit, budget) = transport.bounds();
        Self { response, time_limit, size: 0, room: Growing::new(budget) }
    }

    /// Whether its head says how long it is, and that is little.
    pub fn is_small(&self) -> bool {
        self.response.content_length().is_some_and(|length| length <= UNCOUNTED as u64)
    }

    /// How long the next piece may take.
    pub fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// The next piece, once there is room for so many bytes that are held of what came before; None at the end, and why
    /// not where its compression is broken. May be dropped while it waits.
    pub async fn piece(&mut self, holding: usize) -> Result<Option<Result<Bytes, &'static str>>, Error> {
        self.room.make_room(holding).await;
        match piece(&mut self.response, self.size).await {
            Ok(Some(bytes)) => {
                self.size += bytes.len();
                Ok(Some(Ok(bytes)))
            }
            Ok(None) => Ok(None),
            Err(error) if is_garbled(&error) => Ok(Some(Err("its compression is broken"))),
            Err(error) => Err(Error::lost(error)),
        }
    }
}
