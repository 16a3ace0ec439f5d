//! Why a call ended, what its caller is told of a failure, and what was attached to it, in a word each, as the log has them. Not who notes it: `record` does.

use crate::telemetry::shed::Shed;

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was answered, with OK or with an error that is its own.
    Finished,
    /// Its caller did not wait for the answer.
    CallerLeft,
    /// Its deadline passed.
    Deadline,
    /// The platform failed: it could not be reached, broke off, was too slow, or answered with a 5xx or nonsense.
    PlatformBroke,
    /// It met a limit that another time it would not have met.
    Shed(Shed),
    /// The proxy shut down, or aged the connection, and had no more time for it.
    Drained,
    /// Its caller has no right to it.
    Refused,
}

/// What a failed call's caller is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The reason in its `ErrorInfo`.
    pub reason: &'static str,
    /// Whether there is a task, of a call that creates one: the word in its `ErrorInfo`.
    pub outcome: Option<&'static str>,
    /// Whether it is the proxy's or the platform's, and not its caller's.
    pub is_ours: bool,
}

/// What the proxy adds to a request by itself; told by kind, never by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// The version that the settings pin the agent to.
    VersionPin = 1,
    /// User details out of the call's metadata.
    User = 2,
    /// A principal that names the authenticated caller.
    Principal = 4,
}

impl End {
    /// The word for it in the log.
    pub(in crate::telemetry) fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::CallerLeft => "caller left",
            Self::Deadline => "deadline",
            Self::PlatformBroke => "platform broke",
            Self::Shed(_) => "shed",
            Self::Drained => "drained",
            Self::Refused => "refused",
        }
    }
}

impl Attached {
    /// The words for what these bits say, or None for none.
    pub(in crate::telemetry) fn words(bits: u8) -> Option<String> {
        let kinds = [(Self::VersionPin, "version_pin"), (Self::User, "user"), (Self::Principal, "principal")];
        let words: Vec<_> =
            kinds.into_iter().filter(|(kind, _)| bits & *kind as u8 != 0).map(|(_, word)| word).collect();
        (!words.is_empty()).then(|| words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_attached_is_told_by_kind() {
        assert_eq!(Attached::words(0), None);
        assert_eq!(Attached::words(Attached::User as u8).as_deref(), Some("user"));
        let all = Attached::VersionPin as u8 | Attached::User as u8 | Attached::Principal as u8;
        assert_eq!(Attached::words(all).as_deref(), Some("version_pin,user,principal"));
    }
}
