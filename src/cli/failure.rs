//! Why a command failed, and the exit code that follows from it. Not how that is told: `told` knows.

use std::io;

use tonic::{Code, Status};

use super::exit::Exit;
use crate::config::Fault;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The command line, or a file it names, is wrong; the text names what.
    Usage(String),
    /// Settings are wrong.
    Settings(Vec<Fault>),
    /// The call failed, on the way or in the proxy; with its `x-request-id`, where it was sent.
    Call(Box<Status>, Option<String>),
    /// The proxy's answer is none, in words.
    Answer(String),
    /// `health` could not ask.
    NotServing(Box<Self>),
    /// What is to serve cannot start.
    Start(String),
    /// Ctrl-C.
    Interrupted,
    /// Standard output cannot be written.
    Output(io::Error),
    /// A task, or what may become one, is left behind.
    Left(Box<Left>),
}

/// What a command leaves behind that fails or is interrupted, as far as it knows.
#[derive(Debug)]
pub struct Left {
    /// Why it leaves.
    pub why: Failure,
    /// What follows for the exit code.
    pub exit: Exit,
    /// What became of the task, in a sentence.
    pub what: &'static str,
    /// The `x-request-id` of its calls, where they were sent.
    pub request_id: Option<String>,
    /// The task, where its id is known.
    pub task_id: Option<String>,
    /// The last event that was printed.
    pub last_event_id: Option<String>,
    /// What to do about it.
    pub advice: Vec<Advice>,
}

/// Something that a person may do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What for, in a word or two.
    pub to: &'static str,
    /// The command to type.
    pub command: String,
}

impl Failure {
    /// The exit code. A reader that has seen enough (`| head`) is no failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Settings(_) => Exit::Usage,
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Completed,
            Self::Call(..) | Self::Answer(_) | Self::Output(_) => Exit::CallFailed,
            Self::NotServing(_) | Self::Start(_) => Exit::Failed,
            Self::Interrupted => Exit::Interrupted,
            Self::Left(left) => left.exit,
        }
    }

    /// The status, where a call failed.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Call(status, _) => Some(status),
            Self::NotServing(why) => why.status(),
            Self::Left(left) => left.why.status(),
            _ => None,
        }
    }

    /// Whether a call failed with this code.
    pub fn is(&self, code: Code) -> bool {
        self.status().is_some_and(|status| status.code() == code)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status), None)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::Completed);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit(), Exit::CallFailed);
    }
}
