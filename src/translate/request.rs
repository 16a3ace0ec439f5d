//! An `InvokeRequest` into the body of a created task. All violations are found at once.

use std::borrow::Cow;

use serde_json::{Map, Value, value::RawValue};

use super::{
    names::{is_id, is_request_id, is_version, is_web_url},
    words::Words,
};
use crate::{
    platform::wire,
    proto::{self, json},
};

/// The harnesses the official client sends on; another is null.
const HARNESSES: [&str; 4] = ["claude-code", "codex", "opencode", "xpander"];

/// A checked `InvokeRequest`.
pub struct Invocation<'a> {
    /// The agent, by id or name.
    pub agent_id: &'a str,
    /// The version the caller pins.
    pub agent_version: Option<&'a str>,
    /// The task that the prompt names: it is read, and nothing is created.
    pub existing: Option<String>,
    /// What makes the call idempotent.
    pub request_id: Option<&'a str>,
    /// The body of the created task.
    pub body: wire::CreateTask<'a>,
}

/// A field of a request that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, e.g. `attachments[0].url`.
    pub field: String,
    /// What it must be.
    pub description: String,
}

/// Checks a request and translates it; `default_agent` is invoked when it names none.
///
/// # Errors
/// Every violation in it.
pub fn invocation<'a>(
    request: &'a proto::InvokeRequest,
    default_agent: Option<&'a str>,
) -> Result<Invocation<'a>, Vec<Violation>> {
    let mut check = Check { violations: Vec::new() };
    let agent_id = set(&request.agent_id).or(default_agent).unwrap_or_default();
    if agent_id.is_empty() {
        check.fault(
            "agent_id",
            "is required: neither the request nor XPANDER_AGENT_ID names an agent",
        );
    } else {
        check.that(
            is_id(agent_id),
            "agent_id",
            "must match [A-Za-z0-9._~-]{1,128} and not be . or ..",
        );
    }
    let agent_version = optional(&request.agent_version);
    let pin_is_good = agent_version.is_none_or(is_version);
    check.that(pin_is_good, "agent_version", "must match [A-Za-z0-9._~-]{1,64}");
    let request_id = set(&request.request_id);
    check.that(
        request_id.is_none_or(is_request_id),
        "request_id",
        "must be at most 128 bytes of printable ASCII",
    );
    let existing = named_task(&request.prompt);
    let names_a_task = existing.as_deref().is_none_or(is_id);
    check.that(
        names_a_task,
        "prompt",
        "xpander_task_id must match [A-Za-z0-9._~-]{1,128} and not be . or ..",
    );
    let body = check.body(request);
    if check.violations.is_empty() {
        Ok(Invocation {
            agent_id,
            agent_version,
            existing,
            request_id,
            body,
        })
    } else {
        Err(check.violations)
    }
}

/// Collects violations while it translates.
struct Check {
    violations: Vec<Violation>,
}

impl Check {
    fn fault(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.violations.push(Violation {
            field: field.into(),
            description: description.into(),
        });
    }

    fn that(&mut self, holds: bool, field: impl Into<String>, description: &str) {
        if !holds {
            self.fault(field, description);
        }
    }

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
        self.that(
            id.is_none_or(is_id),
            "existing_task_id",
            "must match [A-Za-z0-9._~-]{1,128} and not be . or ..",
        );
        for (i, url) in file_urls.iter().enumerate() {
            self.url(url, || format!("file_urls[{i}]"));
        }
        wire::CreateTask {
            id,
            input: wire::Input {
                text: prompt,
                files: (!file_urls.is_empty()).then_some(file_urls),
                user: user_details.as_ref().map(|user| self.user(user)),
                attachments: attachments
                    .iter()
                    .enumerate()
                    .map(|(i, file)| self.attachment(i, file))
                    .collect(),
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
            mcp_servers: mcp_servers
                .iter()
                .enumerate()
                .map(|(i, server)| self.mcp_server(i, server))
                .collect(),
            triggering_agent_id: optional(triggering_agent_id),
            title: optional(title),
            think_mode: self
                .word::<proto::ThinkMode>("think_mode", *think_mode)
                .unwrap_or(wire::ThinkMode::Default),
            disable_attachment_injection: *disable_attachment_injection,
            user_tokens: self.object("user_tokens", user_tokens.as_ref()),
            return_metrics: *return_metrics,
            llm_model_provider: optional(llm_model_provider),
            llm_model_name: optional(llm_model_name),
            llm_reasoning_effort: self.word::<proto::LlmReasoningEffort>("llm_reasoning_effort", *llm_reasoning_effort),
            harness_cli: optional(harness_cli)
                .map(normal)
                .filter(|harness| HARNESSES.contains(&harness.as_str())),
            permission_mode: optional(permission_mode).map(normal).filter(|mode| !mode.is_empty()),
            tool_call_limit: *tool_call_limit,
        }
    }

    fn user(&mut self, user: &proto::User) -> wire::User {
        let proto::User {
            id,
            first_name,
            last_name,
            email,
            additional_attributes,
            timezone,
        } = user;
        if email.trim().is_empty() {
            self.fault("user_details.email", "is required");
        } else {
            self.that(is_address(email), "user_details.email", "must be an e-mail address");
        }
        let attributes = self.object("user_details.additional_attributes", additional_attributes.as_ref());
        wire::User {
            id: owned(id),
            first_name: owned(first_name),
            last_name: owned(last_name),
            email: Some(email.clone()),
            additional_attributes: attributes.cloned(),
            timezone: owned(timezone),
            rest: wire::Rest::default(),
        }
    }

    fn attachment(&mut self, i: usize, file: &proto::Attachment) -> wire::Attachment {
        let proto::Attachment {
            url,
            name,
            mime,
            size,
            kind,
            sha256,
            expires_at,
            source,
            transcript,
        } = file;
        self.url(url, || format!("attachments[{i}].url"));
        self.that(
            size.is_none_or(|size| size >= 0),
            format!("attachments[{i}].size"),
            "must not be negative",
        );
        wire::Attachment {
            url: Some(url.clone()),
            name: owned(name),
            mime: owned(mime),
            size: *size,
            kind: self.word::<proto::AttachmentKind>(format!("attachments[{i}].kind"), *kind),
            sha256: owned(sha256),
            expires_at: owned(expires_at),
            source: owned(source),
            transcript: owned(transcript),
            rest: wire::Rest::default(),
        }
    }

    fn principal(&mut self, principal: &proto::Principal) -> wire::Principal {
        let proto::Principal {
            kind,
            id,
            email,
            display_name,
        } = principal;
        let is_good = !id.is_empty() && !id.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control());
        self.that(
            is_good,
            "principal.id",
            "is required and must have no ':' and no white space",
        );
        self.that(*kind != 0, "principal.kind", "is required");
        wire::Principal {
            kind: self.word::<proto::PrincipalKind>("principal.kind", *kind),
            id: Some(id.clone()),
            email: owned(email),
            display_name: owned(display_name),
            rest: wire::Rest::default(),
        }
    }

    /// With the platform's defaults filled in, and the transport that fits the type, as the official client has it.
    fn mcp_server(&mut self, i: usize, server: &proto::McpServer) -> wire::McpServer {
        let proto::McpServer {
            id,
            r#type,
            name,
            command,
            url,
            transport,
            auth_type,
            api_key,
            use_secrets_manager,
            client_id,
            client_secret,
            headers,
            env_vars,
            allowed_tools,
            additional_scopes,
            share_user_token_across_other_agents,
            sso_token,
            sso_audience,
        } = server;
        let at = |field: &str| format!("mcp_servers[{i}].{field}");
        let kind = self.one_of(at("type"), r#type, &["remote", "local"]);
        let transport = self.one_of(at("transport"), transport, &["streamable-http", "sse", "stdio"]);
        let is_local = kind == "local";
        if is_local {
            self.that(
                optional(command).is_some(),
                at("command"),
                "is required for a local server",
            );
        } else {
            self.url(optional(url).unwrap_or_default(), || at("url"));
        }
        let transport = if is_local || transport != "stdio" {
            transport
        } else {
            "streamable-http"
        };
        wire::McpServer {
            id: owned(id),
            kind: Some(kind.to_owned()),
            name: owned(name),
            command: owned(command),
            url: owned(url),
            transport: Some(if is_local { "stdio" } else { transport }.to_owned()),
            auth_type: Some(self.one_of(at("auth_type"), auth_type, &AUTH_TYPES).to_owned()),
            api_key: owned(api_key),
            use_secrets_manager: Some(use_secrets_manager.unwrap_or(false)),
            client_id: owned(client_id),
            client_secret: owned(client_secret),
            headers: Some(
                self.object(at("headers"), headers.as_ref())
                    .cloned()
                    .unwrap_or_default(),
            ),
            env_vars: Some(
                self.object(at("env_vars"), env_vars.as_ref())
                    .cloned()
                    .unwrap_or_default(),
            ),
            allowed_tools: Some(allowed_tools.clone()),
            additional_scopes: Some(additional_scopes.clone()),
            share_user_token_across_other_agents: Some(share_user_token_across_other_agents.unwrap_or(true)),
            sso_token: Some(
                self.one_of(at("sso_token"), sso_token, &["access", "id", "exchange"])
                    .to_owned(),
            ),
            sso_audience: owned(sso_audience),
            rest: wire::Rest::default(),
        }
    }

    fn url(&mut self, url: &str, field: impl FnOnce() -> String) {
        if !is_web_url(url) {
            self.fault(field(), "must be an absolute http or https URL");
        }
    }

    fn object<'a>(
        &mut self,
        field: impl Into<String>,
        object: Option<&'a json::Struct>,
    ) -> Option<&'a Map<String, Value>> {
        match object?.checked() {
            Ok(fields) => Some(fields),
            Err(fault) => {
                self.fault(field, fault.to_string());
                None
            }
        }
    }

    fn word<E: Words>(&mut self, field: impl Into<String>, number: i32) -> Option<E::Wire> {
        E::word(number).unwrap_or_else(|_| {
            self.fault(field, format!("{number} is no value of this enum"));
            None
        })
    }

    /// One of a few words, the first where none is given.
    fn one_of<'a>(&mut self, field: String, word: &'a Option<String>, words: &[&'a str]) -> &'a str {
        let Some(word) = optional(word) else { return words[0] };
        if !words.contains(&word) {
            self.fault(field, format!("must be one of {}", words.join(", ")));
        }
        word
    }
}

const AUTH_TYPES: [&str; 5] = ["none", "api_key", "oauth2", "custom_headers", "sso_user"];

/// The task that a prompt names: a JSON object with a top-level, non-empty string `xpander_task_id`. Any other JSON is
/// an ordinary prompt.
fn named_task(prompt: &str) -> Option<String> {
    const KEY: &str = "xpander_task_id";
    if !prompt.trim_start().starts_with('{') {
        return None;
    }
    let fields: std::collections::HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(prompt).ok()?;
    let id: String = serde_json::from_str(fields.get(KEY)?.get()).ok()?;
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

fn is_address(email: &str) -> bool {
    let has_both_sides = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_both_sides && !email.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// An empty string counts as unset.
fn set(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn optional(text: &Option<String>) -> Option<&str> {
    text.as_deref().and_then(set)
}

fn owned(text: &Option<String>) -> Option<String> {
    optional(text).map(str::to_owned)
}

fn normal(text: &str) -> String {
    text.trim().to_lowercase()
}
