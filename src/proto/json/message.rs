//! `Struct` and `Value` as messages: decoded by keeping their bytes, encoded from what they hold.

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{self, DecodeContext, WireType, decode_varint, encode_key, encode_varint},
};

use super::{
    Form, Struct, Text, Value, Wire,
    inward::{check_entry, check_kind, length, part},
    outward::{Place, Writer},
    reader::Reader,
    tags::{FIELDS, LIST, NULL},
};

/// Room that is made at once: as much as most messages need, in bytes.
const SMALL: usize = 256;

impl Message for Struct {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.0.write(buf, |mut writer, json, place| writer.object(json, place));
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
        encoding::check_wire_type(WireType::LengthDelimited, wire)?;
        let Wire { bytes, fault } = self.0.wire();
        let mut kept = keep(bytes, tag, wire, buf)?;
        check_entry(part(wire, &mut kept)?, 1, fault)
    }

    fn encoded_len(&self) -> usize {
        self.0.length()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Value {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.0.write(buf, |mut writer, json, place| writer.value(json, place));
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if !(NULL..=LIST).contains(&tag) {
            return encoding::skip_field(wire, tag, buf, ctx);
        }
        let Wire { bytes, fault } = self.0.wire();
        let mut kept = keep(bytes, tag, wire, buf)?;
        check_kind(tag, wire, &mut kept, 0, fault)
    }

    fn encoded_len(&self) -> usize {
        self.0.length()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Form {
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.length,
            Self::Wire(wire) => wire.bytes.len(),
        }
    }

    fn write<B: BufMut>(&self, buf: &mut B, write: impl FnOnce(Writer<'_, B>, &mut Reader<'_>, Place) -> Option<()>) {
        match self {
            Self::Wire(wire) => buf.put_slice(&wire.bytes),
            Self::Text(Text { json, secrets, lengths, .. }) => {
                // It was measured, so it can be read.
                let _ =
                    write(Writer { lengths: lengths.iter(), buf }, &mut Reader::new(json), Place::top(*secrets, true));
            }
        }
    }

    /// What is decoded goes here; what the platform sent is never decoded into.
    fn wire(&mut self) -> &mut Wire {
        if let Self::Text(_) = self {
            *self = Self::default();
        }
        match self {
            Self::Wire(wire) => wire,
            Self::Text(_) => unreachable!("it was replaced"),
        }
    }
}

/// Takes a field over as it came, and gives what stands behind its key.
fn keep<'a>(kept: &'a mut Vec<u8>, tag: u32, wire: WireType, buf: &mut impl Buf) -> Result<&'a [u8], DecodeError> {
    if kept.is_empty() {
        kept.reserve(SMALL.min(buf.remaining() + 1));
    }
    encode_key(tag, wire, kept);
    let start = kept.len();
    match wire {
        WireType::Varint => encode_varint(decode_varint(buf)?, kept),
        WireType::LengthDelimited => {
            let length = length(wire, buf)?;
            encode_varint(length as u64, kept);
            kept.put(buf.take(length));
        }
        // Of another type is none of them but the double; its reader tells.
        _ => {
            let length = buf.remaining().min(8);
            kept.put(buf.take(length));
        }
    }
    Ok(&kept[start..])
}
