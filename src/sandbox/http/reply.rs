//! Answers as the platform writes them: JSON, and problems as `{"detail": …}`.
//!
//! It does not decide which answer a request gets; that is `routes`.

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// An HTTP answer of the sandbox.
pub type Answer = Response<Body>;

/// An error the platform answers with.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Value,
    retry_after: Option<&'static str>,
    allow: Option<&'static str>,
}

impl Problem {
    /// One with the usual detail: a text.
    pub fn new(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: json!(detail), retry_after: None, allow: None }
    }

    /// Something there is not: `Task` gives "Task not found".
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, &format!("{what} not found"))
    }

    /// A body that breaks the contract, one entry per complaint.
    pub fn unprocessable(complaints: Vec<Value>) -> Self {
        Self { detail: Value::Array(complaints), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "") }
    }

    /// What an agent like `http-429` stands for.
    pub fn on_demand(status: StatusCode) -> Self {
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            return Self::unprocessable(vec![json!({
                "type": "value_error",
                "loc": ["body", "input", "text"],
                "msg": "Value error, this agent refuses every prompt",
                "input": null,
            })]);
        }
        let reason = status.canonical_reason().unwrap_or("An unassigned status");
        let problem = Self::new(status, &format!("{reason}, as asked of the sandbox"));
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => problem.retry_after("2"),
            _ => problem,
        }
    }

    /// With a `retry-after`.
    pub fn retry_after(self, when: &'static str) -> Self {
        Self { retry_after: Some(when), ..self }
    }

    /// With the methods that are allowed instead.
    pub fn allow(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let mut answer = json(problem.status, &json!({ "detail": problem.detail }));
        for (name, value) in [(RETRY_AFTER, problem.retry_after), (ALLOW, problem.allow)] {
            if let Some(value) = value {
                set(&mut answer, name, value);
            }
        }
        answer
    }
}

/// An answer with this body and content type.
pub fn with_body(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &Value) -> Answer {
    with_body(status, "application/json", body.to_string())
}

/// Sets a header, unless the text cannot stand in one.
pub fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
