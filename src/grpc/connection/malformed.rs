//! Requests that HTTP/2 itself refuses, before anybody here hears of them: an `:authority` with a `|` or a blank in it, a
//! head without a path. The library resets their streams without a word, so they are counted where the resets go out. And
//! which streams are over from here, for what may still come for them.

use std::collections::VecDeque;

use super::arriving::Stream;

/// The kind of the frame that resets a stream, its head with its code in bytes, and the code for what is malformed
/// (RFC 9113, 6.4 and 7).
const RST_STREAM: u8 = 3;
const RESET: usize = 13;
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
/// The length of a frame's head in bytes.
const HEAD: usize = 9;
/// What ends a stream from here as well: an answer's last frame.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
/// The streams that are remembered: of what comes later, the other end has heard of the end before it sent it.
const REMEMBERED: usize = 1_024;

/// Looks for these resets in all that is written to one connection.
pub struct Malformed {
    tell: Box<dyn Fn() + Send>,
    /// The frame's first bytes, and how many are known.
    first: [u8; RESET],
    known: usize,
    /// How many of its bytes are of no interest.
    rest: usize,
    /// The streams that were over last.
    over: VecDeque<Stream>,
}

impl Malformed {
    /// Has each one told.
    pub fn new(tell: impl Fn() + Send + 'static) -> Self {
        Self { tell: Box::new(tell), first: [0; RESET], known: 0, rest: 0, over: VecDeque::new() }
    }

    /// Whether this stream has been over from here for a moment: answered to the end, or reset.
    pub fn is_over(&self, stream: Stream) -> bool {
        self.over.contains(&stream)
    }

    fn remember(&mut self, stream: Stream) {
        if self.over.len() == REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(stream);
    }

    /// Looks at what is written next.
    pub fn look(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let wanted = if self.known < HEAD { HEAD } else { RESET };
            let (next, behind) = bytes.split_at((wanted - self.known).min(bytes.len()));
            self.first[self.known..self.known + next.len()].copy_from_slice(next);
            self.known += next.len();
            bytes = behind;
            match self.first {
                _ if self.known < wanted => {}
                [_, _, _, RST_STREAM, ..] if wanted == HEAD => {}
                [a, b, c, kind, flags, stream @ .., _, _, _, _] if wanted == HEAD => {
                    if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                        self.remember(stream);
                    }
                    self.rest = u32::from_be_bytes([0, a, b, c]) as usize;
                    self.known = 0;
                }
                [_, _, _, _, _, stream @ .., d, e, f, g] => {
                    self.known = 0;
                    if self.is_over(stream) {
                        continue;
                    }
                    self.remember(stream);
                    if [d, e, f, g] == PROTOCOL_ERROR {
                        (self.tell)();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
        [&[a, b, c, kind, 0, 0, 0, 0, stream], payload].concat()
    }

    proptest! {
        #[test]
        fn each_one_is_told_once_however_the_bytes_are_cut(
            frames in prop::collection::vec((0_u8..11, prop::collection::vec(0_u8..4, 0..30), 0_u8..4), 0..20),
            size in 1_usize..40,
        ) {
            let mut bytes = Vec::new();
            let mut expected = 0;
            for (stream, (kind, payload, code)) in (1..).zip(frames) {
                if kind == RST_STREAM {
                    expected += usize::from(code == 1);
                    bytes.extend(frame(kind, stream, &[0, 0, 0, code]));
                } else {
                    bytes.extend(frame(kind, stream, &payload));
                }
            }
            let told = Arc::new(AtomicUsize::new(0));
            let tell = Arc::clone(&told);
            let mut malformed = Malformed::new(move || { tell.fetch_add(1, Relaxed); });
            bytes.chunks(size).for_each(|piece| malformed.look(piece));
            prop_assert_eq!(told.load(Relaxed), expected);
        }
    }
}
