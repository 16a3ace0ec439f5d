//! What stands in the store under a name, as text. Nothing of it is trusted: another version, or anybody, may have written it.

use std::fmt;

use uuid::Uuid;

use super::{Fingerprint, Why};
use crate::platform::is_id;

/// The version of the canonical form and of the hash that fingerprints are made with.
const VERSION: &str = "1";
/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub entry: Entry,
    pub content: Content,
}

/// How far the create has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Under way, by the attempt with this token.
    Claim(Uuid),
    /// The task that it made.
    Done(Box<str>),
    /// It may have made one.
    Unknown(Why),
}

/// What the create asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// As this version hashes it.
    Known(Fingerprint),
    /// As another version does: it cannot be compared.
    OfAnotherVersion,
}

impl Value {
    /// Reads what the store says; None for what this version does not know.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = str::from_utf8(bytes).ok()?.split('|');
        let (kind, what, content) = (parts.next()?, parts.next()?, parts.next()?);
        let entry = match kind {
            "S1" => Entry::Claim(Uuid::try_parse(what).ok().filter(|_| what.len() == 32)?),
            "D1" if is_id(what) => Entry::Done(what.into()),
            "U1" if is_id(what) => Entry::Unknown(why(what)),
            _ => return None,
        };
        parts.next().is_none().then_some(Self { entry, content: Content::read(content)? })
    }

    /// Whether it is, or may be, about this content.
    pub fn is_about(&self, content: Fingerprint) -> bool {
        self.content == Content::OfAnotherVersion || self.content == Content::Known(content)
    }
}

impl Content {
    fn read(text: &str) -> Option<Self> {
        let (version, hash) = text.split_once(':')?;
        if version != VERSION {
            return is_id(version).then_some(Self::OfAnotherVersion);
        }
        let number = u128::from_str_radix(hash, 16).ok().filter(|_| hash.len() == 32)?;
        Some(Self::Known(Fingerprint(number.to_be_bytes())))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Entry::Claim(token) => write!(f, "S1|{}", token.simple())?,
            Entry::Done(id) => write!(f, "D1|{id}")?,
            Entry::Unknown(why) => match why {
                Why::Lost => f.write_str("U1|lost")?,
                Why::TimedOut => f.write_str("U1|timeout")?,
                Why::Refused(status) => write!(f, "U1|http-{status}")?,
                Why::Unreadable(status) => write!(f, "U1|unreadable-{status}")?,
                Why::Abandoned => f.write_str("U1|abandoned")?,
            },
        }
        match self.content {
            Content::Known(Fingerprint(hash)) => write!(f, "|{VERSION}:{:032x}", u128::from_be_bytes(hash)),
            Content::OfAnotherVersion => f.write_str("|0:"),
        }
    }
}

/// What a word says; those of later versions say less.
fn why(word: &str) -> Why {
    let status = |text: &str| text.parse().ok().filter(|status| (100..600).contains(status));
    match word {
        "lost" => Why::Lost,
        "timeout" => Why::TimedOut,
        word => {
            let refused = word.strip_prefix("http-").and_then(status).map(Why::Refused);
            let unreadable = || word.strip_prefix("unreadable-").and_then(status).map(Why::Unreadable);
            refused.or_else(unreadable).unwrap_or(Why::Abandoned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "1:00112233445566778899aabbccddeeff";

    #[test]
    fn what_is_written_is_read_again() {
        let content = Content::Known(Fingerprint([7; 16]));
        let whys = [Why::Lost, Why::TimedOut, Why::Refused(502), Why::Unreadable(200), Why::Abandoned];
        let entries = whys.map(Entry::Unknown).into_iter();
        for entry in entries.chain([Entry::Claim(Uuid::now_v7()), Entry::Done("task-1".into())]) {
            let value = Value { entry, content };
            let text = value.to_string();
            assert_eq!(Value::read(text.as_bytes()), Some(value), "{text}");
        }
    }

    #[test]
    fn what_nobody_wrote_is_nothing() {
        let long = format!("D1|{}|{HASH}", "x".repeat(129));
        for text in [
            "",
            "S1",
            "S1||",
            "D1|task|",
            "D1|a/b|1:0",
            &long,
            "S1|zz|1:00",
            "D2|task|x",
            "\u{fffd}",
            "D1|..|1:00",
            "|||",
        ] {
            assert_eq!(Value::read(text.as_bytes()), None, "{text}");
        }
        for text in [format!("D1|task|{HASH}|more"), format!("D1|a/b|{HASH}"), format!("S1|{}|{HASH}", "g".repeat(32))]
        {
            assert_eq!(Value::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Value::read(&[0xff, 0xfe]), None);
    }

    #[test]
    fn another_versions_fingerprint_is_not_compared() {
        let value = Value::read(b"D1|task-1|2:whatever it is").expect("known");
        assert_eq!((value.entry.clone(), value.content), (Entry::Done("task-1".into()), Content::OfAnotherVersion));
        assert!(value.is_about(Fingerprint([1; 16])));
        let value = Value::read(format!("U1|of-tomorrow|{HASH}").as_bytes()).expect("known");
        assert_eq!(value.entry, Entry::Unknown(Why::Abandoned));
        assert!(!value.is_about(Fingerprint([1; 16])));
    }
}
