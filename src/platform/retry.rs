//! Requests that are sent again: when, after how long, and never so many that a failing platform is stormed.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::{error::Error, transport::Context};
use crate::telemetry::{Route, Sending};

/// The upper end of the first pause; each later one is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that the proxy chooses by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that the platform's `retry-after` is followed for; a caller hears of a longer one.
const LONGEST_WISH: Duration = Duration::from_secs(10);
/// How often a create is sent again at once that HTTP/2 proves unprocessed; as reqwest has it for other requests.
const AT_ONCE: u32 = 2;
/// The budget: over this time, so many retries a second in any case, and this part of all requests on top.
const BUDGET_TIME: Duration = Duration::from_secs(10);
const BUDGET_FLOOR: u32 = 5;
const BUDGET_PART: f32 = 0.2;

/// The process's one owner of retries.
#[derive(Clone)]
pub struct Retries {
    budget: Arc<TpsBudget>,
    most: u32,
}

impl Retries {
    /// At most `most` retries of one request.
    pub fn new(most: u32) -> Self {
        Self { budget: Arc::new(TpsBudget::new(BUDGET_TIME, BUDGET_FLOOR, BUDGET_PART)), most }
    }

    /// Begins with one request, which is about to be sent for the first time.
    pub fn begin<'a>(&'a self, context: &'a Context, route: Route) -> Attempts<'a> {
        self.budget.deposit();
        Attempts { retries: self, context, route, repeats: 0 }
    }
}

/// The attempts at one request.
pub struct Attempts<'a> {
    retries: &'a Retries,
    context: &'a Context,
    route: Route,
    repeats: u32,
}

impl Attempts<'_> {
    /// The attempt that is next.
    pub fn next(&self) -> Sending {
        Sending { route: self.route, repeats: self.repeats }
    }

    /// The same after a create that was not processed. Where HTTP/2 has proved that, a connection ends and the platform does
    /// not fail: the next one is tried at once, as the HTTP library does by itself for requests that it can copy.
    pub async fn create_again(&mut self, error: &Error) -> bool {
        if matches!(error, Error::Unprocessed(_)) && self.repeats < AT_ONCE {
            self.repeats += 1;
            self.context.record.retrying(self.route);
            return true;
        }
        self.again(error).await
    }

    /// After a failure that is worth it: waits and says yes, or says no where there is no attempt, no time or no budget
    /// left for another.
    pub async fn again(&mut self, error: &Error) -> bool {
        let pause = match error.retry_after() {
            Some(wish) if wish > LONGEST_WISH => return false,
            // A little later than wished, lest all come back at the same moment.
            Some(wish) => wish + pause(0),
            None => pause(self.repeats),
        };
        // What the platform said is worth more than "the deadline passed".
        let is_too_late = self.context.deadline.is_some_and(|deadline| deadline <= Instant::now() + pause);
        if self.repeats >= self.retries.most || is_too_late || !self.retries.budget.withdraw() {
            return false;
        }
        self.repeats += 1;
        self.context.record.retrying(self.route);
        sleep(pause).await;
        true
    }
}

/// A pause before the retry after `repeats` others: full jitter below a bound that doubles.
pub fn pause(repeats: u32) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(repeats)).min(LONGEST_PAUSE);
    bound.mul_f64(fastrand::f64())
}
