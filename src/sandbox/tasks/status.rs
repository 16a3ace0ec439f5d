//! Where a turn stands, and how it ends.
//!
//! It does not say when; that is up to the agents and to `task`.

/// Where a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Executing,
    Paused,
    Error,
    Failed,
    Completed,
    Stopped,
}

/// How a turn ends.
#[derive(Debug)]
pub struct Ending {
    /// A terminal status.
    pub status: Status,
    /// The result, if there is one.
    pub result: Option<String>,
    /// The tools used.
    pub used_tools: Vec<&'static str>,
    /// Whether the last event is trimmed, as the platform does with big tasks.
    pub trimmed: bool,
}

impl Status {
    /// Whether a task with this status is done.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Error | Self::Failed | Self::Completed | Self::Stopped)
    }

    /// The platform's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Executing => "executing",
            Self::Paused => "paused",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }
}
