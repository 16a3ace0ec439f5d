//! The body of an answer that is read as a whole, and the room that it takes among all answers.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::{
    sync::{Mutex, MutexGuard},
    task::yield_now,
    time::{Instant, timeout_at},
};

use super::{
    codings::Garbled,
    error::{Error, sources},
};
use crate::{
    memory::{self, Budget, Held, ROOM_TIME, UNCOUNTED, make_room},
    telemetry::Route,
};

/// How bodies are read.
pub struct Bodies {
    /// The largest one, in bytes.
    pub most: usize,
    /// The bytes of all of them.
    pub budget: Arc<Budget>,
    /// How long who holds some room waits for more.
    pub room_time: Duration,
    /// Whose body has more room than there is: one at a time.
    beyond: Mutex<()>,
}

impl Bodies {
    /// Bodies of `most` bytes each, which may take so long.
    pub fn new(most: usize, budget: Arc<Budget>, request_timeout: Duration) -> Self {
        // Sooner than the platform's time is over: it has no part in this.
        Self { most, budget, room_time: ROOM_TIME.min(request_timeout / 2), beyond: Mutex::default() }
    }

    /// The whole body, unless it is larger than it may be or its compression is broken, and the room that it takes; `end` is
    /// when there is no more time for it. One that comes in one piece, as most do, is not copied.
    ///
    /// # Errors
    /// When the connection is lost, or there is no room for it: see [`Self::wait_for_room`].
    pub async fn read(
        &self,
        response: &mut Response,
        route: Route,
        end: Instant,
    ) -> Result<(Result<Bytes, String>, Held), Error> {
        let length = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let (mut held, mut beyond) = (self.budget.begin(false), None);
        // Where the length is known, all of it at once, and before it is read: nobody waits for room and holds some.
        let mut room = length.min(self.most).max(UNCOUNTED);
        if room > UNCOUNTED {
            self.wait_for_room(&mut held, room, (route, end), &mut beyond).await?;
        }
        let mut body = BytesMut::new();
        loop {
            let chunk = match piece(response, body.len()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok((Ok(body.freeze()), held)),
                Err(error) if is_garbled(&error) => return Ok((Err("its compression is broken".to_owned()), held)),
                Err(error) => return Err(Error::lost(error)),
            };
            let size = body.len() + chunk.len();
            if size > self.most {
                return Ok((Err(format!("it is larger than {} bytes", self.most)), held));
            }
            if size > room {
                room = size.next_power_of_two().min(self.most);
                self.wait_for_room(&mut held, room, (route, end), &mut beyond).await?;
            }
            if body.is_empty() {
                body = chunk.into();
            } else {
                make_room(&mut body, chunk.len(), self.most);
                body.extend_from_slice(&chunk);
            }
        }
    }

    /// Waits for room for so many bytes in all.
    ///
    /// Two answers of unknown length may each hold room that the other waits for. So a read gives up after a while. What is
    /// sent once is not lost for it: it goes on with more room than there is, one at a time.
    async fn wait_for_room<'a>(
        &'a self,
        held: &mut Held,
        bytes: usize,
        (route, end): (Route, Instant),
        beyond: &mut Option<MutexGuard<'a, ()>>,
    ) -> Result<(), Error> {
        if beyond.is_none() {
            let is_sent_once = matches!(route, Route::CreateTask | Route::StopTask);
            // Who holds nothing is in nobody's way, and waits as long as it has time.
            let is_patient = held.bytes() == 0 && !is_sent_once;
            let until = if is_patient { end } else { end.min(Instant::now() + self.room_time) };
            if timeout_at(until, held.grow(bytes)).await.is_ok() {
                return Ok(());
            }
            if !is_sent_once {
                return Err(Error::NoRoom);
            }
            *beyond = Some(self.beyond.lock().await);
        }
        held.exceed(bytes);
        Ok(())
    }
}

/// Whether a decoder, and not the connection, failed.
pub fn is_garbled(error: &reqwest::Error) -> bool {
    sources(error).any(<dyn std::error::Error>::is::<Garbled>)
}

/// The next piece of a body of which so much has come. Others have a turn now and then: what is unpacked comes without a
/// pause.
pub async fn piece(response: &mut Response, before: usize) -> reqwest::Result<Option<Bytes>> {
    let piece = response.chunk().await?;
    if piece.as_ref().is_some_and(|piece| before / memory::LARGE < (before + piece.len()) / memory::LARGE) {
        yield_now().await;
    }
    Ok(piece)
}
