//! Objects of the platform, read attribute by attribute, so that one that does not fit costs no other; what fits from
//! end to end is read faster (`at_once`).

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, value::RawValue};

use super::raw;

/// Something read from the platform's JSON that can say whether it holds all that was sent.
pub trait Wire: for<'de> Deserialize<'de> + Sized {
    /// Whether everything that was sent has a place in the type.
    fn is_whole(&self) -> bool {
        true
    }

    /// The value, where it can be told from its JSON at a glance. Most attributes are plain texts, and a JSON reader for
    /// each costs more than what it reads.
    fn plain(_json: &str) -> Option<Self> {
        None
    }

    /// The value, read at once.
    ///
    /// # Errors
    /// When it, or anything in it, is not as its type has it.
    fn at_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// What an object holds that its type has no place for.
#[derive(Default)]
pub struct Rest {
    /// Verbatim: unknown attributes, known ones that do not fit, and known ones with more inside than their type.
    pub other: Map<String, Value>,
    /// Whether a known attribute does not fit its type.
    pub misfit: bool,
}

/// An object of the platform.
pub trait Object: Wire {
    /// What it holds that its type has no place for.
    fn rest(&self) -> &Rest;
}

impl Rest {
    /// Reads one attribute: into its type where it fits, verbatim into `other` where that would lose something, and both
    /// where an object fits but holds more than its type. Absent and null are the same.
    pub fn read<T: Wire>(&mut self, key: &str, raw: &RawValue) -> Option<T> {
        if raw.get() == "null" {
            return None;
        }
        let read = T::plain(raw.get()).map_or_else(|| raw::parse::<T>(raw), Ok);
        self.misfit |= read.is_err();
        if !read.as_ref().is_ok_and(Wire::is_whole) {
            self.keep(key, raw);
        }
        read.ok()
    }

    /// Keeps an attribute verbatim.
    pub fn keep(&mut self, key: &str, raw: &RawValue) {
        if !raw::SECRETS.contains(&key) {
            self.other.insert(key.to_owned(), raw::verbatim(raw));
        }
    }
}

/// Declares objects of the platform: every attribute optional, and `rest` for what has no place. `name as "key"` where
/// the platform's key is no name in Rust.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($field:ident $(as $key:literal)? : $kind:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Default, serde::Serialize)]
        #[expect(missing_docs, reason = "the attributes are the platform contract's")]
        #[allow(clippy::struct_excessive_bools, reason = "so is their number")]
        pub struct $name {
            $($(#[serde(rename = $key)])? pub $field: Option<$kind>,)*
            #[serde(skip)]
            pub rest: $crate::platform::wire::lenient::Rest,
        }

        impl $crate::platform::wire::Wire for $name {
            fn is_whole(&self) -> bool {
                self.rest.other.is_empty()
            }

            fn at_once<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::read(deserializer, $crate::platform::wire::at_once::Manner::AtOnce)
            }
        }

        impl $crate::platform::wire::Object for $name {
            fn rest(&self) -> &$crate::platform::wire::lenient::Rest {
                &self.rest
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::read(deserializer, $crate::platform::wire::at_once::Manner::OneByOne)
            }
        }

        impl $name {
            fn read<'de, D: serde::Deserializer<'de>>(
                deserializer: D,
                manner: $crate::platform::wire::at_once::Manner,
            ) -> Result<Self, D::Error> {
                struct Attributes($crate::platform::wire::at_once::Manner);
                impl<'de> serde::de::Visitor<'de> for Attributes {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an object: ", stringify!($name)))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        use $crate::platform::wire::lenient;
                        let mut object = $name::default();
                        while let Some(lenient::Text(key)) = map.next_key()? {
                            match &*key {
                                $(lenient::key!($field $($key)?) => {
                                    object.$field = self.0.attribute(&mut map, &key, &mut object.rest)?;
                                })*
                                _ => object.rest.keep(&key, map.next_value()?),
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(Attributes(manner))
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

/// A string, borrowed where it has no escapes. (serde reads a `Cow` always into an owned one.)
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Either)
    }
}

/// A time of the platform: ISO 8601 with `Z`, an offset or no zone (then UTC), in the years a protobuf Timestamp knows.
pub struct Time(pub Timestamp);

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Timestamp>().or_else(|_| TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>()?)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// 0001-01-01T00:00:00Z, the first second of a protobuf Timestamp.
        const FIRST: i64 = -62_135_596_800;
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an ISO 8601 time")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let time: Time = text.parse().map_err(E::custom)?;
                if time.0.as_second() < FIRST {
                    return Err(E::custom("before the year 1"));
                }
                Ok(time)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Wire for Time {}
impl Wire for String {
    fn plain(json: &str) -> Option<Self> {
        let text = json.strip_prefix('"')?.strip_suffix('"')?;
        memchr::memchr(b'\\', text.as_bytes()).is_none().then(|| text.to_owned())
    }
}
impl Wire for bool {
    fn plain(json: &str) -> Option<Self> {
        json.parse().ok()
    }
}
impl Wire for i32 {}
impl Wire for i64 {}
impl Wire for f64 {}
impl Wire for Value {}
impl Wire for Map<String, Value> {}
impl<T: Wire> Wire for Vec<T> {
    fn is_whole(&self) -> bool {
        self.iter().all(Wire::is_whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_with_z_with_an_offset_and_with_no_zone() {
        let time = |text: &str| text.parse::<Time>().map(|time| time.0.to_string()).ok();
        let noon = Some("2026-04-10T12:00:00.5Z".to_owned());
        assert_eq!(time("2026-04-10T12:00:00.5Z"), noon);
        assert_eq!(time("2026-04-10T14:00:00.500000+02:00"), noon);
        assert_eq!(time("2026-04-10T12:00:00.5"), noon);
        assert_eq!(time("2026-04-10 12:00:00.5"), noon);
        assert_eq!(time("yesterday"), None);
    }
}
