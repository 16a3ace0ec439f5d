//! The protobuf encoding of free JSON, as struct.proto defines it.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{
        self, DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint,
    },
};
use serde_json::{Map, Value as Json};

use super::{Fault, MAX_DEPTH, Struct, Value, inward};

// Field numbers of struct.proto.
const FIELDS: u32 = 1;
const KEY: u32 = 1;
const VALUE: u32 = 2;
const NULL: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const BOOL: u32 = 4;
const STRUCT: u32 = 5;
const LIST: u32 = 6;
const ITEMS: u32 = 1;

/// Reads free JSON and remembers the first fault it meets.
struct Reader {
    fault: Option<Fault>,
}

impl Message for Struct {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        put_object(&self.fields, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != FIELDS {
            return encoding::skip_field(wire, tag, buf, ctx);
        }
        let mut reader = Reader { fault: self.fault };
        let (key, value) = reader.entry(&take(wire, buf)?, 1)?;
        self.fields.insert(key, value);
        self.fault = reader.fault;
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        object_len(&self.fields)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Value {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        put_value(&self.json, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut reader = Reader { fault: self.fault };
        let json = match tag {
            STRUCT => Some(reader.object(&take(wire, buf)?, 1)?),
            LIST => Some(reader.list(&take(wire, buf)?, 1)?),
            _ => reader.scalar(tag, wire, buf, ctx)?,
        };
        if let Some(json) = json {
            self.json = json;
        }
        self.fault = reader.fault;
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        value_len(&self.json)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Reader {
    fn object(&mut self, mut buf: &[u8], depth: usize) -> Result<Json, DecodeError> {
        let mut fields = Map::new();
        if depth > MAX_DEPTH {
            self.fault.get_or_insert(Fault::TooDeep);
            return Ok(Json::Object(fields));
        }
        while buf.has_remaining() {
            let (tag, wire) = decode_key(&mut buf)?;
            if tag == FIELDS {
                let (key, value) = self.entry(part(wire, &mut buf)?, depth)?;
                fields.insert(key, value);
            } else {
                encoding::skip_field(wire, tag, &mut buf, DecodeContext::default())?;
            }
        }
        Ok(Json::Object(fields))
    }

    fn entry(&mut self, mut buf: &[u8], depth: usize) -> Result<(String, Json), DecodeError> {
        let (mut key, mut value) = (String::new(), Json::Null);
        while buf.has_remaining() {
            let (tag, wire) = decode_key(&mut buf)?;
            match tag {
                KEY => encoding::string::merge(wire, &mut key, &mut buf, DecodeContext::default())?,
                VALUE => value = self.value(part(wire, &mut buf)?, depth)?,
                _ => encoding::skip_field(wire, tag, &mut buf, DecodeContext::default())?,
            }
        }
        Ok((key, value))
    }

    fn list(&mut self, mut buf: &[u8], depth: usize) -> Result<Json, DecodeError> {
        let mut items = Vec::new();
        if depth > MAX_DEPTH {
            self.fault.get_or_insert(Fault::TooDeep);
            return Ok(Json::Array(items));
        }
        while buf.has_remaining() {
            let (tag, wire) = decode_key(&mut buf)?;
            if tag == ITEMS {
                items.push(self.value(part(wire, &mut buf)?, depth)?);
            } else {
                encoding::skip_field(wire, tag, &mut buf, DecodeContext::default())?;
            }
        }
        Ok(Json::Array(items))
    }

    /// A Value inside a container that is the `depth`th; one without a kind is null.
    fn value(&mut self, mut buf: &[u8], depth: usize) -> Result<Json, DecodeError> {
        let mut json = Json::Null;
        while buf.has_remaining() {
            let (tag, wire) = decode_key(&mut buf)?;
            let kind = match tag {
                STRUCT => Some(self.object(part(wire, &mut buf)?, depth + 1)?),
                LIST => Some(self.list(part(wire, &mut buf)?, depth + 1)?),
                _ => self.scalar(tag, wire, &mut buf, DecodeContext::default())?,
            };
            json = kind.unwrap_or(json);
        }
        Ok(json)
    }

    fn scalar(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<Option<Json>, DecodeError> {
        Ok(Some(match tag {
            NULL => {
                encoding::int32::merge(wire, &mut 0, buf, ctx)?;
                Json::Null
            }
            NUMBER => {
                let mut double = 0.0;
                encoding::double::merge(wire, &mut double, buf, ctx)?;
                inward(double).map_or_else(
                    || {
                        self.fault.get_or_insert(Fault::NotFinite);
                        Json::Null
                    },
                    Json::Number,
                )
            }
            STRING => {
                let mut text = String::new();
                encoding::string::merge(wire, &mut text, buf, ctx)?;
                Json::String(text)
            }
            BOOL => {
                let mut truth = false;
                encoding::bool::merge(wire, &mut truth, buf, ctx)?;
                Json::Bool(truth)
            }
            _ => {
                encoding::skip_field(wire, tag, buf, ctx)?;
                return Ok(None);
            }
        }))
    }
}

/// The bytes of a length-delimited field; shared, not copied, where the buffer allows it.
fn take(wire: WireType, buf: &mut impl Buf) -> Result<Bytes, DecodeError> {
    let len = length(wire, buf)?;
    Ok(buf.copy_to_bytes(len))
}

/// The same of bytes that are at hand.
fn part<'a>(wire: WireType, buf: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let len = length(wire, buf)?;
    let (part, rest) = buf.split_at(len);
    *buf = rest;
    Ok(part)
}

/// The length of a length-delimited field, whose bytes are all there.
fn length(wire: WireType, buf: &mut impl Buf) -> Result<usize, DecodeError> {
    encoding::check_wire_type(WireType::LengthDelimited, wire)?;
    match usize::try_from(decode_varint(buf)?) {
        Ok(len) if len <= buf.remaining() => Ok(len),
        // prost alone can make a DecodeError: have it meet the same end of the buffer.
        _ => encoding::bytes::merge(wire, &mut Bytes::new(), &mut [0x01].as_slice(), DecodeContext::default())
            .map(|()| 0),
    }
}

fn put_object(fields: &Map<String, Json>, buf: &mut impl BufMut) {
    for (key, value) in fields {
        let value_len = value_len(value);
        encode_key(FIELDS, WireType::LengthDelimited, buf);
        encode_varint(entry_len(key, value_len) as u64, buf);
        encoding::string::encode(KEY, key, buf);
        encode_key(VALUE, WireType::LengthDelimited, buf);
        encode_varint(value_len as u64, buf);
        put_value(value, buf);
    }
}

fn put_value(value: &Json, buf: &mut impl BufMut) {
    match value {
        Json::Null => encoding::int32::encode(NULL, &0, buf),
        // `fit` has made sure that a double holds it.
        Json::Number(number) => encoding::double::encode(NUMBER, &number.as_f64().unwrap_or_default(), buf),
        Json::String(text) => encoding::string::encode(STRING, text, buf),
        Json::Bool(truth) => encoding::bool::encode(BOOL, truth, buf),
        Json::Object(fields) => {
            encode_key(STRUCT, WireType::LengthDelimited, buf);
            encode_varint(object_len(fields) as u64, buf);
            put_object(fields, buf);
        }
        Json::Array(items) => {
            encode_key(LIST, WireType::LengthDelimited, buf);
            encode_varint(list_len(items) as u64, buf);
            for item in items {
                encode_key(ITEMS, WireType::LengthDelimited, buf);
                encode_varint(value_len(item) as u64, buf);
                put_value(item, buf);
            }
        }
    }
}

fn object_len(fields: &Map<String, Json>) -> usize {
    fields.iter().map(|(key, value)| delimited(entry_len(key, value_len(value)))).sum()
}

fn entry_len(key: &String, value_len: usize) -> usize {
    encoding::string::encoded_len(KEY, key) + delimited(value_len)
}

fn list_len(items: &[Json]) -> usize {
    items.iter().map(|item| delimited(value_len(item))).sum()
}

fn value_len(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) => 2,
        Json::Number(_) => 9,
        Json::String(text) => encoding::string::encoded_len(STRING, text),
        Json::Object(fields) => delimited(object_len(fields)),
        Json::Array(items) => delimited(list_len(items)),
    }
}

/// A length-delimited field of one of struct.proto's numbers, which take one byte.
fn delimited(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}
