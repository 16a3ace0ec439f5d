//! Strings of JSON as they are written, and what they say.

use std::borrow::Cow;

/// A string as it is written, between its quotes.
#[derive(Clone, Copy)]
pub struct Quoted<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// What stands between two quotes, where each escape is one.
    pub(super) fn new(raw: &'a str, has_escapes: bool) -> Self {
        Self { raw, has_escapes }
    }

    /// As it is written, without the quotes.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// Whether it says this.
    #[must_use]
    #[inline]
    pub fn is(self, text: &str) -> bool {
        if self.has_escapes { self.text() == text } else { self.raw == text }
    }

    /// How long what it says is, in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        let mut length = self.raw.len();
        if self.has_escapes {
            length = 0;
            self.pieces(|piece| length += piece.len());
        }
        length
    }

    /// What it says. Half a character (a surrogate without its twin, as a writer leaves it that cuts text in the wrong
    /// place) becomes U+FFFD.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        self.pieces(|piece| text.push_str(piece));
        Cow::Owned(text)
    }

    /// What it says, piece by piece.
    pub fn pieces(self, mut put: impl FnMut(&str)) {
        if !self.has_escapes {
            return put(self.raw);
        }
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            put(&rest[..at]);
            let (letter, length) = unescaped(&rest.as_bytes()[at + 1..]);
            put(letter.encode_utf8(&mut [0; 4]));
            rest = rest.get(at + 1 + length..).unwrap_or_default();
        }
        put(rest);
    }
}

/// What an escape says, and how long it is without the backslash.
fn unescaped(escape: &[u8]) -> (char, usize) {
    let letter = match escape {
        [b'u', digits @ ..] => {
            let first = unit(digits).unwrap_or_default();
            let second = digits.get(4..).and_then(|rest| unit(rest.strip_prefix(b"\\u")?));
            if let (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) = (first, second) {
                let both = 0x1_0000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(second) - 0xdc00);
                return (char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
            }
            return (char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 5);
        }
        [b'b', ..] => '\u{8}',
        [b'f', ..] => '\u{c}',
        [b'n', ..] => '\n',
        [b'r', ..] => '\r',
        [b't', ..] => '\t',
        [letter, ..] => char::from(*letter),
        [] => char::REPLACEMENT_CHARACTER,
    };
    (letter, 1)
}

/// Four hexadecimal digits.
pub(super) fn unit(digits: &[u8]) -> Option<u16> {
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?))
}

/// Where the next byte is that a string cannot hold as it is: a quote, a backslash or a control character. Looks at
/// eight at once: texts are what most JSON is made of.
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The highest bit of each byte that is below `limit`, which is at most 128; of one that is above 127 never.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let found =
            below(word, 0x20) | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = found & (ONES << 7);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap_or(rest.len())
}
