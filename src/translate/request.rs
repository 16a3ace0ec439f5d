//! An `InvokeRequest` into the body of a created task. All violations are found at once.

use std::io;

use prost::Message as _;

use super::{
    check::{Check, Violation, optional, set},
    names::{is_id, is_request_id, is_version},
};
use crate::{
    platform::wire,
    proto::{
        self,
        json::{Reader, Struct, attributes},
    },
};

/// The harnesses the official client sends on; another is null.
const HARNESSES: [&str; 4] = ["claude-code", "codex", "opencode", "xpander"];

/// The length of most bodies, in bytes: room that need not be made bit by bit.
const BODY: usize = 2 << 10;
/// How much larger than twice the request its body may be, in bytes. A number of eleven bytes may take three hundred here, so
/// that what is small must not grow without end either: many small requests come at once.
const SPARE: usize = 64 << 10;
/// From here on a request is large, in bytes.
const LARGE: usize = 1 << 20;

/// A checked `InvokeRequest`.
pub struct Invocation<'a> {
    /// The agent, by id or name; empty where none is named and none is needed.
    pub agent_id: &'a str,
    /// The version the caller pins.
    pub agent_version: Option<&'a str>,
    /// The task that the prompt names: it is read, and nothing is created.
    pub existing: Option<String>,
    /// What makes the call idempotent.
    pub request_id: Option<&'a str>,
    /// The body of the created task.
    pub body: wire::CreateTask<'a>,
    /// How large the request is, in bytes.
    size: usize,
}

/// Takes so many bytes.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

/// Checks a request and translates it; `default_agent` is invoked when it names none.
///
/// # Errors
/// Every violation in it.
pub fn invocation<'a>(
    request: &'a proto::InvokeRequest,
    default_agent: Option<&'a str>,
) -> Result<Invocation<'a>, Vec<Violation>> {
    let mut check = Check::default();
    let existing = named_task(&request.prompt);
    let agent_id = set(&request.agent_id).or(default_agent).unwrap_or_default();
    if !agent_id.is_empty() {
        check.that(is_id(agent_id), "agent_id", "must match [A-Za-z0-9._~-]{1,128} and not be . or ..");
    } else if existing.is_none() {
        check.fault("agent_id", "is required: neither the request nor XPANDER_AGENT_ID names an agent");
    }
    let agent_version = optional(&request.agent_version);
    let pin_is_good = agent_version.is_none_or(is_version);
    check.that(pin_is_good, "agent_version", "must match [A-Za-z0-9._~-]{1,64}");
    let request_id = set(&request.request_id);
    check.that(request_id.is_none_or(is_request_id), "request_id", "must be at most 128 bytes of printable ASCII");
    let names_a_task = existing.as_deref().is_none_or(is_id);
    check.that(names_a_task, "prompt", "xpander_task_id must match [A-Za-z0-9._~-]{1,128} and not be . or ..");
    let body = check.body(request);
    if check.violations.is_empty() {
        Ok(Invocation { agent_id, agent_version, existing, request_id, body, size: request.encoded_len() })
    } else {
        Err(check.violations)
    }
}

impl Invocation<'_> {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it would be much larger than the request, whose values may take a few bytes each.
    pub fn json(&self) -> Result<Vec<u8>, Vec<Violation>> {
        let most = 2 * self.size + SPARE;
        let too_large = |_| {
            let description = format!("makes the task's JSON larger than {most} bytes");
            vec![Violation { field: self.largest().to_owned(), description }]
        };
        // A large one gets all the room that it may take, once: what nothing is written to costs nothing, and nothing is copied
        // as it grows.
        let room = if self.size <= LARGE { BODY } else { most };
        let mut json = Bounded { bytes: Vec::with_capacity(room), most };
        serde_json::to_writer(&mut json, &self.body).map_err(too_large)?;
        Ok(json.bytes)
    }

    /// The field that is most of the request.
    fn largest(&self) -> &'static str {
        let wire::CreateTask { input, payload_extension, output_schema, user_tokens, mcp_servers, .. } = &self.body;
        let length = |json: Option<&Struct>| json.map_or(0, Struct::encoded_len);
        let servers = mcp_servers.iter().map(|server| server.headers.encoded_len() + server.env_vars.encoded_len());
        let fields = [
            ("prompt", input.text.len()),
            ("tool_call_payload_extension", length(*payload_extension)),
            ("output_schema", length(*output_schema)),
            ("user_tokens", length(*user_tokens)),
            ("user_details", input.user.as_ref().map_or(0, |user| length(user.additional_attributes))),
            ("mcp_servers", servers.sum()),
        ];
        fields.into_iter().max_by_key(|(_, length)| *length).map_or("prompt", |(field, _)| field)
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Check {
    /// Every field is named, so that a new one in the proto cannot be forgotten here.
    fn body<'a>(&mut self, request: &'a proto::InvokeRequest) -> wire::CreateTask<'a> {
        let proto::InvokeRequest {
            agent_id: _,
            prompt,
            existing_task_id,
            file_urls,
            user_details,
            agent_version: _,
            tool_call_payload_extension,
            source,
            worker_id,
            run_locally,
            output_format,
            output_schema,
            events_streaming,
            additional_context,
            expected_output,
            attachments,
            request_id: _,
            principal,
            instructions_override,
            title,
            think_mode,
            tool_call_limit,
            disable_attachment_injection,
            llm_model_provider,
            llm_model_name,
            llm_reasoning_effort,
            mcp_servers,
            triggering_agent_id,
            user_oidc_token,
            user_tokens,
            return_metrics,
            harness_cli,
            permission_mode,
            test_run_node_id,
        } = request;
        let id = optional(existing_task_id);
        self.that(id.is_none_or(is_id), "existing_task_id", "must match [A-Za-z0-9._~-]{1,128} and not be . or ..");
        let file_urls = self.list("file_urls", file_urls);
        let (attachments, mcp_servers) = (self.list("attachments", attachments), self.list("mcp_servers", mcp_servers));
        for (i, url) in file_urls.iter().enumerate() {
            self.url(url, || format!("file_urls[{i}]"));
        }
        wire::CreateTask {
            id,
            input: wire::Input {
                text: prompt,
                files: (!file_urls.is_empty()).then_some(file_urls),
                user: user_details.as_ref().map(|user| self.user(user)),
                attachments: attachments.iter().enumerate().map(|(i, file)| self.attachment(i, file)).collect(),
                principal: principal.as_ref().map(|principal| self.principal(principal)),
            },
            payload_extension: self.object("tool_call_payload_extension", tool_call_payload_extension.as_ref()),
            source: set(source).unwrap_or("sdk"),
            worker_id: optional(worker_id),
            output_format: self.word::<proto::OutputFormat>("output_format", *output_format),
            output_schema: self.object("output_schema", output_schema.as_ref()),
            run_locally: *run_locally,
            events_streaming: *events_streaming,
            additional_context: optional(additional_context),
            instructions_override: optional(instructions_override),
            test_run_node_id: optional(test_run_node_id),
            user_oidc_token: optional(user_oidc_token),
            expected_output: optional(expected_output),
            mcp_servers: mcp_servers.iter().enumerate().map(|(i, server)| self.mcp_server(i, server)).collect(),
            triggering_agent_id: optional(triggering_agent_id),
            title: optional(title),
            think_mode: self.word::<proto::ThinkMode>("think_mode", *think_mode).unwrap_or(wire::ThinkMode::Default),
            disable_attachment_injection: *disable_attachment_injection,
            user_tokens: self.object("user_tokens", user_tokens.as_ref()),
            return_metrics: *return_metrics,
            llm_model_provider: optional(llm_model_provider),
            llm_model_name: optional(llm_model_name),
            llm_reasoning_effort: self.word::<proto::LlmReasoningEffort>("llm_reasoning_effort", *llm_reasoning_effort),
            harness_cli: optional(harness_cli).map(normal).filter(|harness| HARNESSES.contains(&harness.as_str())),
            permission_mode: optional(permission_mode).map(normal).filter(|mode| !mode.is_empty()),
            tool_call_limit: *tool_call_limit,
        }
    }
}

/// The task that a prompt names: a JSON object with a top-level, non-empty string `xpander_task_id`. Any other JSON is
/// an ordinary prompt.
fn named_task(prompt: &str) -> Option<String> {
    let [id] = attributes(prompt, ["xpander_task_id"])?;
    let id = Reader::new(id?).string()?.text().into_owned();
    (!id.is_empty()).then_some(id)
}

/// A field of the created task's body (`input.user.email`) as the request names it (`user_details.email`).
#[must_use]
pub fn request_field(field: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        ("input.text", "prompt"),
        ("input.files", "file_urls"),
        ("input.user", "user_details"),
        ("input.attachments", "attachments"),
        ("input.principal", "principal"),
        ("payload_extension", "tool_call_payload_extension"),
        ("id", "existing_task_id"),
    ];
    let renamed = NAMES.iter().find_map(|(theirs, ours)| {
        let rest = field.strip_prefix(theirs)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{ours}{rest}"))
    });
    renamed.unwrap_or_else(|| field.to_owned())
}

/// Whether a prompt names a task instead of asking for one.
#[must_use]
pub fn names_a_task(prompt: &str) -> bool {
    named_task(prompt).is_some()
}

fn normal(text: &str) -> String {
    text.trim().to_lowercase()
}
