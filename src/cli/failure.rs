//! How a command ends: well or not, or why it failed, told to a person, and the exit code that follows from it.

use std::{io, process::ExitCode};

use tonic::Status;
use tonic_types::StatusExt as _;

use super::render::{Colour, Look, clean, one_line, span};
use crate::grpc::code_name;

/// How a command that worked ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it was wanted.
    Good,
    /// What was asked about is not well: a task that failed, a proxy that does not serve.
    Bad,
}

/// Why a command failed.
pub enum Failure {
    /// The command line, or a file it names, is wrong; the text names what.
    Usage(String),
    /// The call failed, on the way or in the proxy.
    Call(Box<Status>),
    /// Anything else, in words.
    Broken(String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// The exit code. A reader that has seen enough (`| head`) is no failure.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Call(_) | Self::Broken(_) | Self::Output(_) => ExitCode::FAILURE,
        }
    }

    /// Tells what went wrong.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut impl io::Write, look: Look) -> io::Result<()> {
        let error = look.paint(Colour::Red, "error:");
        match self {
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Self::Output(e) => writeln!(out, "{error} cannot write the output: {e}"),
            Self::Usage(why) | Self::Broken(why) => writeln!(out, "{error} {}", clean(why)),
            Self::Call(status) => {
                let code = look.paint(Colour::Bold, code_name(status.code()));
                writeln!(out, "{error} {code}: {}", clean(status.message()))?;
                write_details(out, status)
            }
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Reason, field violations, retry delay, then what else the error says of itself, such as the task's id.
fn write_details(out: &mut impl io::Write, status: &Status) -> io::Result<()> {
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        write_pair(out, "reason", &info.reason)?;
    }
    for violation in details.bad_request().map_or(&[][..], |bad| &bad.field_violations) {
        writeln!(out, "  {}: {}", one_line(&violation.field), one_line(&violation.description))?;
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        write_pair(out, "retry in", &span(delay))?;
    }
    let mut metadata: Vec<_> = details.error_info().into_iter().flat_map(|info| &info.metadata).collect();
    metadata.sort_unstable();
    metadata.into_iter().try_for_each(|(key, value)| write_pair(out, &key.replace('_', " "), value))
}

fn write_pair(out: &mut impl io::Write, key: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {:<14} {}", one_line(key), one_line(value))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    fn told(failure: &Failure) -> String {
        let mut out = Vec::new();
        failure.write(&mut out, Look::PLAIN).expect("memory can be written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn an_error_is_told_with_all_its_details() {
        let mut details = ErrorDetails::new();
        let metadata = HashMap::from([("task_id".to_owned(), "t1".to_owned()), ("http_status".into(), "422".into())]);
        details
            .set_error_info("INVALID", "xpander.ai", metadata)
            .add_bad_request_violation("user_details.email", "is required")
            .add_bad_request_violation("prompt", "is too long")
            .set_retry_info(Some(Duration::from_millis(1500)));
        let status = Status::with_error_details(Code::InvalidArgument, "two fields are wrong", details);
        assert_eq!(
            told(&status.into()),
            "error: INVALID_ARGUMENT: two fields are wrong\n  \
             reason         INVALID\n  \
             user_details.email: is required\n  \
             prompt: is too long\n  \
             retry in       1.5s\n  \
             http status    422\n  \
             task id        t1\n"
        );
    }

    #[test]
    fn an_error_without_details_is_one_line() {
        assert_eq!(told(&Status::unavailable("gone").into()), "error: UNAVAILABLE: gone\n");
    }

    #[test]
    fn an_error_cannot_steer_the_terminal() {
        let told = told(&Status::internal("\u{1b}]0;owned\u{7}").into());
        assert_eq!(told, "error: INTERNAL: \\u{1b}]0;owned\\u{7}\n");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(told(&failure), "");
        assert_eq!(format!("{:?}", failure.exit_code()), format!("{:?}", ExitCode::SUCCESS));
    }
}
