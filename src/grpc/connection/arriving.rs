//! What arrives on a connection, by the heads of its frames: how much of it is no data, and whether a request's head is
//! under way. Not what stands in them: that is HTTP/2's.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::patience::PREFACE;
use crate::memory::{Few, Place};

/// The kinds of frames that matter, and the flag of a head's last one (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// The length of a frame's own head in bytes.
const HEAD: usize = 9;

/// Heads of more than one frame that are under way, over all connections: HTTP/2 keeps up to 192 KiB of each until its last
/// byte has come. One that a mesh sends takes a moment; nobody is refused for those that others leave unfinished.
static UNFINISHED: Few = Few::new(64);

/// Looks at all that arrives on one connection.
#[derive(Default)]
pub struct Arriving {
    /// How much of the preface has come.
    preface: usize,
    /// The head of the frame that is under way, and how much of it is known.
    head: [u8; HEAD],
    known: usize,
    /// How much is missing of what it announces.
    rest: usize,
    /// Held while a request's head is under way.
    place: Option<Arc<Place>>,
}

impl Arriving {
    /// Looks at what has arrived next; how many bytes of it are no data.
    pub fn look(&mut self, mut bytes: &[u8]) -> usize {
        let skipped = (PREFACE - self.preface).min(bytes.len());
        self.preface += skipped;
        bytes = &bytes[skipped..];
        let mut others = skipped;
        while !bytes.is_empty() {
            if self.known < HEAD {
                let (next, behind) = bytes.split_at((HEAD - self.known).min(bytes.len()));
                self.head[self.known..self.known + next.len()].copy_from_slice(next);
                self.known += next.len();
                others += next.len();
                bytes = behind;
                let [a, b, c, ..] = self.head;
                self.rest = u32::from_be_bytes([0, a, b, c]) as usize;
            } else {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                others += if self.head[3] == DATA { 0 } else { passed };
                bytes = &bytes[passed..];
            }
            if self.known == HEAD {
                self.note();
            }
        }
        others
    }

    /// Whether the connection has to end, since its other end has begun a head and others have begun theirs later.
    pub fn poll_gives_way(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.place.as_ref().map_or(Poll::Pending, |place| place.poll_gives_way(cx))
    }

    /// Notes what the frame says whose head is known.
    fn note(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        if matches!(kind, HEADERS | CONTINUATION) {
            if flags & END_HEADERS == 0 {
                self.place.get_or_insert_with(|| UNFINISHED.enter());
            } else if self.rest == 0 {
                self.place = None;
            }
        }
        if self.rest == 0 {
            self.known = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(length).expect("a frame").to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], &*vec![HEADERS; length]].concat()
    }

    proptest! {
        #[test]
        fn what_is_no_data_is_counted_however_the_bytes_are_cut(
            frames in prop::collection::vec((0_u8..11, 0_usize..40), 0..20),
            size in 1_usize..40,
        ) {
            let mut bytes = vec![b'x'; PREFACE];
            let mut expected = PREFACE;
            for (kind, length) in frames {
                bytes.extend(frame(kind, 0, length));
                expected += HEAD + if kind == DATA { 0 } else { length };
            }
            let mut arriving = Arriving::default();
            prop_assert_eq!(bytes.chunks(size).map(|piece| arriving.look(piece)).sum::<usize>(), expected);
        }
    }

    #[test]
    fn a_head_is_under_way_until_the_last_byte_of_its_last_frame() {
        let mut arriving = Arriving::default();
        arriving.look(&[0; PREFACE]);
        for (bytes, is_under_way) in [
            (frame(HEADERS, END_HEADERS, 5), false),
            (frame(HEADERS, 0, 5), true),
            (frame(CONTINUATION, 0, 5), true),
            (frame(CONTINUATION, END_HEADERS, 5)[..HEAD + 4].to_vec(), true),
            (vec![1], false),
            (frame(DATA, 0, 5), false),
        ] {
            arriving.look(&bytes);
            assert_eq!(arriving.place.is_some(), is_under_way, "{bytes:?}");
        }
    }
}
