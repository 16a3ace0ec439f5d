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
/// The largest frame's rest; one that says more ends the connection, too.
const FRAME: usize = 16 << 10;
/// The largest head of a request that HTTP/2 would read to its end, in bytes: a larger one ends the connection.
const LARGEST: usize = 192 << 10;

/// Heads of more than one frame that are under way, over all connections: HTTP/2 keeps up to 192 KiB of each until its last
/// byte has come. One that a mesh sends takes a moment; nobody is refused for those that others leave unfinished.
static UNFINISHED: Few = Few::new(64);

/// A stream, as it stands in a frame's head.
pub type Stream = [u8; 4];

/// What was looked at.
pub struct Looked {
    /// How many bytes.
    pub bytes: usize,
    /// How many of them are no data.
    pub others: usize,
    /// How many heads of requests, or trailers, end in them.
    pub heads: usize,
    /// The stream that is over from here, and has trailers behind them.
    pub forgotten: Option<Stream>,
}

/// Looks at all that arrives on one connection.
#[derive(Default)]
pub struct Arriving {
    /// How much of the preface has come.
    preface: usize,
    /// The stream whose head came last.
    newest: Stream,
    /// The head of the frame that is under way.
    head: [u8; HEAD],
    /// How much is missing of what it announces.
    rest: usize,
    /// How much has to be there to go on; nothing in the middle of a frame.
    wanted: usize,
    /// Held while a request's head is under way.
    place: Option<Arc<Place>>,
}

impl Arriving {
    /// How many bytes have to be there, so that there is something to look at.
    pub fn wanted(&self) -> usize {
        self.wanted.max(1)
    }

    /// Looks at what has arrived next, up to the end of so many heads. A frame's own head is looked at as a whole. Before
    /// trailers on a stream that is over from here it ends, and says so once they are there to their end.
    pub fn look(&mut self, arrived: &[u8], most: usize, is_over: impl Fn(Stream) -> bool) -> Looked {
        let skipped = (PREFACE - self.preface).min(arrived.len());
        self.preface += skipped;
        let mut bytes = &arrived[skipped..];
        let (mut others, mut heads, mut forgotten) = (skipped, 0, None);
        self.wanted = 0;
        while !bytes.is_empty() && heads < most {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                others += if self.head[3] == DATA { 0 } else { passed };
                bytes = &bytes[passed..];
            } else {
                let Some((head, behind)) = bytes.split_first_chunk::<HEAD>() else {
                    self.wanted = HEAD;
                    break;
                };
                let [a, b, c, kind, _, stream @ ..] = *head;
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                let is_new = stream > self.newest;
                if kind == HEADERS && !is_new && is_over(stream) {
                    let whole = whole(bytes);
                    if bytes.len() < whole {
                        self.wanted = whole;
                        self.place.get_or_insert_with(|| UNFINISHED.enter());
                    } else {
                        forgotten = Some(stream);
                    }
                    break;
                }
                if kind == HEADERS && is_new {
                    self.newest = stream;
                }
                others += HEAD;
                (self.head, self.rest, bytes) = (*head, length, behind);
            }
            heads += usize::from(self.is_end_of_a_head());
        }
        Looked { bytes: arrived.len() - bytes.len(), others, heads, forgotten }
    }

    /// Whether the connection has to end, since its other end has begun a head and others have begun theirs later.
    pub fn poll_gives_way(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.place.as_ref().map_or(Poll::Pending, |place| place.poll_gives_way(cx))
    }

    /// Notes what the frame says that is under way; whether a request's head ends with it here.
    fn is_end_of_a_head(&mut self) -> bool {
        let [_, _, _, kind, flags, ..] = self.head;
        if !matches!(kind, HEADERS | CONTINUATION) {
            return false;
        }
        if flags & END_HEADERS == 0 {
            self.place.get_or_insert_with(|| UNFINISHED.enter());
            return false;
        }
        let is_end = self.rest == 0;
        if is_end {
            self.place = None;
        }
        is_end
    }
}

/// How many bytes the frames of the head at the beginning have, as far as that is known.
fn whole(bytes: &[u8]) -> usize {
    let mut end = 0;
    while end < LARGEST {
        let Some(&[a, b, c, _, flags, ..]) = bytes.get(end..end + HEAD) else { return end + HEAD };
        end += HEAD + FRAME.min(u32::from_be_bytes([0, a, b, c]) as usize);
        if flags & END_HEADERS != 0 {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(length).expect("a frame").to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], &*vec![HEADERS; length]].concat()
    }

    fn look(arriving: &mut Arriving, bytes: &[u8], most: usize) -> Looked {
        arriving.look(bytes, most, |_| false)
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
            let (mut left, mut others) = (Vec::new(), 0);
            for piece in bytes.chunks(size) {
                left.extend_from_slice(piece);
                let looked = look(&mut arriving, &left, usize::MAX);
                left.drain(..looked.bytes);
                others += looked.others;
            }
            prop_assert_eq!((others, left.len()), (expected, 0));
        }
    }

    #[test]
    fn a_head_is_under_way_until_the_last_byte_of_its_last_frame() {
        let mut arriving = Arriving::default();
        look(&mut arriving, &[0; PREFACE], 1);
        for (bytes, is_under_way) in [
            (frame(HEADERS, END_HEADERS, 5), false),
            (frame(HEADERS, 0, 5), true),
            (frame(CONTINUATION, 0, 5), true),
            (frame(CONTINUATION, END_HEADERS, 5)[..HEAD + 4].to_vec(), true),
            (vec![1], false),
            (frame(DATA, 0, 5), false),
        ] {
            look(&mut arriving, &bytes, usize::MAX);
            assert_eq!(arriving.place.is_some(), is_under_way, "{bytes:?}");
        }
    }

    #[test]
    fn no_more_heads_are_taken_than_asked_for() {
        let head = frame(HEADERS, END_HEADERS, 3);
        let bytes = [&[b'x'; PREFACE][..], &head, &frame(DATA, 0, 5), &head, &head[..HEAD]].concat();
        let mut arriving = Arriving::default();
        let mut rest = &bytes[..];
        let taken = [1, 1, 1].map(|most| {
            let looked = look(&mut arriving, rest, most);
            rest = &rest[looked.bytes..];
            (looked.bytes, looked.heads)
        });
        assert_eq!(taken, [(PREFACE + 12, 1), (HEAD + 5 + 12, 1), (HEAD, 0)]);
    }

    #[test]
    fn trailers_on_a_stream_that_is_over_are_told_once_they_are_whole() {
        let (data, head) = (frame(DATA, 0, 5), frame(HEADERS, END_HEADERS, 3));
        let bytes = [&*data, &head].concat();
        let mut arriving = Arriving::default();
        let request = [&[b'x'; PREFACE][..], &head].concat();
        assert_eq!(arriving.look(&request, usize::MAX, |_| true).bytes, request.len());
        let mut look = |bytes: &[u8]| {
            let looked = arriving.look(bytes, usize::MAX, |stream| stream == [0, 0, 0, 1]);
            (looked.bytes, looked.forgotten, arriving.wanted())
        };
        let before = data.len();
        assert_eq!(look(&bytes[..before + 4]), (before, None, HEAD));
        assert_eq!(look(&head[..HEAD + 1]), (0, None, HEAD + 3));
        assert_eq!(look(&head), (0, Some([0, 0, 0, 1]), 1));
        let (first, last) = (frame(HEADERS, 0, 7), frame(CONTINUATION, END_HEADERS, 2));
        assert_eq!(look(&first), (0, None, 2 * HEAD + 7));
        assert_eq!(look(&[first, last].concat()), (0, Some([0, 0, 0, 1]), 1));
    }
}
