//! The enums of both sides, word by word.

use crate::{platform::wire, proto};

/// A protobuf enum with the platform's words for its values.
pub trait Words: Sized {
    /// The platform's words.
    type Wire;

    /// The number of a word; UNSPECIFIED for none.
    fn number(word: Option<Self::Wire>) -> i32;

    /// The word of a number: None for UNSPECIFIED.
    ///
    /// # Errors
    /// For a number that this version does not know.
    fn word(number: i32) -> Result<Option<Self::Wire>, Unknown>;
}

/// A number that stands for no value of its enum.
pub struct Unknown;

macro_rules! words {
    ($($name:ident { $($word:ident),* })*) => {$(
        impl Words for proto::$name {
            type Wire = wire::$name;

            fn number(word: Option<wire::$name>) -> i32 {
                let value = match word {
                    None => Self::Unspecified,
                    $(Some(wire::$name::$word) => Self::$word,)*
                };
                value.into()
            }

            fn word(number: i32) -> Result<Option<wire::$name>, Unknown> {
                match Self::try_from(number).map_err(|_| Unknown)? {
                    Self::Unspecified => Ok(None),
                    $(Self::$word => Ok(Some(wire::$name::$word)),)*
                }
            }
        }
    )*};
}

words! {
    TaskStatus { Pending, Executing, Paused, Error, Failed, Completed, Stopped }
    OutputFormat { Text, Markdown, Json, Voice }
    ThinkMode { Default, Harder }
    LlmReasoningEffort { Low, Medium, High, Xhigh }
    AttachmentKind { Image, Pdf, Document, Text, Audio, Video, Archive, Unknown }
    PrincipalKind { User, Slack, ApiKey, System, Anonymous }
    ActivityRole { User, Agent }
}
