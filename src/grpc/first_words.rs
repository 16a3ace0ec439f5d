//! A connection that must say its first words in time: HTTP/2's preface. From then on pings tell whether it is alive.
//!
//! Not a limit on a request: `receive` has that.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep_until};

/// The length of HTTP/2's preface.
const PREFACE: usize = 24;

/// A connection whose first words are still to come, or have come.
pub struct FirstWords<I> {
    io: I,
    /// How many bytes are missing, and until when they are waited for.
    missing: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<I> FirstWords<I> {
    /// A connection that has until `by`.
    pub fn new(io: I, by: Instant) -> Self {
        Self { io, missing: Some((PREFACE, Box::pin(sleep_until(by)))) }
    }
}

impl<I: Read + Unpin> Read for FirstWords<I> {
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

impl<I: Write + Unpin> Write for FirstWords<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
