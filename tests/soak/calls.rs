//! One call: its deadline, its caller's patience, and the checks that each answer and each failure must pass.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::{CALLERS_BY_NAME, ledger::Ledger};

/// The caller that asks for more than it may have.
const GREEDY: &str = CALLERS_BY_NAME[0].0;

/// No call takes longer: it would hang.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// How long a call may take, for the proxy and for its caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    pub deadline: Option<Duration>,
    /// When the caller leaves.
    pub leaves: Option<Duration>,
}

/// How a call ended.
pub enum Ended<T> {
    Answer(T),
    Failed(Failure),
    Left,
}

/// A failed call.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub reason: String,
    pub facts: HashMap<String, String>,
    pub is_pushed_back: bool,
}

/// Who makes the call, for whom.
#[derive(Clone)]
pub struct Desk {
    pub marker: String,
    pub caller: &'static str,
    pub ledger: Arc<Ledger>,
}

impl Limits {
    pub fn request<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        request
    }
}

impl Desk {
    pub fn wrong(&self, what: impl AsRef<str>) {
        self.ledger.wrong(&self.marker, what);
    }

    /// Makes a call that answers once, or waits for the beginning of a stream.
    pub async fn call<T>(
        &self,
        name: &str,
        limits: Limits,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Ended<T> {
        self.ledger.count(&format!("call {name}"));
        let began = Instant::now();
        let Ok(answer) = timeout(limits.leaves.unwrap_or(PATIENCE), call).await else {
            if limits.leaves.is_none() {
                self.wrong(format!("{name} hung"));
            }
            self.ledger.count(&format!("end {name} left"));
            return Ended::Left;
        };
        if let Some(deadline) = limits.deadline {
            let took = began.elapsed();
            let what = || format!("{}: {name} took {took:?} with the deadline {deadline:?}", self.marker);
            self.ledger.late(took.saturating_sub(deadline), what);
        }
        match answer {
            Ok(answer) => {
                self.ledger.count(&format!("end {name} OK"));
                Ended::Answer(answer.into_inner())
            }
            Err(status) => Ended::Failed(self.failed(name, limits, &status)),
        }
    }

    /// Takes a failure apart, which must explain itself.
    pub fn failed(&self, name: &str, limits: Limits, status: &Status) -> Failure {
        let info = status.get_error_details().error_info().cloned();
        let info = info.unwrap_or_else(|| {
            self.wrong(format!("{name} failed without ErrorInfo: {status:?}"));
            tonic_types::ErrorInfo::new("", "", HashMap::new())
        });
        self.ledger.count(&format!("end {name} {:?} {}", status.code(), info.reason));
        if info.reason == "CALLER_LIMITED" {
            self.ledger.count(&format!("limited {}", self.caller));
            if self.caller != GREEDY {
                self.wrong(format!("{name} of {} met a limit of another caller: {status:?}", self.caller));
            }
        }
        let is_expected = match status.code() {
            Code::Unavailable | Code::ResourceExhausted | Code::Internal => true,
            Code::DeadlineExceeded => {
                let cause = info.metadata.get("cause").unwrap_or(&info.reason);
                limits.deadline.is_some() || cause == "PLATFORM_TIMEOUT"
            }
            Code::Unknown => info.metadata.get("outcome").is_some_and(|outcome| outcome == "unknown"),
            _ => false,
        };
        if !is_expected {
            self.wrong(format!("{name} failed as nothing here should: {status:?}"));
        }
        let is_pushed_back = status.metadata().get("grpc-retry-pushback-ms").is_some_and(|value| value == "-1");
        Failure { code: status.code(), reason: info.reason, facts: info.metadata, is_pushed_back }
    }
}

impl Failure {
    /// Whether it names this task. A deadline that passes before the request has been read can name none.
    pub fn is_of(&self, task_id: &str) -> bool {
        let named = self.fact("task_id");
        named == task_id || named.is_empty() && self.reason == "DEADLINE_EXCEEDED"
    }

    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}
