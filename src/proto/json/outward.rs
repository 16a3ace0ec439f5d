//! From JSON text to the encoding of struct.proto, in two passes over the text and without a tree: the first one finds
//! out how long each container is encoded, the second one writes.

use std::mem;

use prost::{
    bytes::BufMut,
    encoding::{self, WireType, encode_key, encode_varint},
};

use super::{
    nesting::Bracket,
    number::exact,
    reader::{Quoted, Reader, Scalar},
    secrets::Secrets,
    tags::{BOOL, FIELDS, ITEMS, KEY, LIST, NULL, NUMBER, STRING, STRUCT, VALUE, delimited},
};

/// How many levels of protobuf messages free JSON may take. Most protobuf readers refuse a message nested deeper than
/// 100; what stands above the free JSON takes up to eight of them.
const MAX_LEVELS: usize = 90;
/// How deep a value may be nested to be taken apart, in containers; what is deeper is its text from end to end.
const MAX_NESTING: usize = 127;
/// What stands for a container that is nested too deep and holds a secret.
const LEFT_OUT: &str = "(left out: nested too deep to take the secrets out)";
/// Instead of a container's length: it becomes its text.
const AS_TEXT: u32 = u32::MAX;

/// Where a value stands.
#[derive(Clone, Copy)]
pub struct Place {
    /// How many containers are around it.
    depth: usize,
    /// How many levels of messages are left for it.
    levels: usize,
    /// Whether it becomes text as a whole where it is nested too deep to be taken apart.
    is_whole: bool,
    secrets: Secrets,
}

/// A value as it is encoded.
#[derive(Clone, Copy)]
enum Item<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Written(Quoted<'a>),
    Text(&'a str),
    Empty(Bracket),
    /// Still to be read, what is in it at this place.
    Container(Bracket, Place),
}

/// Finds out the lengths of the containers that have something in them, in the order in which they begin.
#[derive(Default)]
pub struct Measure {
    pub lengths: Vec<u32>,
    /// Whether something was met that is nested too deep to be taken apart.
    pub is_too_deep: bool,
}

/// Writes, with the lengths at hand.
pub struct Writer<'a, B> {
    pub lengths: std::slice::Iter<'a, u32>,
    pub buf: &'a mut B,
}

impl Place {
    /// Of a value by itself, or of an object whose attributes are such values; or of one that is nothing else than it is.
    pub fn top(secrets: Secrets, is_whole: bool) -> Self {
        Self { depth: 0, levels: MAX_LEVELS, is_whole, secrets }
    }

    /// The place inside a container, where that is not nested too deep.
    fn inside(self, bracket: Bracket) -> Option<Self> {
        // An object takes Struct, map entry and Value, a list ListValue and Value.
        let levels = self.levels.checked_sub(if bracket == Bracket::Object { 3 } else { 2 })?;
        Some(Self { depth: self.depth + 1, levels, is_whole: false, ..self })
    }

    /// The place of an attribute's value, unless it is a secret.
    fn of(self, key: Quoted<'_>) -> Option<Self> {
        Some(Self { secrets: self.secrets.within(key)?, ..self })
    }

    /// The text that a container becomes.
    fn text(self, json: &str) -> &str {
        if self.secrets.are_in(json) { LEFT_OUT } else { json }
    }
}

/// The value that is next, read to its end unless it is a container; whether it is nested too deep to be taken apart.
fn item<'a>(json: &mut Reader<'a>, place: Place) -> Option<(Item<'a>, bool)> {
    let Some(bracket) = json.opening() else {
        let item = match json.scalar()? {
            Scalar::Null => Item::Null,
            Scalar::Bool(truth) => Item::Bool(truth),
            Scalar::Number(number) => exact(number).map_or(Item::Text(number), Item::Number),
            Scalar::NotFinite(word) => Item::Text(word),
            Scalar::String(text) => Item::Written(text),
        };
        return Some((item, false));
    };
    if let Some(inside) = place.inside(bracket) {
        let is_empty = json.empty(bracket);
        return Some((if is_empty { Item::Empty(bracket) } else { Item::Container(bracket, inside) }, false));
    }
    let (text, nesting) = json.skip_nested()?;
    Some((Item::Text(place.text(text)), place.depth + nesting > MAX_NESTING))
}

impl Item<'_> {
    /// The length of its Value, with that of what is in a container.
    fn value_len(self, inside: usize) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 2,
            Self::Number(_) => 9,
            Self::Written(text) => delimited(length(text)),
            Self::Text(text) => delimited(text.len()),
            Self::Empty(_) => delimited(0),
            Self::Container(..) => delimited(inside),
        }
    }
}

impl Measure {
    /// The length of the Value that is next.
    pub fn value(&mut self, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        json.peek()?;
        let (start, first) = (json.at(), self.lengths.len());
        let (item, is_too_deep) = item(json, place)?;
        self.is_too_deep |= is_too_deep;
        let inside = match item {
            Item::Container(Bracket::Object, inside) => self.object(json, inside)?,
            Item::Container(Bracket::List, inside) => self.list(json, inside)?,
            _ => 0,
        };
        if place.is_whole && mem::take(&mut self.is_too_deep) {
            self.lengths.truncate(first);
            self.lengths.push(AS_TEXT);
            return Some(delimited(place.text(json.since(start)).len()));
        }
        Some(item.value_len(inside))
    }

    /// The length of the object that is next, as the Struct that stands at this place.
    pub fn object(&mut self, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        self.container(|measure, length_of_all| {
            json.object(|json, key| {
                match place.of(key) {
                    Some(place) => {
                        let value = measure.value(json, place)?;
                        *length_of_all += delimited(delimited(length(key)) + delimited(value));
                    }
                    None => drop(json.skip()?),
                }
                Some(())
            })
        })
    }

    fn list(&mut self, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        self.container(|measure, length| {
            json.list(|json| {
                *length += delimited(measure.value(json, place)?);
                Some(())
            })
        })
    }

    fn container(&mut self, read: impl FnOnce(&mut Self, &mut usize) -> Option<()>) -> Option<usize> {
        let at = self.lengths.len();
        self.lengths.push(0);
        let mut length = 0;
        read(self, &mut length)?;
        // A message of 4 GiB cannot be sent.
        self.lengths[at] = u32::try_from(length).unwrap_or(AS_TEXT - 1);
        Some(length)
    }
}

impl<B: BufMut> Writer<'_, B> {
    /// The object that is next, which has been measured.
    pub fn object(&mut self, json: &mut Reader<'_>, place: Place) -> Option<()> {
        self.lengths.next();
        self.entries(json, place)
    }

    /// The Value that is next, which has been measured.
    pub fn value(&mut self, json: &mut Reader<'_>, place: Place) -> Option<()> {
        let (item, inside) = self.item(json, place)?;
        self.put(json, item, inside)
    }

    fn entries(&mut self, json: &mut Reader<'_>, place: Place) -> Option<()> {
        json.object(|json, key| {
            let Some(place) = place.of(key) else { return json.skip().map(drop) };
            let (item, inside) = self.item(json, place)?;
            let (key_len, value_len) = (length(key), item.value_len(inside));
            self.head(FIELDS, delimited(key_len) + delimited(value_len));
            self.head(KEY, key_len);
            key.pieces(|piece| self.buf.put_slice(piece.as_bytes()));
            self.head(VALUE, value_len);
            self.put(json, item, inside)
        })
    }

    /// The value that is next, and the length of what is in it where it is a container.
    fn item<'t>(&mut self, json: &mut Reader<'t>, place: Place) -> Option<(Item<'t>, usize)> {
        let (item, _) = item(json, place)?;
        let is_measured = matches!(item, Item::Container(..));
        match if is_measured { *self.lengths.next()? } else { 0 } {
            AS_TEXT => Some((Item::Text(place.text(json.skip()?)), 0)),
            length => Some((item, length as usize)),
        }
    }

    fn put(&mut self, json: &mut Reader<'_>, item: Item<'_>, inside: usize) -> Option<()> {
        match item {
            Item::Null => encoding::int32::encode(NULL, &0, self.buf),
            Item::Bool(truth) => encoding::bool::encode(BOOL, &truth, self.buf),
            Item::Number(number) => encoding::double::encode(NUMBER, &number, self.buf),
            Item::Text(text) => {
                self.head(STRING, text.len());
                self.buf.put_slice(text.as_bytes());
            }
            Item::Written(text) => {
                self.head(STRING, length(text));
                text.pieces(|piece| self.buf.put_slice(piece.as_bytes()));
            }
            Item::Empty(bracket) => self.head(tag(bracket), 0),
            Item::Container(bracket @ Bracket::Object, place) => {
                self.head(tag(bracket), inside);
                return self.entries(json, place);
            }
            Item::Container(bracket @ Bracket::List, place) => {
                self.head(tag(bracket), inside);
                return json.list(|json| {
                    let (item, inside) = self.item(json, place)?;
                    self.head(ITEMS, item.value_len(inside));
                    self.put(json, item, inside)
                });
            }
        }
        Some(())
    }

    fn head(&mut self, tag: u32, length: usize) {
        encode_key(tag, WireType::LengthDelimited, self.buf);
        encode_varint(length as u64, self.buf);
    }
}

fn tag(bracket: Bracket) -> u32 {
    match bracket {
        Bracket::Object => STRUCT,
        Bracket::List => LIST,
    }
}

fn length(text: Quoted<'_>) -> usize {
    let mut length = 0;
    text.pieces(|piece| length += piece.len());
    length
}
