//! The fields of an encoded message, one after the other, without decoding it.

use prost::encoding::{DecodeContext, WireType, decode_varint, skip_field};

/// The fields of a message, up to the first byte that cannot be read, where decoding fails too.
#[derive(Clone)]
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
    #[inline]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self.content {
            Content::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        // Most are short and have a small number.
        if let [key @ 8..0x80, length @ ..0x80, rest @ ..] = self.0
            && key & 7 == 2
        {
            let from = self.0;
            let (bytes, rest) = rest.split_at_checked((*length).into())?;
            self.0 = rest;
            return Some(Field { tag: (key >> 3).into(), content: Content::Bytes(bytes), from });
        }
        self.any()
    }
}

impl<'a> Fields<'a> {
    fn any(&mut self) -> Option<Field<'a>> {
        let from = self.0;
        if from.is_empty() {
            return None;
        }
        let key = varint(&mut self.0)?;
        let tag = u32::try_from(key >> 3).ok().filter(|tag| (1..1 << 29).contains(tag))?;
        let content = match key & 7 {
            0 => Content::Varint(varint(&mut self.0)?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Content::Fixed(*bytes)
            }
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Content::Bytes(bytes)
            }
            other => {
                let wire = WireType::try_from(other).ok()?;
                skip_field(wire, tag, &mut self.0, DecodeContext::default()).ok()?;
                Content::Other
            }
        };
        Some(Field { tag, content, from })
    }
}

/// A number, of which most take one byte.
#[inline]
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    match *bytes {
        [small @ ..0x80, rest @ ..] => {
            *bytes = rest;
            Some((*small).into())
        }
        _ => decode_varint(bytes).ok(),
    }
}
