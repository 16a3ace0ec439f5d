//! The fields of an encoded message, one after the other, without decoding it.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The fields of a message, up to the first byte that cannot be read, where decoding fails too.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

/// One field.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Its number.
    pub tag: u32,
    /// What it holds.
    pub content: Content<'a>,
    /// The message from this field on.
    pub from: &'a [u8],
}

/// What a field holds.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// A whole number.
    Varint(u64),
    /// A double, or a number of fixed length.
    Fixed([u8; 8]),
    /// Anything else.
    Other,
}

impl<'a> Field<'a> {
    /// The text, bytes or message of a field that has one.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self.content {
            Content::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let from = self.0;
        if from.is_empty() {
            return None;
        }
        let (tag, wire) = decode_key(&mut self.0).ok()?;
        let content = match wire {
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0).ok()?;
                let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
                self.0 = rest;
                Content::Bytes(bytes)
            }
            WireType::Varint => Content::Varint(decode_varint(&mut self.0).ok()?),
            WireType::SixtyFourBit => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Content::Fixed(*bytes)
            }
            _ => {
                skip_field(wire, tag, &mut self.0, DecodeContext::default()).ok()?;
                Content::Other
            }
        };
        Some(Field { tag, content, from })
    }
}
