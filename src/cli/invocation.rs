//! The flags of `invoke` as an `InvokeRequest`.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::proto::{InvokeRequest, OutputFormat, ThinkMode, User, json::Struct};

use super::{
    args::{standard_input, text_of},
    failure::Failure,
    proto_json,
};

/// What the agent is asked, and how.
#[derive(Args)]
#[command(next_help_heading = "What is asked")]
pub struct Invocation {
    /// What the agent is asked; `-` reads it from standard input
    #[arg(required_unless_present = "request")]
    prompt: Option<String>,
    /// The agent, by id or name [default: the proxy's own]
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// A version of the agent
    #[arg(long, value_name = "VERSION")]
    agent_version: Option<String>,
    /// A task to continue instead of starting a new one
    #[arg(long, value_name = "TASK_ID")]
    existing_task: Option<String>,
    /// URL of a file for the agent; can be given more than once
    #[arg(long, value_name = "URL")]
    file: Vec<String>,
    /// The form of the result
    #[arg(long, value_name = "FORMAT", value_parser = output_format())]
    output_format: Option<OutputFormat>,
    /// A JSON schema for the format `json`: a file or the JSON itself
    #[arg(long, value_name = "FILE|JSON")]
    output_schema: Option<String>,
    /// More context, next to the prompt
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// What a good result looks like
    #[arg(long, value_name = "TEXT")]
    expected_output: Option<String>,
    /// A title for the task
    #[arg(long)]
    title: Option<String>,
    /// The idempotency key: the same one again returns the same task
    #[arg(long, value_name = "KEY")]
    request_id: Option<String>,
    /// Have the agent think longer
    #[arg(long)]
    think_harder: bool,
    /// Give the task an event stream, for a later `events`
    #[arg(long)]
    events_streaming: bool,
    /// A whole `InvokeRequest` as proto JSON: a file, `-` or the JSON itself; other flags win over it
    #[arg(long, value_name = "FILE|-|JSON")]
    request: Option<String>,
    #[command(flatten)]
    user: UserFlags,
}

/// The person on whose behalf the agent acts.
#[derive(Args)]
#[command(next_help_heading = "For whom")]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
struct UserFlags {
    /// The user's address; required with any other --user flag
    #[arg(long, value_name = "EMAIL")]
    user_email: Option<String>,
    /// The user's id in the caller's system
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The user's first name
    #[arg(long, value_name = "NAME")]
    user_first_name: Option<String>,
    /// The user's last name
    #[arg(long, value_name = "NAME")]
    user_last_name: Option<String>,
    /// The user's time zone, e.g. Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    user_timezone: Option<String>,
}

impl Invocation {
    /// The request, with the flags over what `--request` says.
    pub fn into_request(self) -> Result<InvokeRequest, Failure> {
        if self.prompt.as_deref() == Some("-") && self.request.as_deref() == Some("-") {
            return Err(Failure::Usage("the prompt and --request cannot both be standard input".to_owned()));
        }
        let mut request = self.request.map_or_else(|| Ok(InvokeRequest::default()), whole_request)?;
        let prompt = match self.prompt {
            Some(prompt) if prompt == "-" => Some(standard_input("the prompt")?),
            prompt => prompt,
        };
        replace(&mut request.prompt, prompt);
        replace(&mut request.agent_id, self.agent);
        replace(&mut request.request_id, self.request_id);
        replace(&mut request.output_format, self.output_format.map(i32::from));
        request.agent_version = self.agent_version.or(request.agent_version);
        request.existing_task_id = self.existing_task.or(request.existing_task_id);
        request.additional_context = self.context.or(request.additional_context);
        request.expected_output = self.expected_output.or(request.expected_output);
        request.title = self.title.or(request.title);
        request.output_schema = self.output_schema.map(schema).transpose()?.or(request.output_schema);
        request.events_streaming |= self.events_streaming;
        if !self.file.is_empty() {
            request.file_urls = self.file;
        }
        if self.think_harder {
            request.set_think_mode(ThinkMode::Harder);
        }
        self.user.apply(&mut request.user_details);
        Ok(request)
    }
}

impl UserFlags {
    fn apply(self, user: &mut Option<User>) {
        let others = [&self.user_id, &self.user_first_name, &self.user_last_name, &self.user_timezone];
        if self.user_email.is_none() && others.iter().all(|flag| flag.is_none()) {
            return;
        }
        let user = user.get_or_insert_default();
        replace(&mut user.email, self.user_email);
        user.id = self.user_id.or(user.id.take());
        user.first_name = self.user_first_name.or(user.first_name.take());
        user.last_name = self.user_last_name.or(user.last_name.take());
        user.timezone = self.user_timezone.or(user.timezone.take());
    }
}

fn replace<T>(value: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *value = flag;
    }
}

fn whole_request(argument: String) -> Result<InvokeRequest, Failure> {
    let text = text_of("--request", argument)?;
    proto_json::from_json(&text).map_err(|e| Failure::Usage(format!("--request: {e}")))
}

fn schema(argument: String) -> Result<Struct, Failure> {
    let text = text_of("--output-schema", argument)?;
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text)
        .map(|_| Struct::new(text))
        .map_err(|e| Failure::Usage(format!("--output-schema: a JSON object is expected: {e}")))
}

fn output_format() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(["text", "markdown", "json", "voice"])
        .map(|name| OutputFormat::from_str_name(&format!("OUTPUT_FORMAT_{}", name.to_uppercase())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        invocation: Invocation,
    }

    fn request(args: &[&str]) -> Result<InvokeRequest, Failure> {
        let line = Line::try_parse_from(["invoke"].iter().chain(args)).unwrap_or_else(|e| panic!("{e}"));
        line.invocation.into_request()
    }

    fn as_json(args: &[&str]) -> serde_json::Value {
        let request = request(args).unwrap_or_else(|_| panic!("a request is expected"));
        let text = proto_json::to_json(&request).expect("valid");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn a_prompt_alone_sets_nothing_else() {
        assert_eq!(as_json(&["hello"]), json!({"prompt": "hello"}));
    }

    #[test]
    fn every_flag_reaches_its_field() {
        let line = [
            "hello",
            "--agent",
            "a",
            "--agent-version",
            "2",
            "--existing-task",
            "t",
            "--file",
            "http://x/1",
            "--file",
            "http://x/2",
            "--user-email",
            "e@x",
            "--user-id",
            "u",
            "--user-first-name",
            "F",
            "--user-last-name",
            "L",
            "--user-timezone",
            "UTC",
            "--output-format",
            "json",
            "--output-schema",
            r#"{"type":"object"}"#,
            "--context",
            "c",
            "--expected-output",
            "o",
            "--title",
            "T",
            "--request-id",
            "r",
            "--think-harder",
            "--events-streaming",
        ];
        let expected = json!({
            "agentId": "a", "prompt": "hello", "existingTaskId": "t", "fileUrls": ["http://x/1", "http://x/2"],
            "userDetails": {"email": "e@x", "id": "u", "firstName": "F", "lastName": "L", "timezone": "UTC"},
            "agentVersion": "2", "outputFormat": "OUTPUT_FORMAT_JSON", "outputSchema": {"type": "object"},
            "eventsStreaming": true, "additionalContext": "c", "expectedOutput": "o", "requestId": "r", "title": "T",
            "thinkMode": "THINK_MODE_HARDER",
        });
        assert_eq!(as_json(&line), expected);
    }

    #[test]
    fn flags_win_over_the_whole_request_and_leave_the_rest() {
        let whole = r#"{"prompt": "old", "agentId": "a", "title": "kept", "userDetails": {"email": "e@x", "id": "1"}}"#;
        let expected = json!({
            "prompt": "new", "agentId": "a", "title": "kept", "userDetails": {"email": "e@x", "id": "2"},
        });
        assert_eq!(as_json(&["new", "--request", whole, "--user-id", "2"]), expected);
    }

    #[test]
    fn what_is_no_request_or_no_schema_is_wrong_usage() {
        for line in [&["--request", r#"{"promt": "x"}"#], &["--request", "{"], &["--output-schema", "{]"]] {
            let mut args = vec!["p"];
            args.extend(line);
            assert!(matches!(request(&args), Err(Failure::Usage(_))), "{line:?}");
        }
    }

    #[test]
    fn standard_input_is_read_for_one_thing_only() {
        assert!(matches!(request(&["-", "--request", "-"]), Err(Failure::Usage(_))));
    }
}
