//! A connection whose other end has to do its part in time: say its first words, HTTP/2's preface, and take what it is
//! sent. In between, pings tell whether it is alive.
//!
//! Not a limit on a request: `bodies` has that. Nor on a caller that takes bytes but opens no window: that is its call's
//! deadline, and its connection's age.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// The length of HTTP/2's preface.
pub const PREFACE: usize = 24;

/// A connection to somebody who may be slow, on purpose or not.
pub struct Patience<I> {
    io: I,
    /// How many bytes of the first words are missing, and until when they are waited for.
    missing: Option<(usize, Pin<Box<Sleep>>)>,
    /// How long the other end may take nothing. A ping that cannot be sent is never answered, and its time never ends.
    most: Duration,
    /// Until when the other end is waited for; None while it takes what it is sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> Patience<I> {
    /// A connection that has its first words said until `by`, and then takes something every `most`.
    pub fn new(io: I, by: Instant, most: Duration) -> Self {
        Self { io, missing: Some((PREFACE, Box::pin(sleep_until(by)))), most, stalled: None }
    }

    /// What became of an attempt to write, or an error for the last one that is waited for.
    fn attempted<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let most = self.most;
        let time = self.stalled.get_or_insert_with(|| Box::pin(sleep(most)));
        time.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: Read + Unpin> Read for Patience<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some((missing, time)) = &mut this.missing else {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        };
        if time.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let mut words = [0; PREFACE];
        let mut read = hyper::rt::ReadBuf::new(&mut words[..(*missing).min(buf.remaining())]);
        ready!(Pin::new(&mut this.io).poll_read(cx, read.unfilled()))?;
        buf.put_slice(read.filled());
        *missing -= read.filled().len();
        if *missing == 0 {
            this.missing = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Patience<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.attempted(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.attempted(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_shutdown(cx);
        self.attempted(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.attempted(cx, result)
    }
}
