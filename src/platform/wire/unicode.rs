//! Bytes as text: UTF-8, or UTF-16 and UTF-32 in either order, with a byte order mark or without, which Python's library
//! reads as JSON too. JSON begins with a character of ASCII, so that the zeros among its first bytes tell.

use std::borrow::Cow;

/// How much is read at a time, so that it is not there twice.
const PIECE: usize = 64 << 10;

/// Text of which each unit is more than a byte, as it comes.
pub struct Wide {
    /// How many bytes: two, or four.
    unit: usize,
    is_big_endian: bool,
    /// What has come of a character that is not whole yet.
    begun: Vec<u8>,
}

impl Wide {
    /// What JSON that begins so is written in, where that is not UTF-8.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        let (unit, is_big_endian) = match start {
            [0, 0, ..] => (4, true),
            [0xff, 0xfe, 0, 0, ..] | [_, 0, 0, 0, ..] => (4, false),
            [0xfe, 0xff, ..] | [0, _, ..] => (2, true),
            [0xff, 0xfe, ..] | [_, 0, ..] => (2, false),
            _ => return None,
        };
        Some(Self { unit, is_big_endian, begun: Vec::new() })
    }

    /// Whether so few bytes do not tell yet. A digit may be all there is.
    #[must_use]
    pub fn is_open(start: &[u8]) -> bool {
        match start {
            [] => true,
            [byte] => !byte.is_ascii_digit(),
            start => start.len() < 4 && Self::of(start).is_some(),
        }
    }

    /// Gives what comes next as UTF-8, with U+FFFD for what is no character.
    pub fn read(&mut self, bytes: &[u8], mut put: impl FnMut(&str)) {
        self.begun.extend_from_slice(bytes);
        let mut whole = self.begun.len() / self.unit * self.unit;
        let number = |unit: &[u8]| {
            let fold = |number, byte: &u8| number << 8 | u32::from(*byte);
            if self.is_big_endian { unit.iter().fold(0, fold) } else { unit.iter().rev().fold(0, fold) }
        };
        if self.unit == 2 && whole >= 2 && matches!(number(&self.begun[whole - 2..whole]), 0xd800..=0xdbff) {
            // The other half is still to come.
            whole -= 2;
        }
        let numbers = self.begun[..whole].chunks_exact(self.unit).map(number);
        let mut one = |letter: char| put(letter.encode_utf8(&mut [0; 4]));
        if self.unit == 2 {
            let units = numbers.map(|number| u16::try_from(number).unwrap_or_default());
            char::decode_utf16(units).for_each(|letter| one(letter.unwrap_or(char::REPLACEMENT_CHARACTER)));
        } else {
            numbers.for_each(|number| one(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
        self.begun.drain(..whole);
    }

    /// Whether what has come ends with a whole character.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.begun.is_empty()
    }
}

/// The bytes of an answer as text, whatever it is written in.
#[must_use]
pub fn document(bytes: &[u8]) -> Cow<'_, str> {
    let Some(mut wide) = Wide::of(bytes) else { return text(bytes) };
    let mut text = String::with_capacity(bytes.len() / wide.unit);
    bytes.chunks(PIECE).for_each(|piece| wide.read(piece, |letter| text.push_str(letter)));
    if !wide.is_whole() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text.into()
}

/// UTF-8 as text, with U+FFFD for what is none, however much of that there is in a row.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Not at once the way that mends, which is slower.
    str::from_utf8(bytes).map_or_else(|_| mended(bytes).into(), Cow::Borrowed)
}

fn mended(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() && (!chunk.valid().is_empty() || text.is_empty()) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str, unit: usize, is_big_endian: bool) -> Vec<u8> {
        let in_order = |mut bytes: Vec<u8>| {
            if !is_big_endian {
                bytes.reverse();
            }
            bytes
        };
        match unit {
            2 => text.encode_utf16().flat_map(|unit| in_order(unit.to_be_bytes().to_vec())).collect(),
            _ => text.chars().flat_map(|letter| in_order(u32::from(letter).to_be_bytes().to_vec())).collect(),
        }
    }

    proptest! {
        #[test]
        fn json_is_read_in_each_of_them_wherever_its_bytes_are_split(
            mark in prop_oneof![Just(""), Just("\u{feff}")],
            start in "[ -~]{2}",
            rest in "\\PC{0,20}",
            unit in prop_oneof![Just(2_usize), Just(4)],
            is_big_endian: bool,
            cuts in prop::collection::vec(0_usize..100, 0..6),
        ) {
            let said = format!("{mark}{start}{rest}");
            let bytes = written(&said, unit, is_big_endian);
            prop_assert_eq!(document(&bytes), &*said);
            let mut wide = Wide::of(&bytes).expect("not UTF-8");
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < bytes.len()).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut read = String::new();
            for cut in cuts.windows(2) {
                wide.read(&bytes[cut[0]..cut[1]], |letter| read.push_str(letter));
            }
            prop_assert!(wide.is_whole());
            prop_assert_eq!(read, said);
        }

        #[test]
        fn utf8_stays_what_it_is(text in "[ -~\\n]{1}[ -~\\n]{1}\\PC{0,20}") {
            prop_assert!(Wide::of(text.as_bytes()).is_none() && !Wide::is_open(text.as_bytes()));
            prop_assert!(matches!(document(text.as_bytes()), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_is_no_character_costs_itself_alone() {
        let halves = [&b"[\0"[..], &0xd83d_u16.to_le_bytes(), b"]\0"].concat();
        assert_eq!(document(&halves), "[\u{fffd}]");
        assert_eq!(document(b"[\0]\0\x3d"), "[]\u{fffd}");
        assert_eq!(document(b"[\0]\0\x3d\xd8"), "[]\u{fffd}");
        assert_eq!(document(b"[\0\0\0\0\0\x11\0]\0\0\0"), "[\u{fffd}]");
    }
}
