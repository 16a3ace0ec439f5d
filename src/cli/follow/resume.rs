//! When a call that only reads is made again after it broke: what docs/callers.md says is tried again, and a connection that
//! was lost. Bounded by how often nothing new comes.

use std::{error::Error as _, time::Duration};

use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::super::{
    client::Deadline,
    failure::Failure,
    output::Output,
    render::{one_line, span},
};
use crate::grpc::code_name;

/// How often in a row nothing new may come.
const MOST: u32 = 8;
/// The first pause where the proxy says none; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause, also where the proxy wishes one.
const LONGEST: Duration = Duration::from_secs(8);

/// How often a call has been made again.
pub struct Resumption {
    is_wanted: bool,
    /// Whether the proxy has said anything yet.
    has_begun: bool,
    in_vain: u32,
}

impl Resumption {
    /// Not yet; never, where it is not wanted.
    pub fn new(is_wanted: bool) -> Self {
        Self { is_wanted, has_begun: false, in_vain: 0 }
    }

    /// Something new came.
    pub fn has_news(&mut self) {
        (self.has_begun, self.in_vain) = (true, 0);
    }

    /// Says that the call is made again, where it is, and waits until then.
    ///
    /// # Errors
    /// The failure, where it is not.
    pub async fn pause(&mut self, failure: Failure, deadline: Deadline, output: Output) -> Result<(), Failure> {
        let Some((status, wait)) = failure.status().and_then(|status| Some((status, self.wait(status)?))) else {
            return Err(failure);
        };
        self.in_vain += 1;
        let reason = status.get_error_details().error_info().map(|info| format!(" {}", one_line(&info.reason)));
        let reason = reason.unwrap_or_default();
        output.note(&format!("interrupted ({}{reason}); going on in {}", code_name(status.code()), span(wait)));
        sleep(deadline.left().map_or(wait, |left| wait.min(left))).await;
        Ok(())
    }

    fn wait(&self, status: &Status) -> Option<Duration> {
        if !self.is_wanted || self.in_vain >= MOST {
            return None;
        }
        let wish = status.get_error_details().retry_info().and_then(|retry| retry.retry_delay);
        let is_lost = status.source().is_some();
        let is_away = self.has_begun && status.code() == Code::Unavailable;
        if wish.is_none() && !is_lost && !is_away {
            return None;
        }
        let own = FIRST * 2_u32.pow(self.in_vain.min(MOST));
        Some(wish.unwrap_or(own).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn what_can_be_tried_again_is_so_often_and_no_more() {
        let mut resumption = Resumption::new(true);
        let away = Status::unavailable("away");
        assert_eq!(resumption.wait(&away), None, "nothing has begun");
        resumption.has_news();
        assert_eq!(resumption.wait(&away), Some(FIRST));
        resumption.in_vain = MOST - 1;
        assert_eq!(resumption.wait(&away), Some(LONGEST));
        resumption.in_vain = MOST;
        assert_eq!(resumption.wait(&away), None);
        resumption.has_news();
        assert_eq!(resumption.wait(&away), Some(FIRST));
        assert_eq!(Resumption::new(false).wait(&away), None);
    }

    #[test]
    fn the_proxys_wish_counts_and_what_would_be_in_vain_is_not_tried() {
        let resumption = Resumption::new(true);
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_secs(1)));
        let drained = Status::with_error_details(Code::Unavailable, "draining", details.clone());
        assert_eq!(resumption.wait(&drained), Some(Duration::from_secs(1)));
        let full = Status::with_error_details(Code::ResourceExhausted, "full", details);
        assert_eq!(resumption.wait(&full), Some(Duration::from_secs(1)));
        for code in [Code::NotFound, Code::DeadlineExceeded, Code::ResourceExhausted, Code::FailedPrecondition] {
            assert_eq!(resumption.wait(&Status::new(code, "no")), None, "{code:?}");
        }
    }
}
