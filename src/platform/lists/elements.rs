//! A list in the platform's JSON, taken apart while its bytes come: each element by itself, as text. Not what an element
//! is: only where it ends is known here, so that whoever takes one has to see that it is JSON.
//!
//! Does no I/O. Holds what has not ended yet, and nothing else.

mod value;

use std::{borrow::Cow, ops::Range};

use bytes::{Buf as _, BytesMut};

use self::value::{Value, is_blank};
use crate::{
    memory::make_room,
    platform::wire::{Wide, text},
    proto::json::{Quoted, Reader},
};

/// What Python's library may write in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Takes a list apart.
pub struct Elements {
    /// The attribute that holds the list; None where the list is the whole answer.
    within: Option<&'static str>,
    /// The most bytes of one value.
    most: usize,
    /// Where that is not UTF-8: what is read as such.
    wide: Option<Wide>,
    buffer: BytesMut,
    /// How much of it has been given out.
    given: usize,
    /// How much white space there was since the last token.
    blank: usize,
    value: Value,
    state: State,
    key: String,
}

/// A part of the answer.
pub enum Part<'a> {
    /// An attribute beside the list, its name and its value.
    Attribute(&'a str, Cow<'a, str>),
    /// The list begins.
    Begin,
    /// The list's next element.
    Element(Cow<'a, str>),
}

/// Why an answer is no such list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is JSON of another kind, or none.
    #[error("it is no list where one should be, or no JSON")]
    NoList,
    /// It breaks off.
    #[error("it breaks off")]
    BreaksOff,
    /// One of its values is too large.
    #[error("one of its values is larger than {0} bytes")]
    TooLarge(usize),
    /// One of its elements is not what it should be.
    #[error("{0}")]
    NoElement(&'static str),
}

/// What is next.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    /// Behind a byte order mark, where there is one.
    Begun,
    /// A key, or the end of an object without any.
    FirstKey,
    Key,
    Colon,
    /// The value of the key.
    Attribute,
    /// A comma, or the end of the object.
    AfterAttribute,
    /// An element, or the end of a list without any.
    FirstElement,
    Element,
    /// A comma, or the end of the list.
    AfterElement,
    Done,
}

/// What has been found, and where.
enum Found {
    Attribute(Range<usize>),
    Begin,
    Element(Range<usize>),
}

impl Elements {
    /// Of an answer that is a list, or an object that has it `within` this attribute. No value may be larger than `most`.
    #[must_use]
    pub fn new(within: Option<&'static str>, most: usize) -> Self {
        let (wide, buffer, key) = Default::default();
        Self { within, most, wide, buffer, given: 0, blank: 0, value: Value::default(), state: State::Start, key }
    }

    /// Takes the bytes that come next, once all of those before have been looked at.
    pub fn push(&mut self, bytes: &[u8]) {
        self.forget();
        make_room(&mut self.buffer, bytes.len(), self.most);
        match &mut self.wide {
            None => self.buffer.extend_from_slice(bytes),
            Some(wide) => wide.read(bytes, |letter| self.buffer.extend_from_slice(letter.as_bytes())),
        }
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// The next part; None where more bytes are needed.
    ///
    /// # Errors
    /// When the answer is no such list.
    pub fn next_part(&mut self) -> Result<Option<Part<'_>>, Fault> {
        self.forget();
        let found = self.find()?;
        Ok(found.map(|found| match found {
            Found::Attribute(value) => Part::Attribute(&self.key, text(&self.buffer[value])),
            Found::Begin => Part::Begin,
            Found::Element(value) => Part::Element(text(&self.buffer[value])),
        }))
    }

    /// Has all elements of a list read that have come: `read` reads the one that is next, or says why not. Objects are read
    /// where they stand, each of them once; where that fails, the object may not have come whole, or there is more to be
    /// said of it.
    ///
    /// # Errors
    /// When the answer is no such list.
    pub fn read(&mut self, mut read: impl FnMut(&mut Reader<'_>) -> Result<(), &'static str>) -> Result<(), Fault> {
        loop {
            self.read_objects(&mut read);
            match self.next_part()? {
                Some(Part::Element(element)) => {
                    let mut json = Reader::new(&element);
                    read(&mut json).map_err(Fault::NoElement)?;
                    if !json.is_at_end() {
                        return Err(Fault::NoList);
                    }
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    fn read_objects(&mut self, mut read: impl FnMut(&mut Reader<'_>) -> Result<(), &'static str>) {
        self.forget();
        // What has been looked at once has not come whole; and a mark is none between elements, though a reader passes it.
        if self.value.at > 0 || self.buffer.starts_with(BYTE_ORDER_MARK) {
            return;
        }
        let mut json = Reader::new(valid(&self.buffer));
        loop {
            let mut next = json;
            let byte = next.peek();
            let start = next.at();
            if self.blank + start - json.at() > self.most {
                break;
            }
            self.state = match (self.state, byte) {
                (State::AfterElement, Some(b',')) if next.word(",") => State::Element,
                (State::FirstElement | State::Element, Some(b'{'))
                    if read(&mut next).is_ok() && next.at() - start <= self.most =>
                {
                    State::AfterElement
                }
                _ => break,
            };
            (json, self.blank, self.given) = (next, 0, next.at());
        }
    }

    /// Checks that the answer ends where its bytes do.
    ///
    /// # Errors
    /// When it does not.
    pub fn end(&self) -> Result<(), Fault> {
        let is_whole = self.state == State::Done && self.wide.as_ref().is_none_or(Wide::is_whole);
        if is_whole { Ok(()) } else { Err(Fault::BreaksOff) }
    }

    fn forget(&mut self) {
        self.buffer.advance(self.given);
        self.given = 0;
    }

    fn find(&mut self) -> Result<Option<Found>, Fault> {
        loop {
            if self.state == State::Start {
                if !self.skip_mark() {
                    return Ok(None);
                }
                self.state = State::Begun;
            }
            let Some(byte) = self.peek()? else { return Ok(None) };
            self.state = match (self.state, byte) {
                (State::Begun, b'[') if self.within.is_none() => self.pass(State::FirstElement),
                (State::Begun, b'{') if self.within.is_some() => self.pass(State::FirstKey),
                (State::AfterAttribute | State::FirstKey, b'}') => self.pass(State::Done),
                (State::AfterAttribute, b',') => self.pass(State::Key),
                (State::Colon, b':') => self.pass(State::Attribute),
                (State::AfterElement, b',') => self.pass(State::Element),
                (State::AfterElement | State::FirstElement, b']') => {
                    self.pass(if self.within.is_some() { State::AfterAttribute } else { State::Done })
                }
                (State::FirstKey | State::Key, b'"') => {
                    let Some(key) = self.value()? else { return Ok(None) };
                    let written = text(&self.buffer[key.clone()]).into_owned();
                    self.key = Reader::new(&written).string().map(Quoted::text).ok_or(Fault::NoList)?.into_owned();
                    self.buffer.advance(key.end);
                    State::Colon
                }
                (State::Attribute, b'[') if self.within == Some(&*self.key) => {
                    self.state = self.pass(State::FirstElement);
                    return Ok(Some(Found::Begin));
                }
                (State::Attribute, _) if self.within != Some(&*self.key) => {
                    let Some(value) = self.value()? else { return Ok(None) };
                    (self.state, self.given) = (State::AfterAttribute, value.end);
                    return Ok(Some(Found::Attribute(value)));
                }
                (State::FirstElement | State::Element, _) => {
                    let Some(value) = self.value()? else { return Ok(None) };
                    (self.state, self.given) = (State::AfterElement, value.end);
                    return Ok(Some(Found::Element(value)));
                }
                _ => return Err(Fault::NoList),
            };
        }
    }

    /// Finds out what the answer is written in and passes over a byte order mark, once that is known.
    fn skip_mark(&mut self) -> bool {
        if self.wide.is_none() {
            if Wide::is_open(&self.buffer) {
                return false;
            }
            self.wide = Wide::of(&self.buffer);
            if self.wide.is_some() {
                let begun = std::mem::take(&mut self.buffer);
                self.push(&begun);
            }
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.advance(BYTE_ORDER_MARK.len());
            return true;
        }
        !BYTE_ORDER_MARK.starts_with(&self.buffer)
    }

    /// The first byte of the next token, which stays, without the white space before it: that has a limit, too, since there
    /// may be no end of it in a few packed bytes.
    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        if self.value.at == 0 {
            let blank = self.buffer.iter().take_while(|byte| is_blank(**byte)).count();
            self.buffer.advance(blank);
            self.blank += blank;
        }
        let byte = self.buffer.first().copied();
        if self.blank > self.most {
            return Err(Fault::TooLarge(self.most));
        }
        if byte.is_some() {
            self.blank = 0;
        }
        Ok(byte)
    }

    fn pass(&mut self, next: State) -> State {
        self.buffer.advance(1);
        next
    }

    /// Where the value is that is next, once it has ended.
    fn value(&mut self) -> Result<Option<Range<usize>>, Fault> {
        let end = self.value.end(&self.buffer);
        match end {
            Some(0) => return Err(Fault::NoList),
            _ if end.unwrap_or(self.buffer.len()) > self.most => return Err(Fault::TooLarge(self.most)),
            Some(_) => self.value = Value::default(),
            None => {}
        }
        Ok(end.map(|end| 0..end))
    }
}

/// Bytes as text, as far as they are.
fn valid(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).or_else(|fault| str::from_utf8(&bytes[..fault.valid_up_to()])).unwrap_or_default()
}

#[cfg(test)]
mod tests;
