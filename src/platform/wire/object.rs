//! Objects of the platform, read attribute by attribute, each straight into its type: one that does not fit is read
//! again as free JSON and costs no other.

use super::unicode::document;
use crate::proto::json::{Attributes, Free, Quoted, Reader, Shape, Struct, USERS_SECRETS};

/// Something in the platform's JSON.
pub trait Wire: Sized {
    /// The value that is next; None where that is no such value. Where the reader stands then says nothing.
    fn read(json: &mut Reader<'_>) -> Option<Self>;

    /// Whether everything that was sent has a place in the type.
    fn is_whole(&self) -> bool {
        true
    }
}

/// An object of the platform.
pub trait Object: Wire + Default {
    /// Reads the attribute that is next. None where the JSON is broken.
    fn attribute<'a>(&mut self, key: Quoted<'a>, json: &mut Reader<'a>) -> Option<()>;

    /// What it holds that its type has no place for.
    fn rest(&self) -> &Rest;

    /// The same, to be taken.
    fn rest_mut(&mut self) -> &mut Rest;
}

/// What an object holds that its type has no place for.
#[derive(Default)]
pub struct Rest {
    /// Verbatim: unknown attributes, known ones that do not fit, and known ones with more inside than their type. In a box:
    /// most objects have none.
    other: Option<Box<Attributes>>,
    /// Whether a known attribute does not fit its type.
    pub misfit: bool,
}

/// JSON that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{} error at byte {at}", if *.is_end { "Eof" } else { "Syntax" })]
pub struct Unreadable {
    /// How far it could be read, in bytes.
    pub at: usize,
    /// Whether that is its end.
    pub is_end: bool,
}

/// Reads an answer. Bytes that are no UTF-8 cost the characters they stand in, not the answer.
///
/// # Errors
/// When it is no JSON of that type.
pub fn read<T: Wire>(answer: &[u8]) -> Result<T, Unreadable> {
    let text = document(answer);
    let mut json = Reader::new(&text);
    let read = T::read(&mut json).filter(|_| json.is_at_end());
    read.ok_or_else(|| Unreadable { at: json.at(), is_end: json.is_at_end() })
}

impl Rest {
    /// Reads the attribute that is next: into its type where it fits, verbatim into `other` where that would lose
    /// something, and both where an object fits but holds more than its type. Absent and null are the same, and so is,
    /// where a number or a text should stand, what Python writes for a number that is none. None where the JSON is broken.
    pub fn read<'a, T: Wire>(&mut self, key: Quoted<'a>, json: &mut Reader<'a>) -> Option<Option<T>> {
        if json.word("null") {
            return Some(None);
        }
        let before = *json;
        let read = T::read(json);
        if read.as_ref().is_some_and(Wire::is_whole) {
            return Some(read);
        }
        *json = before;
        if read.is_none() {
            if json.not_finite().is_some() {
                return Some(None);
            }
            self.misfit = true;
        }
        self.keep(key, json)?;
        Some(read)
    }

    /// Keeps the attribute that is next verbatim, unless it is a user's secret. None where the JSON is broken.
    pub fn keep<'a>(&mut self, key: Quoted<'a>, json: &mut Reader<'a>) -> Option<()> {
        if USERS_SECRETS.iter().any(|secret| key.is(secret)) {
            return json.skip().map(drop);
        }
        self.other.get_or_insert_default().keep(key, json)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.other.is_none()
    }

    /// All of it, where there is something.
    #[must_use]
    pub fn into_struct(self) -> Option<Struct> {
        self.other.map(|other| other.into_struct())
    }
}

/// Declares objects of the platform: every attribute optional, and `rest` for what has no place. `name as "key"` where
/// the platform's key is no name in Rust.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($field:ident $(as $key:literal)? : $kind:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Default)]
        #[expect(missing_docs, reason = "the attributes are the platform contract's")]
        pub struct $name {
            $(pub $field: Option<$kind>,)*
            pub rest: $crate::platform::wire::Rest,
        }

        impl $crate::platform::wire::Wire for $name {
            fn read(json: &mut $crate::proto::json::Reader<'_>) -> Option<Self> {
                let mut object = Self::default();
                json.object(|json, key| $crate::platform::wire::Object::attribute(&mut object, key, json))?;
                Some(object)
            }

            fn is_whole(&self) -> bool {
                self.rest.is_empty()
            }
        }

        impl $crate::platform::wire::Object for $name {
            fn attribute<'a>(
                &mut self,
                key: $crate::proto::json::Quoted<'a>,
                json: &mut $crate::proto::json::Reader<'a>,
            ) -> Option<()> {
                match &*key.text() {
                    $($crate::platform::wire::object::key!($field $($key)?) => {
                        self.$field = self.rest.read(key, json)?;
                    })*
                    _ => self.rest.keep(key, json)?,
                }
                Some(())
            }

            fn rest(&self) -> &$crate::platform::wire::Rest {
                &self.rest
            }

            fn rest_mut(&mut self) -> &mut $crate::platform::wire::Rest {
                &mut self.rest
            }
        }
    )*};
}
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}
pub(crate) use {key, objects};

impl Wire for String {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        json.string().map(|string| string.text().into_owned())
    }
}

impl Wire for bool {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        if json.word("true") { Some(true) } else { json.word("false").then_some(false) }
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Wire for $number {
            fn read(json: &mut Reader<'_>) -> Option<Self> {
                let number = json.number()?;
                number.parse().ok().or_else(|| whole(number)?.parse().ok())
            }
        }
    )*};
}

/// A whole number that is written with a point or an exponent, without them: to JSON it is the same.
#[cold]
fn whole(number: &str) -> Option<String> {
    /// Up to here a double says each whole number exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let double = number.parse().ok().filter(|double: &f64| double.fract() == 0.0 && double.abs() < EXACT)?;
    // Not `-0`.
    Some(format!("{:.0}", double + 0.0))
}

numbers! { i32 i64 }

impl Wire for f64 {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        json.number()?.parse().ok().filter(|double: &Self| double.is_finite())
    }
}

impl<S: Shape> Wire for Free<S> {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        Self::read(json)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(json: &mut Reader<'_>) -> Option<Self> {
        let mut elements = Self::new();
        json.list(|json| {
            json.make_room::<T>()?;
            elements.push(T::read(json)?);
            Some(())
        })?;
        Some(elements)
    }

    fn is_whole(&self) -> bool {
        self.iter().all(Wire::is_whole)
    }
}
