//! A decoder of server-sent events: bytes in, events out. No I/O, no clock, and no JSON.
//!
//! As the WHATWG specification has it, but for four things: the data stays bytes (the JSON reader judges them), an event
//! whose data is larger than the cap is told by a digest instead of kept, of the names only a keep-alive's counts, and a
//! byte order mark is passed over before each line.

mod event;
#[cfg(test)]
mod tests;

use std::{mem, time::Duration};

use bytes::{Buf, BytesMut};

use self::event::Event;
pub use self::event::{Frame, Payload};
use crate::memory::make_room;

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The longest `id` that is remembered, in bytes.
const MAX_ID: usize = 1024;
/// What may stand before a line's data.
const BEFORE_DATA: usize = "\u{feff}data: ".len();
/// How large a buffer may be that an idle stream keeps, in bytes.
const KEPT: usize = 8 << 10;

/// Takes a stream's bytes in pieces of any size and gives its events in order.
pub struct Decoder {
    /// The largest data of one event, in bytes.
    cap: usize,
    /// Bytes that no line end has been seen for yet.
    pending: BytesMut,
    /// How many of them are known to hold no line end: each byte is looked at once.
    searched: usize,
    /// How large the buffer under them has become.
    room: usize,
    /// What becomes of the line that is pending.
    line: Line,
    /// Whether the last line ended in CR, so that a LF right after it belongs to it.
    after_cr: bool,
    event: Event,
    retry: Option<Duration>,
}

/// What becomes of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Kept,
    /// It is too large, and data.
    Digested,
    /// It is too large, and nothing that counts: a comment, say.
    Ignored,
}

impl Decoder {
    /// A decoder that does not keep events larger than `cap` bytes.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            pending: BytesMut::new(),
            searched: 0,
            room: 0,
            line: Line::Kept,
            after_cr: false,
            event: Event::default(),
            retry: None,
        }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let most = self.most();
        // A line that becomes too large is given up before it is kept, so that no buffer grows beyond the cap.
        if self.pending.len() + bytes.len() > most && self.searched == self.pending.len() {
            let rest = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
            if self.pending.len() + rest > most {
                self.give_up(&bytes[..rest]);
                self.after_cr = false;
                bytes = &bytes[rest..];
            }
        }
        make_room(&mut self.pending, bytes.len(), most);
        self.pending.extend_from_slice(bytes);
        self.room = self.room.max(self.pending.capacity());
    }

    /// The next event that a blank line has closed, if any. What none has closed at a stream's end is no event.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let end = self.line_end()?;
            if self.take_line(end)
                && let Some(frame) = mem::take(&mut self.event).frame()
            {
                return Some(frame);
            }
        }
    }

    /// How many bytes are held: a line, an event's data and its id.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pending.len() + self.event.held()
    }

    /// Gives up the event that is under way: there is no room for it.
    #[cold]
    pub fn skip(&mut self) {
        if self.pending.len() > BEFORE_DATA {
            self.give_up(&[]);
        }
        if self.event.has_data() {
            self.event.digest(&[]);
        }
    }

    /// Whether the bytes so far end in the middle of an event, and not between two or in a comment.
    #[must_use]
    pub fn is_in_event(&self) -> bool {
        let is_in_line = self.pending.first().is_some_and(|first| *first != b':') || self.line == Line::Digested;
        is_in_line || self.event.has_data()
    }

    /// How long the server wants clients to wait before they reconnect, when it has said so.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The largest line, in bytes.
    fn most(&self) -> usize {
        self.cap.saturating_add(BEFORE_DATA)
    }

    /// Where the line that is pending ends: CR, LF or both.
    fn line_end(&mut self) -> Option<usize> {
        if self.after_cr && self.searched == 0 && !self.pending.is_empty() {
            if self.pending[0] == b'\n' {
                self.pending.advance(1);
            }
            self.after_cr = false;
        }
        let end = memchr::memchr2(b'\r', b'\n', &self.pending[self.searched..]).map(|end| self.searched + end);
        if end.is_none() {
            self.searched = self.pending.len();
            if self.line != Line::Kept || self.pending.len() > self.most() {
                self.give_up(&[]);
            } else if self.pending.is_empty() && self.room > KEPT {
                self.let_go();
            }
        }
        end
    }

    /// Takes the line that ends there; whether it is a blank one.
    fn take_line(&mut self, end: usize) -> bool {
        self.after_cr = self.pending[end] == b'\r';
        self.searched = 0;
        if self.line != Line::Kept || end > self.most() {
            let rest = self.pending.split_to(end + 1);
            self.throw_away(&rest[..end], &[]);
            self.line = Line::Kept;
            return false;
        }
        self.take_kept(end)
    }

    fn take_kept(&mut self, end: usize) -> bool {
        let line = &self.pending[..end];
        let colon = memchr::memchr(b':', line).unwrap_or(end);
        let from = (colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '))).min(end);
        if &line[..colon] == b"data" {
            let mut line = self.pending.split_to(end + 1);
            line.truncate(end);
            line.advance(from);
            self.event.add_data(line.freeze(), self.cap);
            return false;
        }
        let value = &line[from..];
        match &line[..colon] {
            // One with control characters is none, as one with a NUL is by the standard: nobody could send it back.
            b"id" if value.len() <= MAX_ID => {
                let id = str::from_utf8(value).ok().filter(|id| !id.chars().any(char::is_control));
                self.event.id = id.map(str::to_owned).or(self.event.id.take());
            }
            b"event" => self.event.is_ping = matches!(value, b"ping" | b"keepalive" | b"keep-alive" | b"heartbeat"),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                self.retry = millis.map(Duration::from_millis).or(self.retry);
            }
            // Where each event is written by itself, each may have a mark of its own.
            [0xef, 0xbb, 0xbf, ..] => {
                let marks = line.chunks_exact(MARK.len()).take_while(|bytes| *bytes == MARK).count() * MARK.len();
                self.pending.advance(marks);
                return self.take_kept(end - marks);
            }
            // A line that starts with a colon is a comment.
            _ => {}
        }
        self.pending.advance(end + 1);
        end == 0
    }

    /// Gives up the line that is pending and has `more` of it: it is too large.
    #[cold]
    fn give_up(&mut self, more: &[u8]) {
        let pending = mem::take(&mut self.pending);
        self.throw_away(&pending, more);
        self.let_go();
    }

    /// Throws a part of a line away that is too large. Only data takes its event along.
    #[cold]
    fn throw_away(&mut self, part: &[u8], more: &[u8]) {
        if self.line == Line::Kept {
            let mut start = [0; BEFORE_DATA];
            start.iter_mut().zip(part.iter().chain(more)).for_each(|(to, from)| *to = *from);
            let start = start.strip_prefix(MARK).unwrap_or(&start);
            self.line = if start.starts_with(b"data:") { Line::Digested } else { Line::Ignored };
        }
        if self.line == Line::Digested {
            self.event.digest(part);
            self.event.digest(more);
        }
    }

    /// Gives the buffer's memory back: what a large event needed is not held for the rest of the stream.
    #[cold]
    fn let_go(&mut self) {
        (self.pending, self.searched, self.room) = (BytesMut::new(), 0, 0);
    }
}
