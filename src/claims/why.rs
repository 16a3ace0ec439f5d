//! Why it is not known whether a create has made a task, as it is remembered.

use std::fmt;

/// Why it is not known whether a create has made a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The connection to the platform was lost.
    Lost,
    /// The platform did not answer in time.
    TimedOut,
    /// The platform answered with this HTTP status.
    Refused(u16),
    /// The platform's answer, with this HTTP status, cannot be read.
    Unreadable(u16),
    /// The proxy that created was stopped, or is gone, before it knew.
    Abandoned,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the connection to the platform was lost"),
            Self::TimedOut => f.write_str("the platform did not answer in time"),
            Self::Refused(status) => write!(f, "the platform answered with HTTP status {status}"),
            Self::Unreadable(_) => f.write_str("the platform's answer could not be read"),
            Self::Abandoned => f.write_str("the replica that created it is gone, or says nothing"),
        }
    }
}
