//! From JSON text to the encoding of struct.proto, without a tree: a first pass over the text finds out how long each
//! container is encoded, a second one writes.

use std::mem;

use prost::{bytes::BufMut, encoding::encoded_len_varint};

use super::{
    lengths::{Known, Lengths},
    numbers::{BOOL, FIELDS, ITEMS, KEY, LIST, NULL, NUMBER, STRING, STRUCT, VALUE},
    quoted::Quoted,
    reader::{Reader, Scalar},
    secrets::Secrets,
};

/// How many levels of protobuf messages free JSON may take. Most protobuf readers refuse a message nested deeper than
/// 100; what stands above the free JSON takes up to eight of them.
const MAX_LEVELS: usize = 90;
/// How deep a value may be nested to be taken apart, in containers; what is deeper is its text from end to end.
const MAX_NESTING: usize = 127;
/// What stands for a container that is nested too deep and holds a secret.
const OMITTED: &str = "(omitted: nested too deep to take the secrets out)";
/// What stands for a text in which a secret may be.
const WITHHELD: &str = "(omitted: it may have secrets in it)";
/// Instead of a container's length: it becomes its text.
const AS_TEXT: usize = usize::MAX;

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
    Number(&'a str),
    Written(Quoted<'a>),
    Text(&'a str),
    Empty(u8),
    /// Still to be read from its bracket on: what is in it stands at this place, and has this length.
    Container(u8, Place, usize),
}

/// A pass over a text.
pub struct Pass<'a, B> {
    /// The lengths of the containers that have something in them, as they are found.
    pub lengths: Lengths,
    /// Whether something was met that is nested too deep to be taken apart.
    pub is_too_deep: bool,
    /// The lengths that were found, and where to write; nothing in the first pass.
    output: Option<(Known<'a>, &'a mut B)>,
}

impl Place {
    /// Of a value by itself, or of an object whose attributes are such values; or of one that is nothing else than it is.
    pub fn top(secrets: Secrets, is_whole: bool) -> Self {
        Self { depth: 0, levels: MAX_LEVELS, is_whole, secrets }
    }

    /// The place inside a container, where that is not nested too deep.
    fn inside(self, bracket: u8) -> Option<Self> {
        // An object takes Struct, map entry and Value, a list ListValue and Value.
        let levels = self.levels.checked_sub(if bracket == b'{' { 3 } else { 2 })?;
        Some(Self { depth: self.depth + 1, levels, is_whole: false, ..self })
    }

    /// The text that a container becomes.
    fn text(self, json: &str) -> &str {
        if self.secrets.are_in(json) { OMITTED } else { json }
    }
}

impl Pass<'_, Vec<u8>> {
    /// The first one.
    pub fn first() -> Self {
        Self { lengths: Lengths::default(), is_too_deep: false, output: None }
    }
}

impl<'a, B: BufMut> Pass<'a, B> {
    /// The second one.
    pub fn second(lengths: &'a Lengths, buf: &'a mut B) -> Self {
        Self { lengths: Lengths::default(), is_too_deep: false, output: Some((lengths.iter(), buf)) }
    }

    /// The value that is next as a Value; how long that is.
    pub fn value(&mut self, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        let item = self.item(json, place)?;
        self.put(json, item, place)
    }

    /// The object that is next as a Struct; how long that is.
    pub fn object(&mut self, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        let mut length = 0;
        json.object(|json, key| {
            length += self.attribute(key, json, place)?;
            Some(())
        })?;
        Some(length)
    }

    /// The attribute of a Struct whose value is next; how long that is, which is nothing for a secret.
    #[inline]
    pub fn attribute<'t>(&mut self, key: Quoted<'t>, json: &mut Reader<'t>, place: Place) -> Option<usize> {
        let Some(secrets) = place.secrets.within(key) else { return json.skip().map(|_| 0) };
        let place = Place { secrets, ..place };
        let item = self.item(json, place)?;
        let (key_len, value_len) = (key.length(), item.value_len());
        self.head(FIELDS, delimited(key_len) + delimited(value_len));
        self.head(KEY, key_len);
        self.quoted(key);
        self.head(VALUE, value_len);
        Some(delimited(delimited(key_len) + delimited(self.put(json, item, place)?)))
    }

    /// The list that is next as a `ListValue`; how long that is.
    fn list(&mut self, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        let mut length = 0;
        json.list(|json| {
            let item = self.item(json, place)?;
            self.head(ITEMS, item.value_len());
            length += delimited(self.put(json, item, place)?);
            Some(())
        })?;
        Some(length)
    }

    /// The value that is next, read to its end unless it is a container.
    #[inline]
    fn item<'t>(&mut self, json: &mut Reader<'t>, place: Place) -> Option<Item<'t>> {
        let bracket = json.peek()?;
        if !matches!(bracket, b'{' | b'[') {
            return Some(match json.scalar()? {
                Scalar::Null => Item::Null,
                Scalar::Bool(truth) => Item::Bool(truth),
                Scalar::Number(number) if is_exact(number) => Item::Number(number),
                Scalar::Number(text) | Scalar::NotFinite(text) => Item::Text(text),
                Scalar::String(text) if place.secrets.may_be_in(text) => Item::Text(WITHHELD),
                Scalar::String(text) => Item::Written(text),
            });
        }
        let Some(inside) = place.inside(bracket) else {
            let (text, nesting) = json.skip_nested()?;
            self.is_too_deep |= place.depth + nesting > MAX_NESTING;
            return Some(Item::Text(place.text(text)));
        };
        if json.empty() {
            return Some(Item::Empty(bracket));
        }
        let length = match &mut self.output {
            Some((lengths, _)) => lengths.next()?,
            None => 0,
        };
        if length == AS_TEXT {
            return json.skip().map(|text| Item::Text(place.text(text)));
        }
        Some(Item::Container(bracket, inside, length))
    }

    /// Writes the Value of an item, and reads on where that is a container; how long it is.
    fn put(&mut self, json: &mut Reader<'_>, item: Item<'_>, place: Place) -> Option<usize> {
        match item {
            Item::Null => self.write(&[key_of(NULL, 0), 0]),
            Item::Bool(truth) => self.write(&[key_of(BOOL, 0), truth.into()]),
            Item::Number(number) => {
                if self.output.is_some() {
                    self.write(&[key_of(NUMBER, 1)]);
                    self.write(&number.parse::<f64>().ok()?.to_le_bytes());
                }
            }
            Item::Text(text) => {
                self.head(STRING, text.len());
                self.write(text.as_bytes());
            }
            Item::Written(text) => {
                self.head(STRING, text.length());
                self.quoted(text);
            }
            Item::Empty(bracket) => self.head(tag(bracket), 0),
            Item::Container(bracket, inside, length) => {
                let (start, begun) = (json.at(), self.output.is_none().then(|| self.lengths.begin()));
                self.head(tag(bracket), length);
                let length = if bracket == b'{' { self.object(json, inside) } else { self.list(json, inside) }?;
                let Some(begun) = begun else { return Some(length) };
                if place.is_whole && mem::take(&mut self.is_too_deep) {
                    self.lengths.end_empty(begun, AS_TEXT);
                    return Some(delimited(place.text(json.since(start)).len()));
                }
                self.lengths.end(begun, length);
                return Some(delimited(length));
            }
        }
        Some(item.value_len())
    }

    #[inline]
    fn head(&mut self, tag: u32, mut length: usize) {
        if self.output.is_none() {
            return;
        }
        let (mut head, mut at) = ([key_of(tag, 2); 11], 1);
        while length > 0x7f {
            head[at] = length.to_le_bytes()[0] | 0x80;
            (length, at) = (length >> 7, at + 1);
        }
        head[at] = length.to_le_bytes()[0];
        self.write(&head[..=at]);
    }

    fn quoted(&mut self, text: Quoted<'_>) {
        if self.output.is_some() {
            text.pieces(|piece| self.write(piece.as_bytes()));
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        if let Some((_, buf)) = &mut self.output {
            buf.put_slice(bytes);
        }
    }
}

impl Item<'_> {
    /// The length of its Value, as far as that is known.
    #[inline]
    fn value_len(self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 2,
            Self::Number(_) => 9,
            Self::Written(text) => delimited(text.length()),
            Self::Text(text) => delimited(text.len()),
            Self::Empty(_) => delimited(0),
            Self::Container(_, _, length) => delimited(length),
        }
    }
}

/// Whether a double says what a number says, as it is written: not where an integer falls between two doubles, or
/// beyond their range.
fn is_exact(number: &str) -> bool {
    /// As many digits fit below 2^53, whatever they are.
    const EXACT: usize = 15;
    let is_integer = !number.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if is_integer && number.len() <= EXACT {
        return true;
    }
    let double: f64 = number.parse().unwrap_or(f64::INFINITY);
    double.is_finite() && (!is_integer || format!("{double:.0}") == number)
}

/// How long a length-delimited field is.
#[inline]
fn delimited(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

/// A field's key, which takes one byte.
fn key_of(tag: u32, wire_type: u8) -> u8 {
    tag.to_le_bytes()[0] << 3 | wire_type
}

fn tag(bracket: u8) -> u32 {
    if bracket == b'{' { STRUCT } else { LIST }
}
