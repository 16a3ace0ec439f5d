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

use super::{inbound::Inbound, malformed::Malformed, turn::Turn};

/// How much is gathered at most, in bytes.
const MOST: usize = 64 << 10;
/// How much room is kept for the next time: most connections say little at once.
const KEPT: usize = 8 << 10;
/// How much is read on while the other end takes nothing, in bytes, a turn of the connection: what HTTP/2 and refused calls
/// are answered with would pile up.
const AHEAD: usize = 16 << 10;

/// A connection that gathers what is written to it.
pub struct Gathered<I> {
    io: I,
    bytes: Vec<u8>,
    /// How much of it has gone out.
    gone: usize,
    /// Whether something is not known to be on its way.
    is_due: bool,
    /// Whether another turn will come: it was asked for, or the socket is waited for.
    is_called: bool,
    /// How much was read since there was no room left.
    ahead: usize,
    inbound: Inbound,
    malformed: Malformed,
}

impl<I: Write + Unpin> Gathered<I> {
    /// A connection that nothing was written to yet, what looks at all that is, and the turns of its task.
    pub fn new(io: I, malformed: Malformed, turn: Turn) -> Self {
        let (gone, ahead, is_due, is_called) = Default::default();
        let inbound = Inbound::new(turn);
        Self { io, bytes: Vec::new(), gone, is_due, is_called, ahead, inbound, malformed }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.bytes.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.bytes[self.gone..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.gone += written,
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        (self.gone, self.ahead) = (0, 0);
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.is_due = false;
        Poll::Ready(Ok(()))
    }

    /// Room for more, of which there is none while the other end takes nothing.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.bytes.len() >= MOST {
            ready!(self.poll_out(cx))?;
        }
        self.is_due = true;
        Poll::Ready(Ok(MOST - self.bytes.len()))
    }
}

impl<I: Read + Write + Unpin> Read for Gathered<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.inbound.poll_gives_way(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let gone = if self.is_due { self.poll_out(cx)? } else { Poll::Ready(()) };
        // A socket that takes no more calls by itself once it does.
        self.is_called = gone.is_pending();
        let is_full = self.bytes.len() >= MOST;
        let is_more = !is_full || self.ahead < AHEAD;
        let Self { io, inbound, malformed, .. } = &mut *self;
        let counts = ready!(inbound.poll_read(io, cx, buf, is_more, |stream| malformed.is_over(stream)))?;
        if is_full {
            self.ahead += counts;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Gathered<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let taken = ready!(self.poll_room(cx))?.min(buf.len());
        self.bytes.extend_from_slice(&buf[..taken]);
        self.malformed.look(&buf[..taken]);
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
            self.bytes.extend_from_slice(part);
            self.malformed.look(part);
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::{Wake, Waker},
    };

    use hyper::rt::ReadBuf;

    use super::{
        super::{traffic::Traffic, turn::Turns as Parts},
        *,
    };

    /// Takes so many bytes and no more, and remembers what was written at once.
    #[derive(Default)]
    struct Socket {
        room: usize,
        written: Vec<Vec<u8>>,
        is_shut: bool,
    }

    impl Read for Socket {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl Write for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.written.push(buf[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut = true;
            Poll::Ready(Ok(()))
        }
    }

    /// A connection's task: a turn of it is a look for what has arrived, then a write of each of these, flushed.
    struct Turns {
        io: Gathered<Socket>,
        calls: Arc<Calls>,
    }

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    impl Turns {
        fn with_room(room: usize) -> Self {
            let turn = Parts::new(&Arc::new(Traffic::new(1))).turn();
            Self {
                io: Gathered::new(Socket { room, ..Socket::default() }, Malformed::new(|| {}), turn),
                calls: Arc::default(),
            }
        }

        /// How much was taken.
        fn turn(&mut self, writes: &[&[u8]]) -> usize {
            let waker = Waker::from(Arc::clone(&self.calls));
            let cx = &mut Context::from_waker(&waker);
            let mut space = [0; 8];
            assert!(Pin::new(&mut self.io).poll_read(cx, ReadBuf::new(&mut space).unfilled()).is_pending());
            let mut taken = 0;
            for bytes in writes {
                let bufs = [io::IoSlice::new(&bytes[..bytes.len() / 2]), io::IoSlice::new(&bytes[bytes.len() / 2..])];
                let Poll::Ready(written) = Pin::new(&mut self.io).poll_write_vectored(cx, &bufs) else { break };
                taken += written.expect("taken");
                assert!(Pin::new(&mut self.io).poll_flush(cx).is_ready());
            }
            taken
        }

        fn calls(&self) -> usize {
            self.calls.0.load(Relaxed)
        }
    }

    #[test]
    fn the_writes_of_one_turn_go_out_together_in_the_next() {
        let mut turns = Turns::with_room(MOST);
        assert_eq!(turns.turn(&[b"one ", b"two ", b"three"]), 13);
        assert!(turns.io.io.written.is_empty());
        assert_eq!(turns.calls(), 1);
        turns.turn(&[]);
        assert_eq!(turns.io.io.written, [b"one two three"]);
        turns.turn(&[]);
        assert_eq!(turns.calls(), 1, "there is nothing to do");
    }

    #[test]
    fn a_socket_that_takes_nothing_is_waited_for_and_not_asked_again_and_again() {
        let mut turns = Turns::with_room(4);
        turns.turn(&[b"abcdef"]);
        let before = turns.calls();
        turns.turn(&[b"gh"]);
        turns.turn(&[b"ij"]);
        assert_eq!((turns.calls(), turns.io.io.written.len()), (before, 1));
        turns.io.io.room = MOST;
        turns.turn(&[]);
        assert_eq!(turns.io.io.written.concat(), b"abcdefghij");
    }

    #[test]
    fn no_more_is_gathered_than_fits() {
        let mut turns = Turns::with_room(0);
        assert_eq!(turns.turn(&[&vec![b'x'; MOST + 1]]), MOST);
        assert_eq!(turns.turn(&[b"y"]), 0);
        turns.io.io.room = 2 * MOST;
        assert_eq!(turns.turn(&[b"y"]), 1);
        turns.turn(&[]);
        assert_eq!(turns.io.io.written.iter().map(Vec::len).collect::<Vec<_>>(), [MOST, 1]);
        assert!(turns.io.bytes.capacity() <= KEPT);
    }

    #[test]
    fn what_is_gathered_goes_out_before_the_end() {
        let mut turns = Turns::with_room(MOST);
        turns.turn(&[b"last words"]);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut turns.io).poll_shutdown(cx).is_ready());
        assert_eq!(turns.io.io.written, [b"last words"]);
        assert!(turns.io.io.is_shut);
    }
}
