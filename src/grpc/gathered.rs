//! A connection whose writes go out together: what the calls of one moment have to say costs one call of the kernel, not
//! one or two each. That is the largest single part of what a small call costs.
//!
//! HTTP/2 flushes whenever one answer is complete. Here a flush only asks for another turn of the connection's task,
//! behind all tasks that are ready now; in that turn, which begins with a look for what has arrived, everything goes out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// How much is gathered at most, in bytes.
const MOST: usize = 64 << 10;
/// How much room is kept for the next time: most connections say little at once.
const KEPT: usize = 8 << 10;

/// A connection that gathers what is written to it.
pub struct Gathered<I> {
    io: I,
    gathered: Vec<u8>,
    /// How much of it has gone out.
    gone: usize,
    /// Whether something is not known to be on its way.
    is_due: bool,
    /// Whether another turn will come: it was asked for, or the socket is waited for.
    is_called: bool,
}

impl<I: Write + Unpin> Gathered<I> {
    /// A connection that nothing was written to yet.
    pub fn new(io: I) -> Self {
        Self { io, gathered: Vec::new(), gone: 0, is_due: false, is_called: false }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.gathered.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.gathered[self.gone..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.gone += written,
            }
        }
        self.gathered.clear();
        self.gathered.shrink_to(KEPT);
        self.gone = 0;
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.is_due = false;
        Poll::Ready(Ok(()))
    }

    /// Room for more, of which there is none while the other end takes nothing.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.gathered.len() >= MOST {
            ready!(self.poll_out(cx))?;
        }
        self.is_due = true;
        Poll::Ready(Ok(MOST - self.gathered.len()))
    }
}

impl<I: Read + Write + Unpin> Read for Gathered<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let gone = if self.is_due { self.poll_out(cx)? } else { Poll::Ready(()) };
        // A socket that takes no more calls by itself once it does.
        self.is_called = gone.is_pending();
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: Write + Unpin> Write for Gathered<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let taken = ready!(self.poll_room(cx))?.min(buf.len());
        self.gathered.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(cx))?;
        let mut taken = 0;
        for buf in bufs {
            let part = &buf[..buf.len().min(room - taken)];
            self.gathered.extend_from_slice(part);
            taken += part.len();
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_due && !self.is_called {
            self.is_called = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
