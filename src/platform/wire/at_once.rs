//! The fast way to read an object: each attribute straight into its type, for as long as everything is as its type has
//! it. Most objects are; one that is not is read again attribute by attribute, and then nothing of it is lost.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

use super::{
    lenient::{Rest, Wire},
    raw,
};

/// How the attributes of an object are read.
#[derive(Clone, Copy)]
pub enum Manner {
    /// Each into its type; the first one that does not fit, or holds more than its type, ends it.
    AtOnce,
    /// Each left unread at first, and then read or kept.
    OneByOne,
}

/// The object, unless something in it needs a closer look.
pub fn at_once<T: Wire>(json: &str) -> Option<T> {
    if raw::has_private_name(json) {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let object = T::at_once(&mut reader).ok()?;
    reader.end().is_ok().then_some(object)
}

/// Reads an object, at once where that will do.
///
/// # Errors
/// When the JSON is no object of that type.
pub fn read<T: Wire>(json: &str) -> serde_json::Result<T> {
    at_once(json).map_or_else(|| serde_json::from_str(json), Ok)
}

impl Manner {
    /// Reads the attribute that is next, of this name.
    pub fn attribute<'de, T: Wire, A: de::MapAccess<'de>>(
        self,
        map: &mut A,
        key: &str,
        rest: &mut Rest,
    ) -> Result<Option<T>, A::Error> {
        match self {
            Self::OneByOne => Ok(rest.read(key, map.next_value()?)),
            Self::AtOnce => {
                let Attribute(value) = map.next_value()?;
                let is_whole = value.as_ref().is_none_or(Wire::is_whole);
                if is_whole { Ok(value) } else { Err(de::Error::custom("it holds more than its type")) }
            }
        }
    }
}

/// An attribute that is read at once; None for null.
struct Attribute<T>(Option<T>);

impl<'de, T: Wire> Deserialize<'de> for Attribute<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Optional<T>(PhantomData<T>);
        impl<'de, T: Wire> de::Visitor<'de> for Optional<T> {
            type Value = Attribute<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute")
            }

            fn visit_none<E>(self) -> Result<Attribute<T>, E> {
                Ok(Attribute(None))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Attribute<T>, D::Error> {
                T::at_once(deserializer).map(|value| Attribute(Some(value)))
            }
        }
        deserializer.deserialize_option(Optional(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::platform::wire::Task;

    /// Everything that was read.
    fn told(task: &Task) -> (Value, &Map<String, Value>, bool) {
        (json!(task), &task.rest.other, task.rest.misfit)
    }

    const KEYS: [&str; 10] =
        ["id", "status", "input", "created_at", "is_app", "tool_call_limit", "tokens", "duration", "used_tools", "new"];
    const VALUES: [&str; 16] = [
        "null",
        r#""pending""#,
        r#""a \"word\"""#,
        r#""\ud83d""#,
        r#""2026-04-10T19:01:36Z""#,
        "true",
        "7",
        "-0",
        "1.50",
        "1e400",
        r#"["a"]"#,
        "{}",
        r#"{"text": "x", "user": {"email": "a@b"}}"#,
        r#"{"text": "x", "mood": "new", "user_tokens": "secret"}"#,
        r#"{"prompt_tokens": 1, "user_oidc_token": "secret"}"#,
        r#"{"$serde_json::private::Number": "1"}"#,
    ];

    proptest! {
        #[test]
        fn what_is_read_at_once_is_what_is_read_one_by_one(
            attributes in vec((select(&KEYS[..]), select(&VALUES[..])), 0..4)
        ) {
            let attributes: Vec<String> =
                attributes.iter().map(|(key, value)| format!(r#""{key}": {value}"#)).collect();
            let json = format!("{{{}}}", attributes.join(", "));
            let slowly: Task = serde_json::from_str(&json).expect("attributes that do not fit are kept");
            let task: Task = read(&json).expect("the same");
            prop_assert_eq!(told(&task), told(&slowly));
        }
    }

    #[test]
    fn a_task_that_fits_is_read_at_once_whatever_else_it_has() {
        let json = r#"{"id": "t", "input": {"user": {"email": "a@b"}}, "status": "pending", "new": {"a": [1.0]}}"#;
        let task: Task = at_once(json).expect("read at once");
        assert_eq!(json!(task.rest.other), json!({"new": {"a": [1.0]}}));
    }

    #[test]
    fn what_would_lose_something_is_not_read_at_once() {
        let deep = format!(r#"{{"new": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        for json in [
            r#"{"status": "new"}"#,
            r#"{"input": {"new": 1}}"#,
            r#"{"mcp_servers": [{"new": 1}]}"#,
            r#"{"id": "\ud83d"}"#,
            r#"{"payload_extension": {"$serde_json::private::Number": "1"}}"#,
            r#"{"id": "t"} more"#,
        ] {
            assert!(at_once::<Task>(json).is_none(), "{json}");
        }
        assert!(read::<Task>(&deep).is_ok_and(|task| task.rest.other["new"].is_string()));
    }
}
