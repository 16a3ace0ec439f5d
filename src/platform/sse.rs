//! A decoder of server-sent events: bytes in, events out. No I/O, no clock, and no JSON.
//!
//! As the WHATWG specification has it, but for two things: the data stays bytes (the JSON reader judges them), and an
//! event whose data is larger than the cap is left out and counted instead of kept.

use std::{fmt, mem, time::Duration};

use bytes::{Buf, Bytes, BytesMut};

use super::buffer::make_room;

/// The longest `id` that is remembered, in bytes.
const MAX_ID: usize = 1024;

/// One event with data. Its Debug says only how much.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The `id` the event itself carries.
    pub id: Option<String>,
    /// Its data lines, joined by line feeds.
    pub data: Bytes,
}

/// Takes a stream's bytes in pieces of any size and gives its events in order.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing about the bytes so far")]
pub struct Decoder {
    /// The largest line and the largest data of one event, in bytes.
    cap: usize,
    /// Bytes that no line end has been seen for yet.
    pending: BytesMut,
    /// How many of them are known to hold no line end: each byte is looked at once.
    searched: usize,
    /// Whether the line that is pending is being thrown away, being larger than the cap.
    discarding: bool,
    /// Whether the last line ended in CR, so that a LF right after it belongs to it.
    after_cr: bool,
    at_start: bool,
    id: Option<String>,
    /// The data lines of the event so far; the first one as it came, until there is a second.
    data: Option<Bytes>,
    oversized: bool,
    dropped: u64,
    retry: Option<Duration>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.data.len())
    }
}

impl Decoder {
    /// A decoder that leaves out events larger than `cap` bytes.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            pending: BytesMut::new(),
            searched: 0,
            discarding: false,
            after_cr: false,
            at_start: true,
            id: None,
            data: None,
            oversized: false,
            dropped: 0,
            retry: None,
        }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, mut bytes: &[u8]) {
        // A line that becomes too large is given up before it is kept, so that no buffer grows beyond the cap.
        if self.searched == self.pending.len() && self.pending.len() + bytes.len() > self.cap {
            let rest = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
            if self.pending.len() + rest > self.cap {
                self.throw_away();
                self.after_cr = false;
                bytes = &bytes[rest..];
            }
        }
        make_room(&mut self.pending, bytes.len(), self.cap);
        self.pending.extend_from_slice(bytes);
    }

    /// The next event that is complete, if any.
    pub fn next_frame(&mut self) -> Option<Frame> {
        while let Some(line) = self.next_line() {
            match line {
                Line::Discarded => {}
                Line::Whole(line) if line.is_empty() => {
                    if let Some(frame) = self.dispatch() {
                        return Some(frame);
                    }
                }
                Line::Whole(line) => self.field(&line),
            }
        }
        None
    }

    /// The event that the stream's end completes: one that lacks nothing but the blank line behind it. Whether it is
    /// torn shows when its data is read.
    pub fn finish(&mut self) -> Option<Frame> {
        let line = mem::take(&mut self.pending).freeze();
        self.searched = 0;
        if !self.discarding && !line.is_empty() {
            self.field(&line);
        }
        self.dispatch()
    }

    /// How many bytes are held: a line, an event's data and its id.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pending.len() + self.data.as_ref().map_or(0, Bytes::len) + self.id.as_ref().map_or(0, String::len)
    }

    /// How many events were left out since the last call, for being larger than the cap.
    pub fn take_dropped(&mut self) -> u64 {
        mem::take(&mut self.dropped)
    }

    /// How long the server wants clients to wait before they reconnect, when it has said so.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The next line without its end: CR, LF or both.
    fn next_line(&mut self) -> Option<Line> {
        if self.after_cr && self.searched == 0 && !self.pending.is_empty() {
            if self.pending[0] == b'\n' {
                self.pending.advance(1);
            }
            self.after_cr = false;
        }
        let Some(end) = memchr::memchr2(b'\r', b'\n', &self.pending[self.searched..]) else {
            self.searched = self.pending.len();
            if self.discarding || self.pending.len() > self.cap {
                self.throw_away();
            }
            return None;
        };
        let mut line = self.pending.split_to(self.searched + end + 1);
        self.after_cr = line[line.len() - 1] == b'\r';
        self.searched = 0;
        line.truncate(line.len() - 1);
        if mem::take(&mut self.discarding) || line.len() > self.cap {
            self.oversized = true;
            return Some(Line::Discarded);
        }
        if mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line.advance(3);
        }
        Some(Line::Whole(line.freeze()))
    }

    fn throw_away(&mut self) {
        self.pending = BytesMut::new();
        self.searched = 0;
        self.discarding = true;
        self.oversized = true;
    }

    fn field(&mut self, line: &Bytes) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let name = &line[..colon];
        let mut value = line.slice((colon + 1).min(line.len())..);
        if value.starts_with(b" ") {
            value.advance(1);
        }
        match name {
            b"data" => self.add_data(value),
            b"id" if value.len() <= MAX_ID && !value.contains(&0) => {
                self.id = String::from_utf8(value.into()).ok();
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok());
                self.retry = millis.map(Duration::from_millis).or(self.retry);
            }
            // An event's name says nothing that its data does not; a line that starts with a colon is a comment.
            _ => {}
        }
    }

    fn add_data(&mut self, value: Bytes) {
        // With the line feed between two lines.
        self.oversized |= self.data.as_ref().map_or(0, |data| data.len() + 1) + value.len() > self.cap;
        let before = self.data.take();
        if self.oversized {
            return;
        }
        self.data = Some(match before {
            None => value,
            Some(before) => {
                // Not a copy from the second time on: nobody else has a part of it then.
                let mut data = BytesMut::from(before);
                make_room(&mut data, value.len() + 1, self.cap);
                data.extend_from_slice(b"\n");
                data.extend_from_slice(&value);
                data.freeze()
            }
        });
    }

    fn dispatch(&mut self) -> Option<Frame> {
        let (id, data) = (self.id.take(), self.data.take());
        if mem::take(&mut self.oversized) {
            self.dropped += 1;
            return None;
        }
        data.map(|data| Frame { id, data })
    }
}

/// A line of the stream.
enum Line {
    Whole(Bytes),
    /// It was larger than the cap.
    Discarded,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Option<String>, String)> {
        let mut decoder = Decoder::new(64);
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            frames.extend(std::iter::from_fn(|| decoder.next_frame()));
        }
        frames.extend(decoder.finish());
        frames.into_iter().map(|frame| (frame.id, String::from_utf8_lossy(&frame.data).into_owned())).collect()
    }

    fn data(stream: &str) -> Vec<String> {
        decode([stream.as_bytes()]).into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn lines_end_in_lf_in_crlf_and_in_cr() {
        assert_eq!(data("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn comments_names_and_events_without_data_are_passed_over() {
        assert_eq!(data("\u{feff}: ping\n\nevent: x\nid: 7\n\ndata\n\ndata:a\ndata: b\n\n"), ["", "a\nb"]);
    }

    #[test]
    fn an_id_belongs_to_its_own_event() {
        let frames = decode([b"id: 7\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\n".as_slice()]);
        let ids: Vec<_> = frames.iter().map(|(id, _)| id.as_deref()).collect();
        assert_eq!(ids, [Some("7"), None, None]);
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let mut decoder = Decoder::new(64);
        decoder.push(b"retry: 1500\nretry: soon\nretry: 99999999999999999999\n");
        assert_eq!(decoder.next_frame(), None);
        assert_eq!(decoder.retry(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn the_end_of_the_stream_completes_an_event_that_lacks_only_its_blank_line() {
        assert_eq!(data("data: a\n\ndata: b\n"), ["a", "b"]);
        assert_eq!(data("data: a\n\ndata: b"), ["a", "b"]);
        assert_eq!(data(""), Vec::<String>::new());
    }

    #[test]
    fn an_event_over_the_cap_is_left_out_and_the_next_one_arrives() {
        let mut decoder = Decoder::new(8);
        let mut frames = Vec::new();
        for _ in 0..1_000 {
            decoder.push(b"data: xxxxxxxxxxxxxxxxxxxxxxxxxxxx");
            frames.extend(decoder.next_frame());
            assert!(decoder.pending.len() <= 64);
        }
        decoder.push(b"\n\ndata: a\n\ndata: 12345\ndata: 6789\n\ndata: b\n\n");
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
        assert_eq!(frames.iter().map(|frame| &frame.data[..]).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(decoder.take_dropped(), 2);
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_events(
            lines in prop::collection::vec(prop_oneof!["data: [a-zé]{0,9}", "id: [0-9]{1,3}", ":.{0,5}", Just(String::new())], 0..20),
            ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just("\r")], 20),
            cuts in prop::collection::vec(0_usize..400, 0..20),
        ) {
            let stream: String = lines.iter().zip(ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let stream = stream.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
            let bytewise = stream.chunks(1);
            let whole = decode([stream]);
            prop_assert_eq!(&decode(pieces), &whole);
            prop_assert_eq!(&decode(bytewise), &whole);
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            decode(pieces.iter().map(Vec::as_slice));
        }
    }
}
