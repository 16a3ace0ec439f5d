//! Strings of JSON as they are written, and what they say.

use std::borrow::Cow;

/// A string as it is written, between its quotes.
#[derive(Clone, Copy)]
pub struct Quoted<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// A text that JSON writes as it is.
    #[must_use]
    pub fn plain(text: &'a str) -> Self {
        Self { raw: text, has_escapes: false }
    }

    /// What stands between two quotes, where each escape is one.
    pub(super) fn escaped(raw: &'a str) -> Self {
        Self { raw, has_escapes: true }
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
    #[inline]
    pub fn length(self) -> usize {
        if !self.has_escapes {
            return self.raw.len();
        }
        let mut length = 0;
        self.unescaped(|piece| length += piece.len());
        length
    }

    /// What it says. Half a character (a surrogate without its twin, as a writer leaves it that cuts text in the wrong
    /// place) becomes U+FFFD.
    #[must_use]
    #[inline]
    pub fn text(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        self.unescaped(|piece| text.push_str(piece));
        Cow::Owned(text)
    }

    /// What it says, piece by piece.
    #[inline]
    pub fn pieces(self, mut put: impl FnMut(&str)) {
        if self.has_escapes { self.unescaped(put) } else { put(self.raw) }
    }

    fn unescaped(self, mut put: impl FnMut(&str)) {
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
/// eight at once, and at more where none of those is near: texts are what most JSON is made of.
#[inline]
pub(super) fn special(bytes: &[u8], at: usize) -> usize {
    /// Eights of a short text.
    const FEW: usize = 4;
    let (eights, rest) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
    for (n, eight) in eights.iter().take(FEW).enumerate() {
        if let Some(found) = among_8(*eight) {
            return at + n * 8 + found;
        }
    }
    if eights.len() > FEW {
        return far(bytes, at + FEW * 8);
    }
    at + eights.len() * 8 + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// The same in a long text. The compiler has many bytes looked at at once where none of them is a reason to stop.
fn far(bytes: &[u8], at: usize) -> usize {
    let (chunks, _) = bytes.get(at..).unwrap_or_default().as_chunks::<32>();
    let is_plain = |chunk: &&[u8; 32]| !chunk.iter().fold(false, |any, byte| any | is_special(*byte));
    let at = at + chunks.iter().take_while(is_plain).count() * 32;
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

#[expect(clippy::needless_bitwise_bool, reason = "a branch would have the compiler look at one byte after the other")]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// The first of them among eight, by arithmetic.
#[inline]
fn among_8(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The highest bit of each byte that is below `limit`, which is at most 128; of one that is above 127 never.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let word = u64::from_le_bytes(bytes);
    let found =
        below(word, 0x20) | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
    let found = found & (ONES << 7);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_byte_that_is_special_is_found_wherever_it_stands(
            plain in "[a-zé👋~\u{7f} ]{0,70}",
            rest in prop::collection::vec(any::<u8>(), 0..40),
            from in 0_usize..80,
        ) {
            let bytes = [plain.as_bytes(), &rest].concat();
            let from = from.min(bytes.len());
            let expected = bytes[from..].iter().position(|byte| is_special(*byte)).map_or(bytes.len(), |at| from + at);
            prop_assert_eq!(special(&bytes, from), expected);
            for chunk in bytes.chunks_exact(8) {
                prop_assert_eq!(among_8(chunk.try_into().expect("eight")), chunk.iter().position(|byte| is_special(*byte)));
            }
        }
    }
}
