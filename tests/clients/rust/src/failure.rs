//! A failed call, read as tonic's users do: by `code()`, `message()` and what tonic-types decodes.

use std::fmt::Debug;

use anyhow::{Result, bail, ensure};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub struct Failure {
    /// What a log would say of it.
    pub text: String,
    pub reason: String,
    details: ErrorDetails,
}

impl Failure {
    pub fn domain(&self) -> &str {
        self.details.error_info().map_or("", |info| &info.domain)
    }

    /// What ErrorInfo's metadata say under this name.
    pub fn metadata(&self, name: &str) -> &str {
        self.details.error_info().and_then(|info| info.metadata.get(name)).map_or("", String::as_str)
    }

    /// The fields that BadRequest names, in alphabetical order.
    pub fn fields(&self) -> Vec<&str> {
        let violations = self.details.bad_request().into_iter().flat_map(|request| &request.field_violations);
        let mut fields: Vec<&str> = violations.map(|violation| violation.field.as_str()).collect();
        fields.sort_unstable();
        fields
    }

    /// The limits that QuotaFailure names.
    pub fn limits(&self) -> Vec<&str> {
        let violations = self.details.quota_failure().into_iter().flat_map(|quota| &quota.violations);
        violations.map(|violation| violation.description.as_str()).collect()
    }

    pub fn retry_seconds(&self) -> Option<u64> {
        Some(self.details.retry_info()?.retry_delay?.as_secs())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map_or(String::new(), |info| info.reason.clone());
        Self { text: status.to_string(), reason, details }
    }
}

/// The failure of a call that has to fail with this code.
pub fn failure<T: Debug>(code: Code, outcome: Result<T, Status>) -> Result<Failure> {
    match outcome {
        Ok(answer) => bail!("the call was answered, with {answer:.200?}"),
        Err(status) => {
            ensure!(status.code() == code, "the code is {:?}, not {code:?} ({status})", status.code());
            Ok(status.into())
        }
    }
}
