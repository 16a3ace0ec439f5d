//! JSON as prost-reflect reads it, with the place of what does not fit. Knows no message.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Value;

/// JSON that does not fit a message: where, and why.
#[derive(Debug)]
pub struct Misfit {
    path: String,
    why: String,
}

/// JSON that is read with its place at hand.
pub struct Plain {
    value: Value,
    /// The key or index it stands at.
    at: String,
}

impl Plain {
    /// The whole of a text.
    pub fn new(value: Value) -> Self {
        Self { value, at: String::new() }
    }
}

impl Misfit {
    fn within(mut self, at: &str) -> Self {
        let is_apart = !at.is_empty() && !self.path.is_empty() && !self.path.starts_with('[');
        self.path.insert_str(0, if is_apart { "." } else { "" });
        self.path.insert_str(0, at);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.why) } else { write!(f, "{}: {}", self.path, self.why) }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { path: String::new(), why: why.to_string() }
    }
}

impl<'de> Deserializer<'de> for Plain {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Number(number) => number.deserialize_any(visitor).map_err(de::Error::custom),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => {
                let items = items.into_iter().enumerate().map(|(i, value)| Self { value, at: format!("[{i}]") });
                SeqDeserializer::new(items).deserialize_any(visitor)
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| (key.clone(), Self { value, at: key }));
                MapDeserializer::new(fields).deserialize_any(visitor)
            }
        }
        .map_err(|misfit: Misfit| misfit.within(&self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Misfit> for Plain {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
