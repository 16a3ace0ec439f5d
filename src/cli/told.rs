//! How a failure is told, on standard error: lines for people, one JSON object for `--json`, or lines of a JSON log. Never
//! on standard output, where scripts read what the proxy said.

use std::{collections::BTreeMap, io};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{
    failure::{Advice, Failure, Left},
    render::{Colour, Look, clean, one_line, span},
};
use crate::{config::Fault, grpc::code_name};

/// Tells what went wrong to a person.
///
/// # Errors
/// When `out` cannot be written.
pub fn text(failure: &Failure, out: &mut impl io::Write, look: Look) -> io::Result<()> {
    let error = look.paint(Colour::Red, "error:");
    match failure {
        Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Failure::Settings(faults) => faults.iter().try_for_each(|fault| writeln!(out, "{error} {fault}")),
        Failure::Interrupted => writeln!(out, "{}", look.paint(Colour::Yellow, "interrupted")),
        Failure::Call(status, request_id) => {
            let code = look.paint(Colour::Bold, code_name(status.code()));
            writeln!(out, "{error} {code}: {}", clean(status.message()))?;
            write_details(out, status)?;
            request_id.iter().try_for_each(|id| write_pair(out, "x-request-id", id))
        }
        Failure::NotServing(why) => text(why, out, look),
        Failure::Left(left) => {
            text(&left.why, out, look)?;
            writeln!(out, "{}", left.what)?;
            // A call that failed has told it.
            if let (Failure::Interrupted, Some(id)) = (&left.why, &left.request_id) {
                write_pair(out, "x-request-id", id)?;
            }
            advice(&left.advice, out)
        }
        _ => writeln!(out, "{error} {}", clean(&message(failure))),
    }
}

/// Commands that may be typed next, a line each. They are never shortened.
///
/// # Errors
/// When `out` cannot be written.
pub fn advice(advice: &[Advice], out: &mut impl io::Write) -> io::Result<()> {
    advice.iter().try_for_each(|Advice { to, command }| writeln!(out, "  {to:<14} {}", clean(command)))
}

/// The failure as one JSON object on one line.
#[must_use]
pub fn json(failure: &Failure) -> String {
    let (exit_code, kind, _) = failure.exit().row();
    let mut error = Map::new();
    error.insert("kind".to_owned(), kind.into());
    error.insert("exit_code".to_owned(), exit_code.into());
    error.insert("message".to_owned(), message(failure).into());
    add(failure, &mut error);
    json!({ "error": error }).to_string()
}

/// Lines of a JSON log, for a server that cannot start: one for each fault.
#[must_use]
pub fn log(failure: &Failure) -> String {
    let line = |message: String, setting: Option<&str>| {
        let timestamp = format!("{:.6}", Timestamp::now());
        let line = Line { timestamp, level: "ERROR", message, setting, target: module_path!() };
        // It has nothing that cannot be written.
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    };
    match failure {
        Failure::Settings(faults) => faults.iter().map(|fault| line(fault.to_string(), Some(&fault.setting))).collect(),
        _ => line(message(failure), None),
    }
}

/// A line as the log writes them.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<&'a str>,
    target: &'static str,
}

fn message(failure: &Failure) -> String {
    match failure {
        Failure::Usage(why) | Failure::Answer(why) | Failure::Start(why) => why.clone(),
        Failure::Settings(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Failure::Call(status, _) => status.message().to_owned(),
        Failure::Interrupted => "interrupted".to_owned(),
        Failure::Output(e) => format!("cannot write the output: {e}"),
        Failure::NotServing(why) => message(why),
        Failure::Left(left) => message(&left.why),
    }
}

/// What else is known, as members of the object.
fn add(failure: &Failure, error: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| error.insert(name.to_owned(), value);
    match failure {
        Failure::Settings(faults) => {
            let told = |fault: &Fault| {
                let Fault { setting, source, problem, allowed } = fault;
                json!({ "setting": setting, "source": source, "problem": problem, "allowed": allowed })
            };
            put("faults", faults.iter().map(told).collect());
        }
        Failure::Call(status, request_id) => {
            let details = status.get_error_details();
            put("code", code_name(status.code()).into());
            put("x_request_id", request_id.as_deref().into());
            if let Some(info) = details.error_info() {
                put("reason", info.reason.as_str().into());
                put("metadata", info.metadata.iter().collect::<BTreeMap<_, _>>().into_iter().map(pair).collect());
            }
            if let Some(bad) = details.bad_request() {
                let told = bad.field_violations.iter();
                let told = told.map(|fault| json!({ "field": fault.field, "description": fault.description }));
                put("violations", told.collect());
            }
            if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
                put("retry_after_ms", u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).into());
            }
        }
        Failure::Left(left) => {
            let Left { why, what, request_id, task_id, last_event_id, advice, exit: _ } = &**left;
            put("task", (*what).into());
            put("x_request_id", request_id.as_deref().into());
            put("task_id", task_id.as_deref().into());
            put("last_event_id", last_event_id.as_deref().into());
            let commands = advice.iter().map(|Advice { to, command }| ((*to).to_owned(), command.as_str().into()));
            put("advice", Value::Object(commands.collect()));
            add(why, error);
        }
        Failure::NotServing(why) => add(why, error),
        _ => {}
    }
}

fn pair((name, value): (&String, &String)) -> (String, Value) {
    (name.clone(), value.as_str().into())
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

    use super::{super::exit::Exit, *};

    fn told(failure: &Failure) -> String {
        let mut out = Vec::new();
        text(failure, &mut out, Look::PLAIN).expect("memory can be written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn invalid() -> Failure {
        let mut details = ErrorDetails::new();
        let metadata = HashMap::from([("task_id".to_owned(), "t1".to_owned()), ("http_status".into(), "422".into())]);
        details
            .set_error_info("INVALID", "xpander.ai", metadata)
            .add_bad_request_violation("user_details.email", "is required")
            .add_bad_request_violation("prompt", "is too long")
            .set_retry_info(Some(Duration::from_millis(1500)));
        let status = Status::with_error_details(Code::InvalidArgument, "two fields are wrong", details);
        Failure::Call(Box::new(status), Some("r1".to_owned()))
    }

    #[test]
    fn an_error_is_told_with_all_its_details() {
        assert_eq!(
            told(&invalid()),
            "error: INVALID_ARGUMENT: two fields are wrong\n  \
             reason         INVALID\n  \
             user_details.email: is required\n  \
             prompt: is too long\n  \
             retry in       1.5s\n  \
             http status    422\n  \
             task id        t1\n  \
             x-request-id   r1\n"
        );
    }

    #[test]
    fn an_error_is_one_json_object_with_all_its_details() {
        let left = Left {
            why: invalid(),
            exit: Exit::CallFailed,
            what: "the task goes on",
            request_id: None,
            task_id: Some("t1".to_owned()),
            last_event_id: None,
            advice: vec![Advice { to: "stop it", command: "x stop t1".to_owned() }],
        };
        let told: Value = serde_json::from_str(&json(&Failure::Left(Box::new(left)))).expect("JSON");
        let expected = json!({"error": {
            "kind": "call_failed", "exit_code": 5, "code": "INVALID_ARGUMENT", "message": "two fields are wrong",
            "reason": "INVALID", "metadata": {"http_status": "422", "task_id": "t1"}, "retry_after_ms": 1500,
            "violations": [{"field": "user_details.email", "description": "is required"},
                           {"field": "prompt", "description": "is too long"}],
            "x_request_id": "r1", "task": "the task goes on", "task_id": "t1", "last_event_id": null,
            "advice": {"stop it": "x stop t1"},
        }});
        assert_eq!(told, expected);
    }

    #[test]
    fn a_fault_is_a_line_of_the_log() {
        let [setting, source, problem, allowed] = ["a.b", "the file f", "the value is 1", "2"].map(str::to_owned);
        let failure = Failure::Settings(vec![Fault { setting, source, problem, allowed }]);
        let line: Value = serde_json::from_str(&log(&failure)).expect("JSON");
        assert_eq!(line["message"], "a.b (from the file f): the value is 1; allowed: 2");
        assert_eq!((&line["level"], &line["setting"]), (&json!("ERROR"), &json!("a.b")));
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
    fn a_reader_that_has_seen_enough_is_told_nothing() {
        assert_eq!(told(&Failure::from(io::Error::from(io::ErrorKind::BrokenPipe))), "");
    }
}
