//! Free JSON: `google.protobuf.Struct` and `Value`, and the reader of JSON text that they are made with.
//!
//! Not `prost_types`' own: those cost a tree, many times the message, and can only be decoded without a depth limit or
//! with one (prost's 100 levels, about 33 objects) that ends in an error naming no field. Here what comes from the
//! platform stays the JSON text that it is until it is encoded, and what comes from a caller stays encoded until it is
//! written as JSON. What is wrong with a caller's value is kept as a [`Fault`] beside it, for the validation to report.

mod inward;
mod message;
mod nesting;
mod number;
mod outward;
mod reader;
mod secrets;
mod tags;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use prost::Message;
pub use reader::{Bracket, Quoted, Reader, Scalar, attributes};
use secrets::Secrets;
pub use secrets::USERS as USERS_SECRETS;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use self::outward::{Measure, Place};

/// How deep a caller's free JSON may be nested, in containers; the Struct itself is the first.
pub const MAX_DEPTH: usize = 64;

/// A `google.protobuf.Struct`.
#[derive(Clone, PartialEq, Default)]
pub struct Struct(Form);

/// A `google.protobuf.Value`.
#[derive(Clone, PartialEq, Default)]
pub struct Value(Form);

#[derive(Clone, PartialEq)]
enum Form {
    Text(Text),
    Wire(Wire),
}

/// The platform's JSON, and how long it is encoded.
#[derive(Clone, PartialEq)]
struct Text {
    json: Box<str>,
    secrets: Secrets,
    /// Of the containers in it, in the order in which they begin.
    lengths: Box<[u32]>,
    length: usize,
}

/// A caller's message, as it came.
#[derive(Clone, PartialEq, Default)]
struct Wire {
    bytes: Vec<u8>,
    fault: Option<Fault>,
}

/// An object with nothing in it.
pub static EMPTY: Struct = Struct(Form::Wire(Wire { bytes: Vec::new(), fault: None }));

/// What is wrong with free JSON that a caller sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// NaN or an infinity, which JSON cannot say.
    #[error("holds NaN or an infinity, which JSON cannot express")]
    NotFinite,
}

impl Struct {
    /// The object of this JSON, empty where it is none; see [`Value::new`].
    #[must_use]
    pub fn new(json: impl Into<Box<str>>) -> Self {
        Self(Form::new(json.into(), Secrets::default(), Measure::object))
    }

    /// The object that is next; None where that is none, or nested too deep to be taken apart.
    pub fn read(json: &mut Reader<'_>) -> Option<Self> {
        Form::read(json, Measure::object, false).map(Self)
    }

    /// The same without access tokens at any depth.
    #[must_use]
    pub fn without_tokens(self) -> Self {
        Self(self.0.without_tokens(Measure::object))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.encoded_len() == 0
    }

    /// Whether an object of the platform's has this attribute.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let Form::Text(text) = &self.0 else { return false };
        let mut has = false;
        Reader::new(&text.json).object(|json, key| {
            has |= key.is(name);
            json.skip().map(drop)
        });
        has
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// The first [`Fault`] met while it was decoded.
    pub fn checked(&self) -> Result<(), Fault> {
        match &self.0 {
            Form::Wire(Wire { fault: Some(fault), .. }) => Err(*fault),
            _ => Ok(()),
        }
    }

    /// The object as a tree, for who has the memory for one.
    #[must_use]
    pub fn fields(&self) -> Map<String, Json> {
        match serde_json::to_value(self) {
            Ok(Json::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
}

impl Value {
    /// The value of this JSON, null where it is none, without the user's secrets and those of MCP servers. Encoded, an
    /// integer that a double cannot hold exactly becomes its decimal string, as proto3 JSON writes an int64; what is
    /// nested too deep for protobuf readers becomes its JSON text, and what Python writes for a number that is none
    /// becomes that word.
    #[must_use]
    pub fn new(json: impl Into<Box<str>>) -> Self {
        Self(Form::new(json.into(), Secrets::default(), Measure::value))
    }

    /// The value that is next; None where there is none.
    pub fn read(json: &mut Reader<'_>) -> Option<Self> {
        Form::read(json, Measure::value, true).map(Self)
    }

    /// The same without access tokens at any depth.
    #[must_use]
    pub fn without_tokens(self) -> Self {
        Self(self.0.without_tokens(Measure::value))
    }

    /// The value as a tree, for who has the memory for one.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Finds out the length of what is next.
type Measuring = fn(&mut Measure, &mut Reader<'_>, Place) -> Option<usize>;

impl Form {
    fn new(json: Box<str>, secrets: Secrets, measuring: Measuring) -> Self {
        let (mut reader, mut measure) = (Reader::new(&json), Measure::default());
        let length = measuring(&mut measure, &mut reader, Place::top(secrets, true));
        let Some(length) = length.filter(|_| reader.is_at_end()) else { return Self::default() };
        Self::Text(Text { json, secrets, lengths: measure.lengths.into(), length })
    }

    fn read(json: &mut Reader<'_>, measuring: Measuring, is_whole: bool) -> Option<Self> {
        json.peek()?;
        let (start, secrets, mut measure) = (json.at(), Secrets::default(), Measure::default());
        let length = measuring(&mut measure, json, Place::top(secrets, is_whole))?;
        if measure.is_too_deep {
            return None;
        }
        Some(Self::Text(Text { json: json.since(start).into(), secrets, lengths: measure.lengths.into(), length }))
    }

    fn without_tokens(self, measuring: Measuring) -> Self {
        match self {
            Self::Text(text) => Self::new(text.json, Secrets { tokens: true, in_servers: false }, measuring),
            Self::Wire(_) => self,
        }
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::Wire(Wire::default())
    }
}

impl Serialize for Struct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        inward::Object(&encoded(&self.0, self)).serialize(serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        inward::Value::Message(&encoded(&self.0, self)).serialize(serializer)
    }
}

fn encoded<'a>(form: &'a Form, message: &impl Message) -> Cow<'a, [u8]> {
    match form {
        Form::Wire(wire) => Cow::Borrowed(&wire.bytes),
        Form::Text(_) => Cow::Owned(message.encode_to_vec()),
    }
}

/// Sizes only: free JSON holds prompts, results and tokens.
impl fmt::Debug for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Struct({} bytes)", self.encoded_len())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}
