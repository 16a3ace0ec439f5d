//! Free JSON as a message: decoded by keeping its bytes, encoded from what it holds.

use std::{borrow::Cow, fmt, marker::PhantomData};

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{self, DecodeContext, WireType, decode_varint, encode_key, encode_varint},
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::{
    fault::Fault,
    inward,
    lengths::Lengths,
    numbers::{FIELDS, LIST, NULL},
    outward::{Pass, Place},
    reader::{self, Reader},
    secrets::Secrets,
};
use crate::memory;

/// Room that is made at once: as much as most messages need, in bytes.
const SMALL: usize = 256;

/// An object with nothing in it.
pub static EMPTY: Free<Object> = Free { form: Form::Wire(Vec::new(), None), shape: PhantomData };

/// Free JSON of a shape.
#[derive(Clone, PartialEq)]
pub struct Free<S> {
    form: Form,
    shape: PhantomData<S>,
}

/// A shape of free JSON.
pub trait Shape: Send + Sync + 'static {
    /// Whether it is an object.
    const IS_OBJECT: bool;
}

/// A Struct's.
#[derive(Clone, PartialEq)]
pub struct Object;

/// A Value's.
#[derive(Clone, PartialEq)]
pub struct Any;

#[derive(Clone, PartialEq)]
enum Form {
    /// The platform's.
    Text(Box<Text>),
    /// A caller's message as it came, and what is wrong with it.
    Wire(Vec<u8>, Option<Fault>),
}

/// JSON text, and how long it is encoded.
#[derive(Clone, PartialEq)]
struct Text {
    json: Box<str>,
    secrets: Secrets,
    /// Of the containers in it.
    lengths: Lengths,
    length: usize,
}

impl Shape for Object {
    const IS_OBJECT: bool = true;
}

impl Shape for Any {
    const IS_OBJECT: bool = false;
}

impl<S: Shape> Free<S> {
    /// The value of this JSON, empty where it is none, without the user's secrets and those of MCP servers. Encoded, an
    /// integer that a double cannot hold exactly becomes its decimal string, as proto3 JSON writes an int64; what is
    /// nested too deep for protobuf readers becomes its JSON text, and what Python writes for a number that is none
    /// becomes that word.
    #[must_use]
    pub fn new(json: impl Into<Box<str>>) -> Self {
        Self::with(json.into(), Secrets::default())
    }

    fn with(json: Box<str>, secrets: Secrets) -> Self {
        memory::aside(json.len(), || {
            let (mut reader, mut pass) = (Reader::new(&json), Pass::first());
            let length = Self::over(&mut pass, &mut reader, Place::top(secrets, true));
            let Some(length) = length.filter(|_| reader.is_at_end()) else { return Self::default() };
            Self::of(Form::Text(Text { json, secrets, lengths: pass.lengths.known(), length }.into()))
        })
    }

    /// The value that is next; None where it is of another shape, or an object nested too deep to be taken apart.
    pub fn read(json: &mut Reader<'_>) -> Option<Self> {
        json.peek()?;
        let (start, secrets, mut pass) = (json.at(), Secrets::default(), Pass::first());
        let length = Self::over(&mut pass, json, Place::top(secrets, !S::IS_OBJECT))?;
        let text = Text { json: json.since(start).into(), secrets, lengths: pass.lengths.known(), length };
        (!pass.is_too_deep).then(|| Self::of(Form::Text(text.into())))
    }

    fn of(form: Form) -> Self {
        Self { form, shape: PhantomData }
    }

    fn over<B: BufMut>(pass: &mut Pass<'_, B>, json: &mut Reader<'_>, place: Place) -> Option<usize> {
        if S::IS_OBJECT { pass.object(json, place) } else { pass.value(json, place) }
    }

    /// Whether an object of the platform's has this attribute.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let Form::Text(text) = &self.form else { return false };
        let attribute = memory::aside(text.json.len(), || reader::attributes(&text.json, [name]));
        attribute.is_some_and(|[value]| value.is_some())
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// The first [`Fault`] met while it was decoded.
    pub fn checked(&self) -> Result<(), Fault> {
        match self.form {
            Form::Wire(_, Some(fault)) => Err(fault),
            _ => Ok(()),
        }
    }

    /// The value as a tree, for who has the memory for one.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Free<Object> {
    /// The object of this text, of which is known how long it is encoded.
    pub(super) fn known(json: String, lengths: Lengths, length: usize) -> Self {
        let text = Text { json: json.into(), secrets: Secrets::default(), lengths: lengths.known(), length };
        Self::of(Form::Text(text.into()))
    }

    /// The object as a tree, for who has the memory for one.
    #[must_use]
    pub fn fields(&self) -> Map<String, Json> {
        match self.json() {
            Json::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

impl<S: Shape> Message for Free<S> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        match &self.form {
            Form::Wire(bytes, _) => buf.put_slice(bytes),
            Form::Text(text) => {
                let Text { json, secrets, lengths, .. } = &**text;
                // What was read once can be read again.
                let mut pass = Pass::second(lengths, buf);
                let _ = Self::over(&mut pass, &mut Reader::new(json), Place::top(*secrets, true));
            }
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let is_known = if S::IS_OBJECT { tag == FIELDS } else { (NULL..=LIST).contains(&tag) };
        if !is_known {
            return encoding::skip_field(wire, tag, buf, ctx);
        }
        if let Form::Text(_) = self.form {
            self.clear();
        }
        let Form::Wire(bytes, fault) = &mut self.form else { return Ok(()) };
        let start = bytes.len();
        keep(bytes, tag, wire, buf)?;
        let (message, depth) = if S::IS_OBJECT { (inward::Message::Struct, 1) } else { (inward::Message::Value, 0) };
        if inward::check(message, &bytes[start..], depth, fault) { Ok(()) } else { malformed() }
    }

    fn encoded_len(&self) -> usize {
        match &self.form {
            Form::Text(text) => text.length,
            Form::Wire(bytes, _) => bytes.len(),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Takes a field over as it came.
fn keep(kept: &mut Vec<u8>, tag: u32, wire: WireType, buf: &mut impl Buf) -> Result<(), DecodeError> {
    if kept.is_empty() {
        kept.reserve(SMALL.min(buf.remaining() + 1));
    }
    encode_key(tag, wire, kept);
    match wire {
        WireType::Varint => encode_varint(decode_varint(buf)?, kept),
        WireType::LengthDelimited => {
            let length = decode_varint(buf)?;
            encode_varint(length, kept);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > buf.remaining() {
                return malformed();
            }
            kept.put(buf.take(length));
        }
        WireType::SixtyFourBit if buf.remaining() >= 8 => kept.put(buf.take(8)),
        _ => return malformed(),
    }
    Ok(())
}

/// prost alone can make a `DecodeError`: this is one.
fn malformed() -> Result<(), DecodeError> {
    encoding::check_wire_type(WireType::LengthDelimited, WireType::EndGroup)
}

impl<S> Default for Free<S> {
    fn default() -> Self {
        Self { form: Form::Wire(Vec::new(), None), shape: PhantomData }
    }
}

impl<S: Shape> Serialize for Free<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let bytes = match &self.form {
            Form::Wire(bytes, _) => Cow::Borrowed(bytes),
            Form::Text(_) => Cow::Owned(self.encode_to_vec()),
        };
        if S::IS_OBJECT {
            return inward::Object(&bytes).serialize(serializer);
        }
        inward::Value::Message(&bytes).serialize(serializer)
    }
}

/// Sizes only: free JSON holds prompts, results and tokens.
impl<S: Shape> fmt::Debug for Free<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of free JSON", self.encoded_len())
    }
}
