//! Where a value of JSON ends, found out while its bytes come; not whether it is one.

use memchr::memchr2;

/// How far the value that is next has been looked at.
#[derive(Default)]
pub(super) struct Value {
    pub(super) at: usize,
    depth: usize,
    is_in_text: bool,
}

impl Value {
    /// Where it ends, once that is known.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            if self.is_in_text {
                let Some(found) = memchr2(b'"', b'\\', bytes.get(self.at..)?) else {
                    self.at = bytes.len();
                    return None;
                };
                self.at += found;
                if bytes[self.at] == b'\\' {
                    // What it escapes may be still to come.
                    bytes.get(self.at + 1)?;
                    self.at += 2;
                    continue;
                }
                self.at += 1;
                self.is_in_text = false;
                if self.depth == 0 {
                    return Some(self.at);
                }
            }
            match *bytes.get(self.at)? {
                b'"' => self.is_in_text = true,
                b'{' | b'[' => self.depth += 1,
                // What ends a word or a number is no part of it.
                b'}' | b']' | b',' if self.depth == 0 => return Some(self.at),
                blank if self.depth == 0 && is_blank(blank) => return Some(self.at),
                b'}' | b']' if self.depth == 1 => return Some(self.at + 1),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// White space of JSON.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
