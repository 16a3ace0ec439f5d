//! A request's body, watched on its way: it must arrive in time, and find room among those of all calls.
//!
//! One that nobody reads to its end is taken to its end all the same, within bounds: to h2, what comes for a stream that is
//! given up counts against the connection, with everybody's calls on it.

use std::{
    future::{pending, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    runtime::Handle,
    time::{Sleep, sleep, timeout},
};
use tonic::Status;

use super::whole::{Whole, full};
use crate::{
    calls::{Error, Kind},
    grpc::{connection::traffic::Traffic, response::status::refuse_at_the_door},
    memory::{Account, Few, Held, Place},
    telemetry::{MethodKind, Record},
};

/// How much of a body is taken that nobody reads any more, in bytes, and for how long: as much as was under way when its
/// caller learnt of the refusal.
const UNREAD: usize = 1 << 20;
const UNREAD_TIME: Duration = Duration::from_secs(5);

/// The bodies that are taken to their end, over all connections: each keeps its stream here, some kilobytes.
static UNREAD_BODIES: Few = Few::new(1_024);

/// Stops whose message is waited for, over all connections: no limit refuses them, so that the oldest gives way here. A
/// library sends head and message together.
static STOPS: Few = Few::new(1_024);

/// How much of a body is kept whose caller waits to be let in, in bytes.
const EARLY: usize = 16 << 10;

/// A request's body, counted, and given up when it takes too long: a caller that sends byte by byte holds nothing for
/// long. Not the call's deadline: that one is the caller's own, and may be far away.
pub struct Received {
    /// What came of it before its caller was let in.
    early: Bytes,
    /// None once it was dropped.
    body: Option<Incoming>,
    record: Arc<Record>,
    account: Arc<Account>,
    traffic: Arc<Traffic>,
    /// The room of the head and of what has come of the message; none for what is no call of the API.
    held: Option<Held>,
    /// How large the head is, in bytes.
    head: usize,
    /// What has to come as a whole before it goes on.
    whole: Option<Whole>,
    limit: Option<Duration>,
    /// Set when the body is waited for the first time: most have arrived by then.
    time: Option<Pin<Box<Sleep>>>,
    /// Held while it is waited for, where it is a stop's.
    place: Option<Arc<Place>>,
}

impl Received {
    /// A body that has to be complete within `limit`, if there is one, and what came of it before.
    pub fn new(
        early: Bytes,
        body: Incoming,
        record: Arc<Record>,
        account: Arc<Account>,
        traffic: Arc<Traffic>,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            early,
            body: Some(body),
            record,
            account,
            traffic,
            held: None,
            head: 0,
            whole: None,
            limit,
            time: None,
            place: None,
        }
    }

    /// One that holds its bytes here, which already has those of its head.
    #[must_use]
    pub fn holding(mut self, held: Held, whole: Option<Whole>) -> Self {
        self.head = held.bytes();
        (self.held, self.whole) = (Some(held), whole);
        self
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(limit) = self.limit else { return false };
        self.time.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx).is_ready()
    }

    /// Whether it has to make room for others of its kind, which are waited for, too.
    fn gives_way(&mut self, cx: &mut Context<'_>) -> bool {
        let is_stop = self.record.method().kind == MethodKind::Stopping;
        is_stop && self.place.get_or_insert_with(|| STOPS.enter()).poll_gives_way(cx).is_ready()
    }

    /// What goes on of what has come, if anything does yet.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Status> {
        self.record.received(data.len() as u64);
        let Some(held) = &mut self.held else { return Ok(Some(data)) };
        if !held.resize(held.bytes() + data.len()) {
            return Err(self.refused(full()));
        }
        let Some(mut whole) = self.whole.take() else { return Ok(Some(data)) };
        if !whole.is_complete_with(data) {
            self.whole = Some(whole);
            return Ok(None);
        }
        whole.message(held).map(Some).map_err(|unfit| unfit.unwrap_or_else(|error| self.refused(error)))
    }

    fn refused(&self, error: Error) -> Status {
        refuse_at_the_door(&self.record, error)
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let early = mem::take(&mut self.early);
        if !early.is_empty()
            && let Some(ready) = self.take(early).transpose()
        {
            return Poll::Ready(Some(ready.map(Frame::data)));
        }
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let frame = match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if self.is_late(cx) => {
                    return Poll::Ready(Some(Err(self.refused(Error::new(Kind::Dawdling)))));
                }
                Poll::Pending if self.gives_way(cx) => return Poll::Ready(Some(Err(self.refused(full())))),
                Poll::Pending => return Poll::Pending,
            };
            self.place = None;
            return Poll::Ready(Some(match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => match self.take(data) {
                    Ok(None) => continue,
                    Ok(Some(data)) => Ok(Frame::data(data)),
                    Err(status) => Err(status),
                },
                // What is incomplete is for its decoder to refuse.
                ended => match (self.whole.take(), ended) {
                    (Some(whole), _) => Ok(Frame::data(whole.so_far())),
                    (None, Some(Ok(Err(trailers)))) => Ok(trailers),
                    (None, Some(Err(error))) => Err(Status::from_error(Box::new(error))),
                    (None, _) => return Poll::Ready(None),
                },
            }));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.early.is_empty() && self.whole.is_none() && self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(mut held) = self.held.take() {
            // The head has been read.
            let _ = held.resize(held.bytes().saturating_sub(self.head));
            self.account.bring(held);
        }
        if let Some(body) = self.body.take() {
            drain(body, &self.traffic);
        }
    }
}

/// Takes what comes of a body while its caller waits to be let in, and ends only when that is too much. It is copied: small
/// frames would keep the buffers that they came in.
pub async fn take_early(body: &mut Incoming, early: &mut BytesMut) {
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        early.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
        if early.len() > EARLY {
            return;
        }
    }
    pending::<()>().await;
}

/// Takes what is left of a body on the connection with this traffic, if there is something.
pub fn drain(mut body: Incoming, traffic: &Traffic) {
    if body.is_end_stream() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    let mut left = UNREAD;
    let to_its_end = async move {
        poll_fn(|cx| {
            while let Some(Ok(frame)) = ready!(Pin::new(&mut body).poll_frame(cx)) {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
    };
    let (place, own) = (UNREAD_BODIES.enter(), traffic.refused());
    drop(runtime.spawn(async move {
        tokio::select! {
            _ = timeout(UNREAD_TIME, to_its_end) => {}
            () = place.gives_way() => {}
            () = own.gives_way() => {}
        }
    }));
}
