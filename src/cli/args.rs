//! How values on the command line are read.

use std::{
    fs,
    io::{ErrorKind, Read as _},
    time::Duration,
};

use super::failure::Failure;

/// The longest duration that can be asked for: gRPC carries a deadline in at most eight digits.
const MAX_DURATION: Duration = Duration::from_hours(30 * 24);

/// Reads `250ms`, `10s`, `1m30s` and the like.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| "a duration with its unit is expected, e.g. 250ms, 10s or 2m; at most 30 days".to_owned())
}

/// The protobuf form of a duration.
pub fn proto_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

/// The text an argument stands for: `-` is standard input, what begins with `{` is the text itself, the rest a file.
pub fn text_of(name: &str, argument: String) -> Result<String, Failure> {
    if argument == "-" {
        return standard_input(name);
    }
    if argument.trim_start().starts_with('{') {
        return Ok(argument);
    }
    fs::read_to_string(&argument).map_err(|e| {
        let why = if e.kind() == ErrorKind::IsADirectory { "it is a folder; a file is needed" } else { &e.to_string() };
        Failure::Usage(format!("{name}: cannot read {argument}: {why}"))
    })
}

/// All of standard input, for the argument called `name`.
pub fn standard_input(name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    match std::io::stdin().read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) => Err(Failure::Usage(format!("{name}: cannot read standard input: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_a_limit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "10", "-1s", "soon", "31d", "9999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn json_on_the_command_line_is_no_file_name() {
        let json = text_of("--request", " {\"prompt\": \"hi\"}".to_owned());
        assert_eq!(json.ok().as_deref(), Some(" {\"prompt\": \"hi\"}"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_wrong_usage_and_named() {
        let fault = text_of("--request", "/no/such/file".to_owned()).err();
        assert!(matches!(fault, Some(Failure::Usage(why)) if why.starts_with("--request: cannot read /no/such/file")));
    }
}
