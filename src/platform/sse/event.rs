//! An event of a stream, line by line, until a blank one closes it.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::memory::{self, make_room};

/// What stands between two blank lines, where that is an id or data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The `id` the event itself carries. An empty one is none, and takes back those before it.
    pub id: Option<String>,
    /// Its data.
    pub data: Payload,
    /// Whether it is named as servers name what only keeps a connection alive.
    pub is_ping: bool,
}

/// An event's data. Its Debug says only how much.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// There is none: no event, but its id counts.
    None,
    /// The data lines, joined by line feeds.
    Data(Bytes),
    /// It was larger than the cap; a digest of it, the same for the same bytes however they arrived.
    TooLarge(u64),
}

/// The event so far.
#[derive(Default)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    /// The data lines; the first one as it came, until there is a second.
    data: Option<Bytes>,
    too_large: Option<Digest>,
    pub(super) is_ping: bool,
}

/// FNV-1a over bytes that are not kept: the same for any split of them.
struct Digest(u64);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::TooLarge(_) => f.write_str("TooLarge"),
        }
    }
}

impl Payload {
    /// How many bytes are there.
    #[must_use]
    pub fn size(&self) -> usize {
        if let Self::Data(data) = self { data.len() } else { 0 }
    }
}

impl Event {
    pub(super) fn add_data(&mut self, value: Bytes, cap: usize) {
        // With the line feed between two lines.
        let size = self.data.as_ref().map_or(0, |data| data.len() + 1) + value.len();
        if size > cap || self.too_large.is_some() {
            return self.digest(&value);
        }
        self.data = Some(match self.data.take() {
            None => value,
            Some(before) => {
                // Not a copy from the second time on: nobody else has a part of it then.
                let mut data = BytesMut::from(before);
                make_room(&mut data, value.len() + 1, cap);
                data.extend_from_slice(b"\n");
                data.extend_from_slice(&value);
                data.freeze()
            }
        });
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.data.as_ref().map_or(0, Bytes::len) + self.id.as_ref().map_or(0, String::len)
    }

    /// Whether there is any data so far.
    pub(super) fn has_data(&self) -> bool {
        self.data.is_some() || self.too_large.is_some()
    }

    /// Takes a part of data in that is too large to be kept.
    pub(super) fn digest(&mut self, part: &[u8]) {
        let digest = self.too_large.get_or_insert(Digest(0xcbf2_9ce4_8422_2325));
        if let Some(data) = self.data.take() {
            digest.add(&data);
        }
        digest.add(part);
    }

    pub(super) fn frame(self) -> Option<Frame> {
        let Self { id, data, too_large, is_ping } = self;
        let data = match (too_large, data) {
            (Some(Digest(digest)), _) => Payload::TooLarge(digest),
            (None, Some(data)) => Payload::Data(data),
            (None, None) if id.is_some() => Payload::None,
            (None, None) => return None,
        };
        Some(Frame { id, data, is_ping })
    }
}

impl Digest {
    fn add(&mut self, part: &[u8]) {
        let fold = |digest: u64, byte: &u8| (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.0 = memory::aside(part.len(), || part.iter().fold(self.0, fold));
    }
}
