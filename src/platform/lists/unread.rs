//! The body of an answer that is read piece by piece, as far as it is needed. Not what is in it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::timeout;

use crate::{
    memory::{Growing, UNCOUNTED},
    platform::{
        error::Error,
        transport::Transport,
        whole::{is_garbled, piece},
    },
};

/// A body; what is held of it is counted.
pub struct Unread {
    response: Response,
    /// How long a piece may take.
    time_limit: Duration,
    /// How long room may be waited for.
    room_time: Duration,
    /// How much has come.
    size: usize,
    room: Growing,
}

impl Unread {
    /// The body of this answer.
    pub fn new(response: Response, transport: &Transport) -> Self {
        let (bodies, time_limit) = transport.bounds();
        Self { response, time_limit, room_time: bodies.room_time, size: 0, room: Growing::new(bodies.budget.clone()) }
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
    ///
    /// # Errors
    /// When there is no such room in time, or the connection is lost.
    pub async fn piece(&mut self, holding: usize) -> Result<Option<Result<Bytes, &'static str>>, Error> {
        if timeout(self.room_time, self.room.make_room(holding)).await.is_err() {
            return Err(Error::NoRoom);
        }
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

#[cfg(test)]
mod tests {
    use tokio::{join, time::sleep};

    use super::*;
    use crate::memory::{Budget, ROOM_TIME};

    const MIB: usize = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn two_bodies_that_wait_for_each_others_room_do_not_wait_for_ever() {
        let budget = Budget::new(32 * MIB);
        let unread = || Unread {
            response: http::Response::new("[").into(),
            time_limit: Duration::from_mins(1),
            room_time: ROOM_TIME,
            size: 0,
            room: Growing::new(budget.clone()),
        };
        let (mut one, mut other) = (unread(), unread());
        for unread in [&mut one, &mut other] {
            assert!(matches!(unread.piece(16 * MIB).await, Ok(Some(Ok(_)))));
        }
        let first = async move { one.piece(17 * MIB).await };
        let second = async {
            sleep(ROOM_TIME / 2).await;
            other.piece(17 * MIB).await
        };
        let both = async { join!(first, second) };
        let (first, second) = timeout(ROOM_TIME * 2, both).await.expect("an end");
        assert!(matches!(first, Err(Error::NoRoom)));
        assert!(matches!(second, Ok(None)), "the room of the first is there for the second");
    }
}
