//! From the encoding of struct.proto to JSON, without a tree: the bytes are checked once, when they arrive, and looked at
//! in their place when the JSON is written.
//!
//! As protobuf has it, messages that come in pieces are one: the values of one map entry, and the objects or lists of
//! one Value. Of two entries with the same key the last one counts.

use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap as _, SerializeSeq as _},
};
use serde_json::value::RawValue;

use super::{
    fault::{Fault, MAX_DEPTH},
    numbers::{BOOL, FIELDS, ITEMS, KEY, LIST, NULL, NUMBER, STRING, STRUCT, VALUE},
};
use crate::proto::fields::{Content, Field, Fields};

/// The messages of struct.proto.
#[derive(Clone, Copy)]
pub enum Message {
    Struct,
    Entry,
    Value,
    List,
}

/// Whether these are the fields of such a message in the container that is the `depth`th. What else is wrong with them
/// is noted.
pub fn check(message: Message, bytes: &[u8], depth: usize, fault: &mut Option<Fault>) -> bool {
    use Content::{Bytes, Fixed, Varint};
    let mut fields = Fields(bytes);
    let is_good = fields.by_ref().all(|field| match (message, field.tag, field.content) {
        (Message::Struct, FIELDS, Bytes(entry)) => check(Message::Entry, entry, depth, fault),
        (Message::Entry, VALUE, Bytes(value)) | (Message::List, ITEMS, Bytes(value)) => {
            check(Message::Value, value, depth, fault)
        }
        (Message::Entry, KEY, Bytes(text)) | (Message::Value, STRING, Bytes(text)) => str::from_utf8(text).is_ok(),
        (Message::Value, NULL | BOOL, Varint(_)) => true,
        (Message::Value, NUMBER, Fixed(bytes)) => {
            if !f64::from_le_bytes(bytes).is_finite() {
                fault.get_or_insert(Fault::NotFinite);
            }
            true
        }
        (Message::Value, STRUCT | LIST, Bytes(_)) if depth == MAX_DEPTH => {
            fault.get_or_insert(Fault::TooDeep);
            true
        }
        (Message::Value, STRUCT, Bytes(object)) => check(Message::Struct, object, depth + 1, fault),
        (Message::Value, LIST, Bytes(list)) => check(Message::List, list, depth + 1, fault),
        // A field of tomorrow, if it is none of those with another content.
        (Message::Struct | Message::List, tag, _) => tag != FIELDS,
        (Message::Entry, tag, _) => !(KEY..=VALUE).contains(&tag),
        (Message::Value, tag, _) => !(NULL..=LIST).contains(&tag),
    });
    is_good && fields.0.is_empty()
}

/// A Struct of several entries, as JSON.
pub struct Object<'a>(pub &'a [u8]);

/// A Value, as JSON.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A message of its own.
    Message(&'a [u8]),
    /// In the pieces that a map entry has of it.
    Entry(&'a [u8]),
}

/// What a Value is.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Null,
    Number(f64),
    Text(&'a str),
    Bool(bool),
    Container(Container<'a>),
}

/// An object or a list, which may come in pieces.
#[derive(Clone, Copy)]
struct Container<'a> {
    tag: u32,
    /// Which of the Value's fields the first piece is.
    first: usize,
    piece: &'a [u8],
    is_whole: bool,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object(self.0, Fields(self.0), serializer)
    }
}

/// An object of the entries among these fields, all of which lie in `whole`. By key, so that what is the same is written
/// the same, whatever order a caller's library has.
fn object<'a, S: Serializer>(
    whole: &'a [u8],
    fields: impl Iterator<Item = Field<'a>> + Clone,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let entries = fields.filter(|field| field.tag == FIELDS);
    let parts_of = |field: Field<'a>| parts(field.bytes().unwrap_or_default());
    let mut map = serializer.serialize_map(None)?;
    if entries.clone().map(parts_of).is_sorted_by(|(a, _), (b, _)| a < b) {
        for (key, value) in entries.map(parts_of) {
            map.serialize_entry(text(key), &value)?;
        }
        return map.end();
    }
    // Where each entry stands: four bytes, where the smallest one takes two.
    let mut places: Vec<u32> = Vec::new();
    let mut last = None;
    for field in entries {
        let (key, _) = parts_of(field);
        if last.replace(key) == Some(key) {
            places.pop();
        }
        places.push(u32::try_from(field.from.as_ptr().addr() - whole.as_ptr().addr()).map_err(S::Error::custom)?);
    }
    let entry = |place: u32| Fields(&whole[place as usize..]).next().map(parts_of).unwrap_or_default();
    // Stable, and fast where there are few keys.
    places.sort_by(|a, b| entry(*a).0.cmp(entry(*b).0));
    for (at, place) in places.iter().enumerate() {
        let (key, value) = entry(*place);
        // Of one key's entries the last.
        if places.get(at + 1).is_none_or(|next| entry(*next).0 != key) {
            map.serialize_entry(text(key), &value)?;
        }
    }
    map.end()
}

/// The key and the value of an entry.
fn parts(entry: &[u8]) -> (&[u8], Value<'_>) {
    let (mut key, mut value): (&[u8], Option<Value<'_>>) = (&[], None);
    for field in Fields(entry) {
        match (field.tag, field.content) {
            (KEY, Content::Bytes(bytes)) => key = bytes,
            (VALUE, Content::Bytes(_)) if value.is_some() => value = Some(Value::Entry(entry)),
            (VALUE, Content::Bytes(bytes)) => value = Some(Value::Message(bytes)),
            _ => {}
        }
    }
    (key, value.unwrap_or_default())
}

/// A text that is checked.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

impl Default for Value<'_> {
    fn default() -> Self {
        Self::Message(&[])
    }
}

impl<'a> Value<'a> {
    fn kind(self) -> Kind<'a> {
        match self {
            Self::Message(message) => kind(Fields(message)),
            Self::Entry(entry) => kind(pieces(entry, VALUE)),
        }
    }
}

/// The fields of a message's fields of this tag.
fn pieces(message: &[u8], tag: u32) -> impl Iterator<Item = Field<'_>> + Clone {
    Fields(message).filter(move |field| field.tag == tag).filter_map(Field::bytes).flat_map(Fields)
}

fn kind<'a>(fields: impl Iterator<Item = Field<'a>>) -> Kind<'a> {
    fields.enumerate().fold(Kind::Null, |kind, (at, field)| match (field.tag, field.content, kind) {
        (NULL, ..) => Kind::Null,
        (NUMBER, Content::Fixed(bytes), _) => Kind::Number(f64::from_le_bytes(bytes)),
        (STRING, Content::Bytes(bytes), _) => Kind::Text(text(bytes)),
        (BOOL, Content::Varint(truth), _) => Kind::Bool(truth != 0),
        (tag @ (STRUCT | LIST), _, Kind::Container(container)) if container.tag == tag => {
            Kind::Container(Container { is_whole: false, ..container })
        }
        (tag @ (STRUCT | LIST), Content::Bytes(piece), _) => {
            Kind::Container(Container { tag, first: at, piece, is_whole: true })
        }
        _ => kind,
    })
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let container = match self.kind() {
            Kind::Null => return serializer.serialize_unit(),
            Kind::Bool(truth) => return serializer.serialize_bool(truth),
            Kind::Text(text) => return serializer.serialize_str(text),
            Kind::Number(double) => return number(double, serializer),
            Kind::Container(container) => container,
        };
        let Container { tag, first, piece, is_whole } = container;
        if is_whole {
            return content(tag, piece, Fields(piece), serializer);
        }
        let (Self::Message(whole) | Self::Entry(whole)) = self;
        let of_kind = |field: &Field<'_>| field.tag == tag;
        match self {
            Self::Message(message) => {
                let inside = Fields(message).skip(first).filter(of_kind).filter_map(Field::bytes).flat_map(Fields);
                content(tag, whole, inside, serializer)
            }
            Self::Entry(entry) => {
                let values = pieces(entry, VALUE).skip(first);
                content(tag, whole, values.filter(of_kind).filter_map(Field::bytes).flat_map(Fields), serializer)
            }
        }
    }
}

/// An object or a list of what is among these fields, all of which lie in `whole`.
fn content<'a, S: Serializer>(
    tag: u32,
    whole: &'a [u8],
    fields: impl Iterator<Item = Field<'a>> + Clone,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if tag == STRUCT {
        return object(whole, fields, serializer);
    }
    let mut list = serializer.serialize_seq(None)?;
    for item in fields.filter(|field| field.tag == ITEMS).filter_map(Field::bytes) {
        list.serialize_element(&Value::Message(item))?;
    }
    list.end()
}

/// A whole number as an integer (`1`, not `1.0`), whatever its length.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn number<S: Serializer>(double: f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// Every whole number up to here is a double's own: 2^53.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if double.fract() != 0.0 || !double.is_finite() {
        serializer.serialize_f64(double)
    } else if double.abs() <= EXACT {
        serializer.serialize_i64(double as i64)
    } else {
        // Display writes a double's digits without an exponent.
        RawValue::from_string(format!("{double:.0}")).map_err(S::Error::custom)?.serialize(serializer)
    }
}
