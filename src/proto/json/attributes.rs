//! An object that is put together from attributes while they are read.

use std::mem;

use super::{
    free::{Free, Object},
    lengths::Lengths,
    outward::{Pass, Place},
    quoted::Quoted,
    reader::Reader,
    secrets::Secrets,
};

/// Attributes, verbatim; how long they are encoded is found out while they are read, so that they are read once.
#[derive(Default)]
pub struct Attributes {
    /// As an object's text without its last bracket.
    json: String,
    lengths: Lengths,
    length: usize,
}

impl Attributes {
    /// Reads the attribute that is next and keeps it. None where the JSON is broken: then nothing is kept.
    pub fn keep<'a>(&mut self, key: Quoted<'a>, json: &mut Reader<'a>) -> Option<()> {
        json.peek()?;
        let (start, mut pass) = (json.at(), Pass::first());
        pass.lengths = mem::take(&mut self.lengths);
        let Some(length) = pass.attribute(key, json, Place::top(Secrets::default(), true)) else {
            *self = Self::default();
            return None;
        };
        self.length += length;
        self.lengths = pass.lengths;
        let (key, value) = (key.raw(), json.since(start));
        self.json.reserve(key.len() + value.len() + 5);
        self.json.push_str(if self.json.is_empty() { "{\"" } else { ",\"" });
        self.json.push_str(key);
        self.json.push_str("\":");
        self.json.push_str(value);
        Some(())
    }

    /// All of them.
    #[must_use]
    pub fn into_struct(mut self) -> Free<Object> {
        self.json.push_str(if self.json.is_empty() { "{}" } else { "}" });
        Free::known(self.json, self.lengths, self.length)
    }
}
