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

    /// Passes on what has arrived, where it may be more: for what it counts then. `is_over` knows the
    /// streams that are over from here.
    pub fn poll_read<I: Read + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
        is_more: bool,
        is_over: impl Fn(Stream) -> bool,
    ) -> Poll<io::Result<usize>> {
        let mut counts = 0;
        loop {
            let mut space = [const { MaybeUninit::uninit() }; PIECE];
            let mut read = ReadBuf::uninit(&mut space);
            let mut is_end = false;
            // What was looked at goes on together: with a turn in between, the library may have forgotten the stream again.
            if self.looked == 0 {
                let (most, heads) = ready!(self.turn.poll_more(cx));
                if !is_more {
                    return Poll::Pending;
                }
                read = ReadBuf::uninit(&mut space[..most.min(PIECE).min(buf.remaining())]);
                if self.left.len() < self.arriving.wanted() {
                    ready!(Pin::new(&mut *io).poll_read(cx, read.unfilled()))?;
                    is_end = read.filled().is_empty();
                }
                if !self.left.is_empty() {
                    self.left.extend_from_slice(read.filled());
                }
                let arrived = if self.left.is_empty() { read.filled() } else { &self.left };
                let looked = self.arriving.look(arrived, heads, &is_over);
                counts += self.turn.read(&looked);
                self.looked = if is_end { arrived.len() } else { looked.bytes };
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
            if passed > 0 || is_end {
                return Poll::Ready(Ok(counts));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc, task::Waker};

    use proptest::prelude::*;

    use super::{
        super::{patience::PREFACE, traffic::Traffic, turn::Turns},
        *,
    };

    const HEADERS: u8 = 1;
    const END_HEADERS: u8 = 4;

    /// Comes piece by piece, and then to its end.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut buf: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let mut piece = self.0.pop_front().unwrap_or_default();
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Poll::Ready(Ok(()))
        }
    }

    /// What is passed on, to one who has so much room each time, where this stream is over.
    fn passed(bytes: &[u8], size: usize, room: usize, over: Stream) -> Vec<u8> {
        let mut io = Pieces(bytes.chunks(size).map(<[u8]>::to_vec).collect());
        let mut inbound = Inbound::new(Turns::new(&Arc::new(Traffic::new(1))).turn());
        let mut all = Vec::new();
        loop {
            let mut space = vec![0; room];
            let mut buf = ReadBuf::new(&mut space);
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(inbound.poll_read(&mut io, cx, buf.unfilled(), true, |stream| stream == over).is_ready());
            if buf.filled().is_empty() {
                return all;
            }
            all.extend_from_slice(buf.filled());
        }
    }

    proptest! {
        #[test]
        fn everything_goes_on_and_a_reset_before_trailers_on_a_stream_that_is_over(
            frames in prop::collection::vec((0_u8..11, 1_u8..3, 0_u8..40), 0..20),
            size in 1_usize..60,
            room in 1_usize..60,
        ) {
            let mut bytes = vec![b'x'; PREFACE];
            let mut expected = bytes.clone();
            let mut newest = 0;
            for (kind, stream, length) in frames {
                let frame = [&[0, 0, length, kind, END_HEADERS, 0, 0, 0, stream], &*vec![HEADERS; length.into()]].concat();
                let is_new = kind == HEADERS && stream > newest;
                if is_new {
                    newest = stream;
                } else if (kind, stream) == (HEADERS, 1) {
                    expected.extend([0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 1, WEIGHT]);
                }
                bytes.extend_from_slice(&frame);
                expected.extend(frame);
            }
            prop_assert_eq!(passed(&bytes, size, room, [0, 0, 0, 1]), expected);
            // What ends in the middle does so here, too.
            let cut = &bytes[..bytes.len() - bytes.len().min(room)];
            prop_assert_eq!(passed(cut, size, room, [0; 4]), cut);
        }
    }
}
