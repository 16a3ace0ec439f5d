//! From the encoding of struct.proto to JSON, without a tree: the bytes are checked once, when they arrive, and looked at
//! in their place when the JSON is written.
//!
//! As protobuf has it, messages that come in pieces are one: the values of one map entry, and the objects or lists of
//! one Value. Of two entries with the same key the last one counts.

use prost::{
    DecodeError,
    bytes::{Buf, Bytes},
    encoding::{self, DecodeContext, WireType, decode_key, decode_varint},
};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap as _, SerializeSeq as _},
};
use serde_json::value::RawValue;

use super::{
    Fault, MAX_DEPTH,
    number::{Inward, inward},
    tags::{BOOL, FIELDS, ITEMS, KEY, LIST, NULL, NUMBER, STRING, STRUCT, VALUE},
};
use crate::proto::fields::{Content, Field, Fields};

/// Checks an entry of the object that is the `depth`th container.
pub fn check_entry(mut entry: &[u8], depth: usize, fault: &mut Option<Fault>) -> Result<(), DecodeError> {
    while !entry.is_empty() {
        let (tag, wire) = decode_key(&mut entry)?;
        match tag {
            KEY => check_text(wire, &mut entry)?,
            VALUE => check_value(part(wire, &mut entry)?, depth, fault)?,
            _ => encoding::skip_field(wire, tag, &mut entry, DecodeContext::default())?,
        }
    }
    Ok(())
}

/// Checks a Value in a container that is the `depth`th.
pub fn check_value(mut value: &[u8], depth: usize, fault: &mut Option<Fault>) -> Result<(), DecodeError> {
    while !value.is_empty() {
        let (tag, wire) = decode_key(&mut value)?;
        check_kind(tag, wire, &mut value, depth, fault)?;
    }
    Ok(())
}

/// Checks one field of such a Value.
pub fn check_kind(
    tag: u32,
    wire: WireType,
    value: &mut &[u8],
    depth: usize,
    fault: &mut Option<Fault>,
) -> Result<(), DecodeError> {
    let ctx = DecodeContext::default();
    match tag {
        NULL => encoding::int32::merge(wire, &mut 0, value, ctx),
        BOOL => encoding::bool::merge(wire, &mut false, value, ctx),
        STRING => check_text(wire, value),
        NUMBER => {
            let mut double = 0.0;
            encoding::double::merge(wire, &mut double, value, ctx)?;
            if !double.is_finite() {
                fault.get_or_insert(Fault::NotFinite);
            }
            Ok(())
        }
        STRUCT | LIST => {
            let container = part(wire, value)?;
            if depth == MAX_DEPTH {
                fault.get_or_insert(Fault::TooDeep);
                return Ok(());
            }
            check_container(tag, container, depth + 1, fault)
        }
        _ => encoding::skip_field(wire, tag, value, ctx),
    }
}

fn check_container(
    kind: u32,
    mut container: &[u8],
    depth: usize,
    fault: &mut Option<Fault>,
) -> Result<(), DecodeError> {
    while !container.is_empty() {
        let (tag, wire) = decode_key(&mut container)?;
        match (kind, tag) {
            (STRUCT, FIELDS) => check_entry(part(wire, &mut container)?, depth, fault)?,
            (LIST, ITEMS) => check_value(part(wire, &mut container)?, depth, fault)?,
            _ => encoding::skip_field(wire, tag, &mut container, DecodeContext::default())?,
        }
    }
    Ok(())
}

fn check_text(wire: WireType, buf: &mut &[u8]) -> Result<(), DecodeError> {
    let mut again = *buf;
    if str::from_utf8(part(wire, buf)?).is_ok() {
        return Ok(());
    }
    // prost alone can make a DecodeError: have it read the text too.
    encoding::string::merge(wire, &mut String::new(), &mut again, DecodeContext::default())
}

/// The bytes of a length-delimited field.
pub fn part<'a>(wire: WireType, buf: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = length(wire, buf)?;
    let (part, rest) = buf.split_at(length);
    *buf = rest;
    Ok(part)
}

/// The length of a length-delimited field, whose bytes are all there.
pub fn length(wire: WireType, buf: &mut impl Buf) -> Result<usize, DecodeError> {
    encoding::check_wire_type(WireType::LengthDelimited, wire)?;
    match usize::try_from(decode_varint(buf)?) {
        Ok(length) if length <= buf.remaining() => Ok(length),
        // prost alone can make a DecodeError: have it meet the same end of the buffer.
        _ => encoding::bytes::merge(wire, &mut Bytes::new(), &mut [0x01].as_slice(), DecodeContext::default())
            .map(|()| 0),
    }
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
    /// In pieces, the first of which is this one of the Value's fields.
    Container(u32, usize),
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
    fields: impl Iterator<Item = Field<'a>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // Where each entry stands: four bytes, where the smallest one takes two.
    let place = |entry: Field<'a>| u32::try_from(entry.from.as_ptr().addr() - whole.as_ptr().addr());
    let entry = |place: u32| Fields(&whole[place as usize..]).next().and_then(Field::bytes).unwrap_or_default();
    let mut places: Vec<u32> = Vec::new();
    let mut last = None;
    for field in fields.filter(|field| field.tag == FIELDS) {
        let key = field.bytes().map(key);
        if key == last {
            places.pop();
        }
        last = key;
        places.push(place(field).map_err(S::Error::custom)?);
    }
    places.sort_unstable_by(|a, b| key(entry(*a)).cmp(key(entry(*b))).then(a.cmp(b)));
    let mut map = serializer.serialize_map(None)?;
    for (at, place) in places.iter().enumerate() {
        let (this, next) = (entry(*place), places.get(at + 1).map(|place| entry(*place)));
        if next.is_none_or(|next| key(next) != key(this)) {
            map.serialize_entry(key(this), &Value::Entry(this))?;
        }
    }
    map.end()
}

/// The last key of an entry, which is checked.
fn key(entry: &[u8]) -> &str {
    let key = Fields(entry).filter(|field| field.tag == KEY).filter_map(Field::bytes).last();
    key.and_then(|key| str::from_utf8(key).ok()).unwrap_or_default()
}

impl<'a> Value<'a> {
    fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let (message, entry): (&[u8], &[u8]) = match self {
            Self::Message(message) => (message, &[]),
            Self::Entry(entry) => (&[], entry),
        };
        let pieces = Fields(entry).filter(|field| field.tag == VALUE).filter_map(Field::bytes);
        Fields(message).chain(pieces.flat_map(Fields))
    }

    fn kind(self) -> Kind<'a> {
        self.fields().enumerate().fold(Kind::Null, |kind, (at, field)| match (field.tag, field.content) {
            (NULL, _) => Kind::Null,
            (NUMBER, Content::Fixed(bytes)) => Kind::Number(f64::from_le_bytes(bytes)),
            (STRING, Content::Bytes(text)) => Kind::Text(str::from_utf8(text).unwrap_or_default()),
            (BOOL, Content::Varint(truth)) => Kind::Bool(truth != 0),
            (STRUCT | LIST, _) if !matches!(kind, Kind::Container(tag, _) if tag == field.tag) => {
                Kind::Container(field.tag, at)
            }
            _ => kind,
        })
    }

    fn whole(self) -> &'a [u8] {
        let (Self::Message(whole) | Self::Entry(whole)) = self;
        whole
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (tag, first) = match self.kind() {
            Kind::Null => return serializer.serialize_unit(),
            Kind::Bool(truth) => return serializer.serialize_bool(truth),
            Kind::Text(text) => return serializer.serialize_str(text),
            Kind::Number(double) => return number(double, serializer),
            Kind::Container(tag, first) => (tag, first),
        };
        let pieces = self.fields().skip(first).filter(|field| field.tag == tag).filter_map(Field::bytes);
        let inside = pieces.flat_map(Fields);
        if tag == STRUCT {
            return object(self.whole(), inside, serializer);
        }
        let mut list = serializer.serialize_seq(None)?;
        for item in inside.filter(|field| field.tag == ITEMS).filter_map(Field::bytes) {
            list.serialize_element(&Value::Message(item))?;
        }
        list.end()
    }
}

fn number<S: Serializer>(double: f64, serializer: S) -> Result<S::Ok, S::Error> {
    match inward(double) {
        Inward::Whole(integer) => serializer.serialize_i64(integer),
        Inward::Digits(digits) => RawValue::from_string(digits).map_err(S::Error::custom)?.serialize(serializer),
        Inward::Double(double) => serializer.serialize_f64(double),
    }
}
