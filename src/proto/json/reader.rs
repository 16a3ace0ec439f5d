//! JSON text, read from one token to the next: no tree, and nothing copied.
//!
//! Takes all that JSON is, and what Python's library writes and reads beyond that: `NaN`, `Infinity`, `-Infinity`, halves
//! of surrogates, a byte order mark in front. Everything else that is no JSON is refused, as it is there: control
//! characters in texts, words in other cases, commas too many, zeros in front.

use super::quoted::{Quoted, special, unit};

/// What Python writes for numbers that are none.
const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// How much room the elements of a text's lists have in any case, in bytes.
const ROOM: usize = 1 << 20;

/// Reads a text from its beginning. Cheap to clone, to come back to where it stood.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// What elements of lists may take beside their text: as much as the whole text.
    room: usize,
}

/// A value that is no container.
#[derive(Clone, Copy)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A number that is none, as Python writes it.
    NotFinite(&'static str),
    /// A string.
    String(Quoted<'a>),
}

impl<'a> Reader<'a> {
    /// At the beginning of a text, behind its byte order mark.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, room: text.len().max(ROOM) }
    }

    /// How far it has come, in bytes.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The text from there to here.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The first byte of the next token, which stays.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            // Most are no white space by the first look.
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Whether nothing follows.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    #[inline]
    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn eat(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    /// Passes over this word, where it is the next token.
    pub fn word(&mut self, word: &str) -> bool {
        self.peek();
        let is_next = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    /// Passes over one of Python's numbers that are none, where it is the next token, and says which.
    pub fn not_finite(&mut self) -> Option<&'static str> {
        NOT_FINITE.into_iter().find(|word| self.word(word))
    }

    /// The string that is next.
    #[inline]
    pub fn string(&mut self) -> Option<Quoted<'a>> {
        self.eat(b'"')?;
        let end = special(self.text.as_bytes(), self.at);
        // Most have no escape.
        if self.text.as_bytes().get(end) == Some(&b'"') {
            let text = self.text.get(self.at..end)?;
            self.at = end + 1;
            return Some(Quoted::plain(text));
        }
        self.escaped(end)
    }

    /// The same behind its quote, of which nothing is special up to there.
    fn escaped(&mut self, end: usize) -> Option<Quoted<'a>> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        self.at = end;
        while *bytes.get(self.at)? != b'"' {
            if bytes[self.at] != b'\\' {
                return None;
            }
            self.at += 2;
            match bytes.get(self.at - 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    unit(bytes.get(self.at..)?)?;
                    self.at += 4;
                }
                _ => return None,
            }
            self.at = special(bytes, self.at);
        }
        let raw = self.since(start);
        self.at += 1;
        Some(Quoted::escaped(raw))
    }

    /// The number that is next, as it is written.
    pub fn number(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.accept(b"-");
        if !self.accept(b"0") {
            self.digits()?;
        }
        if self.accept(b".") {
            self.digits()?;
        }
        if self.accept(b"eE") {
            self.accept(b"+-");
            self.digits()?;
        }
        Some(self.since(start))
    }

    fn accept(&mut self, any: &[u8]) -> bool {
        let is_one = self.text.as_bytes().get(self.at).is_some_and(|byte| any.contains(byte));
        self.at += usize::from(is_one);
        is_one
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// The value that is next, where it is no container.
    #[inline]
    pub fn scalar(&mut self) -> Option<Scalar<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Scalar::String),
            b'n' => self.word("null").then_some(Scalar::Null),
            b't' => self.word("true").then_some(Scalar::Bool(true)),
            b'f' => self.word("false").then_some(Scalar::Bool(false)),
            b'0'..=b'9' => self.number().map(Scalar::Number),
            _ => self.not_finite().map(Scalar::NotFinite).or_else(|| self.number().map(Scalar::Number)),
        }
    }

    /// The object that is next: `each` reads the value of each key.
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, Quoted<'a>) -> Option<()>) -> Option<()> {
        self.container(b'{', |json| {
            let key = json.key()?;
            each(json, key)
        })
    }

    #[inline]
    fn key(&mut self) -> Option<Quoted<'a>> {
        let key = self.string()?;
        self.eat(b':')?;
        Some(key)
    }

    /// The list that is next: `each` reads each of its elements.
    pub fn list(&mut self, each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.container(b'[', each)
    }

    #[inline]
    fn container(&mut self, bracket: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.eat(bracket)?;
        if self.eat(end_of(bracket)).is_some() {
            return Some(());
        }
        loop {
            each(self)?;
            match self.take()? {
                b',' => {}
                byte => return (byte == end_of(bracket)).then_some(()),
            }
        }
    }

    /// Passes over the object that is next, and gives the texts of its attributes of these names, each the last one where
    /// there are several.
    pub fn attributes<const N: usize>(&mut self, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
        let mut found = [None; N];
        self.object(|json, key| {
            let value = json.skip()?;
            if let Some(at) = names.iter().position(|name| key.is(name)) {
                found[at] = Some(value);
            }
            Some(())
        })?;
        Some(found)
    }

    /// Takes room for an element of a list; None where there is no more: small on the wire, many of them are large.
    pub fn make_room<T>(&mut self) -> Option<()> {
        self.room = self.room.checked_sub(size_of::<T>())?;
        Some(())
    }

    /// Passes over the value that is next, however deep it is nested, and gives its text.
    pub fn skip(&mut self) -> Option<&'a str> {
        self.skip_nested().map(|(text, _)| text)
    }

    /// The same, and how many containers that have something in them are inside each other.
    pub fn skip_nested(&mut self) -> Option<(&'a str, usize)> {
        self.peek()?;
        // A byte for each container that is open: not a level of the stack.
        let (start, mut ends, mut deepest) = (self.at, Vec::new(), 0);
        loop {
            match self.peek()? {
                b'{' | b'[' if self.empty() => {}
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    ends.push(end_of(bracket));
                    deepest = deepest.max(ends.len());
                    if bracket == b'{' {
                        self.key()?;
                    }
                    continue;
                }
                b'"' => drop(self.string()?),
                _ => drop(self.scalar()?),
            }
            // A value has ended, and with it perhaps what it stands in.
            loop {
                let Some(end) = ends.last() else { return Some((self.since(start), deepest)) };
                match self.take()? {
                    b',' if *end == b'}' => {
                        self.key()?;
                        break;
                    }
                    b',' => break,
                    byte if byte == *end => drop(ends.pop()),
                    _ => return None,
                }
            }
        }
    }

    /// Passes over a container with nothing in it, where the bracket that is next begins one.
    #[inline]
    pub fn empty(&mut self) -> bool {
        let mut behind = *self;
        let is_empty = behind.take().is_some_and(|bracket| behind.eat(end_of(bracket)).is_some());
        if is_empty {
            *self = behind;
        }
        is_empty
    }
}

fn end_of(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

/// The texts of an object's attributes of these names, each the last one where there are several; None where the text is
/// no object.
#[must_use]
pub fn attributes<'a, const N: usize>(object: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut json = Reader::new(object);
    let found = json.attributes(names)?;
    json.is_at_end().then_some(found)
}
