//! What arrives on a connection, on its way to HTTP/2: no more of it than one turn of the connection's task takes in. What
//! comes for a stream that the library has reset and forgotten is made bearable: to a second head there it answers with the
//! end of the connection, with everybody's calls on it.

use std::{
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBuf, ReadBufCursor};

use super::{
    arriving::{Arriving, Stream},
    turn::Turn,
};

/// How much is read at once, in bytes.
const PIECE: usize = 8 << 10;
/// A frame that has the library reset its stream, known or not, so that it is known for the next frame: PRIORITY, of a stream
/// that depends on itself (RFC 9113, 5.3.1).
const PRIORITY: [u8; 5] = [0, 0, 5, 2, 0];
const WEIGHT: u8 = 0;

/// What has arrived.
pub struct Inbound {
    turn: Turn,
    arriving: Arriving,
    /// What was not passed on yet, and how much of it was looked at.
    left: Vec<u8>,
    looked: usize,
}

impl Inbound {
    /// Nothing yet, for these turns.
    pub fn new(turn: Turn) -> Self {
        Self { turn, arriving: Arriving::default(), left: Vec::new(), looked: 0 }
    }

    /// Whether the connection has to end, since its other end has begun a head and others have begun theirs later.
    pub fn poll_gives_way(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.arriving.poll_gives_way(cx)
    }

    /// Passes on what has arrived, where it may be more: for what it counts then. `was_reset` knows the streams that were
    /// reset from here.
    pub fn poll_read<I: Read + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
        is_more: bool,
        was_reset: impl Fn(Stream) -> bool,
    ) -> Poll<io::Result<usize>> {
        let mut counts = 0;
        loop {
            let mut space = [const { MaybeUninit::uninit() }; PIECE];
            let mut read = ReadBuf::uninit(&mut space);
            let mut is_over = false;
            // What was looked at goes on together: with a turn in between, the library may have forgotten the stream again.
            if self.looked == 0 {
                let (most, heads) = ready!(self.turn.poll_more(cx));
                if !is_more {
                    return Poll::Pending;
                }
                read = ReadBuf::uninit(&mut space[..most.min(PIECE).min(buf.remaining())]);
                if self.left.len() < self.arriving.wanted() {
                    ready!(Pin::new(&mut *io).poll_read(cx, read.unfilled()))?;
                    is_over = read.filled().is_empty();
                }
                if !self.left.is_empty() {
                    self.left.extend_from_slice(read.filled());
                }
                let arrived = if self.left.is_empty() { read.filled() } else { &self.left };
                let looked = self.arriving.look(arrived, heads, &was_reset);
                counts += self.turn.read(&looked);
                self.looked = if is_over { arrived.len() } else { looked.bytes };
                if let Some(stream) = looked.forgotten {
                    let (before, behind) = arrived.split_at(looked.bytes);
                    let reset = [&PRIORITY[..], &stream, &stream, &[WEIGHT]].concat();
                    let looked = self.arriving.look(behind, 1, |_| false);
                    counts += self.turn.read(&looked);
                    self.looked += reset.len() + looked.bytes;
                    self.left = [before, &reset, behind].concat();
                }
            }
            let left = mem::take(&mut self.left);
            let arrived = if left.is_empty() { read.filled() } else { &left };
            let passed = self.looked.min(buf.remaining());
            buf.put_slice(&arrived[..passed]);
            self.looked -= passed;
            self.left = arrived[passed..].to_vec();
            // Nothing at all would be the connection's end.
            if passed > 0 || is_over {
                return Poll::Ready(Ok(counts));
            }
        }
    }
}
