//! The shape of a body that creates a task, and complaints about bodies without it, worded as the platform does.
//!
//! It is strict about types and lenient about presence: only what the platform requires has to be there, unknown keys
//! are fine.

use serde_json::{Value, json};

use Shape::{Dictionary, Fields, Flag, Integer, List, OneOf, PrincipalId, Text};

/// Beyond so many complaints a longer list helps nobody.
const COMPLAINTS: usize = 50;

/// What a value has to look like.
enum Shape {
    Text,
    Flag,
    Integer,
    Dictionary,
    PrincipalId,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    Fields(&'static [Field]),
}

/// A key of an object. One that is not required may also be null.
struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// The body of `POST /agent-execution/{agent_id}`.
static TASK: Shape = Fields(&[
    must("input", Fields(INPUT)),
    may("id", Text),
    may("payload_extension", Dictionary),
    may("source", Text),
    may("worker_id", Text),
    may("output_format", OneOf(&["text", "markdown", "json", "voice"])),
    may("output_schema", Dictionary),
    may("run_locally", Flag),
    may("events_streaming", Flag),
    may("additional_context", Text),
    may("instructions_override", Text),
    may("test_run_node_id", Text),
    may("user_oidc_token", Text),
    may("expected_output", Text),
    may("mcp_servers", List(&Fields(MCP_SERVER))),
    may("triggering_agent_id", Text),
    may("title", Text),
    may("think_mode", OneOf(&["default", "harder"])),
    may("disable_attachment_injection", Flag),
    may("user_tokens", Dictionary),
    may("return_metrics", Flag),
    may("llm_model_provider", Text),
    may("llm_model_name", Text),
    may("llm_reasoning_effort", OneOf(&["low", "medium", "high", "xhigh"])),
    may("harness_cli", OneOf(&["claude-code", "codex", "opencode", "xpander"])),
    may("permission_mode", Text),
    may("tool_call_limit", Integer),
]);

const INPUT: &[Field] = &[
    may("text", Text),
    may("files", List(&Text)),
    may("user", Fields(USER)),
    may("attachments", List(&Fields(ATTACHMENT))),
    may("principal", Fields(PRINCIPAL)),
];

const USER: &[Field] = &[
    must("email", Text),
    may("id", Text),
    may("first_name", Text),
    may("last_name", Text),
    may("additional_attributes", Dictionary),
    may("timezone", Text),
];

const ATTACHMENT: &[Field] = &[
    must("url", Text),
    may("name", Text),
    may("mime", Text),
    may("size", Integer),
    may("kind", OneOf(&["image", "pdf", "document", "text", "audio", "video", "archive", "unknown"])),
    may("sha256", Text),
    may("expires_at", Text),
    may("source", Text),
    may("transcript", Text),
];

const PRINCIPAL: &[Field] = &[
    must("kind", OneOf(&["user", "slack", "api_key", "system", "anonymous"])),
    must("id", PrincipalId),
    may("email", Text),
    may("display_name", Text),
];

const MCP_SERVER: &[Field] = &[
    may("id", Text),
    may("type", OneOf(&["local", "remote"])),
    may("name", Text),
    may("command", Text),
    may("url", Text),
    may("transport", OneOf(&["stdio", "sse", "streamable-http"])),
    may("auth_type", OneOf(&["api_key", "oauth2", "custom_headers", "sso_user", "none"])),
    may("api_key", Text),
    may("use_secrets_manager", Flag),
    may("client_id", Text),
    may("client_secret", Text),
    may("headers", Dictionary),
    may("env_vars", Dictionary),
    may("allowed_tools", List(&Text)),
    may("additional_scopes", List(&Text)),
    may("share_user_token_across_other_agents", Flag),
    may("sso_token", OneOf(&["access", "id", "exchange"])),
    may("sso_audience", Text),
];

const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

/// The complaints about a body that is to create a task; none when it is as it should be.
pub fn complaints(body: &Value) -> Vec<Value> {
    let mut check = Check { location: vec![json!("body")], complaints: Vec::new() };
    check.value(&TASK, body);
    check.complaints
}

/// The complaint about a body that is not JSON at all.
pub fn not_json(error: &serde_json::Error) -> Value {
    json!({
        "type": "json_invalid",
        "loc": ["body", error.column()],
        "msg": "JSON decode error",
        "input": {},
        "ctx": { "error": error.to_string() },
    })
}

/// A walk through a body.
struct Check {
    location: Vec<Value>,
    complaints: Vec<Value>,
}

impl Check {
    fn value(&mut self, shape: &Shape, value: &Value) {
        match (shape, value) {
            (Text, Value::String(_)) | (Flag, Value::Bool(_)) | (Dictionary, Value::Object(_)) => {}
            (Integer, Value::Number(number)) if number.is_i64() => {}
            (OneOf(words), Value::String(word)) if words.contains(&word.as_str()) => {}
            (PrincipalId, Value::String(id)) => self.principal_id(id, value),
            (List(item), Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    self.below(json!(index), |check| check.value(item, value));
                }
            }
            (Fields(fields), Value::Object(object)) => {
                for field in *fields {
                    self.below(json!(field.name), |check| {
                        check.field(field, object.get(field.name), value);
                    });
                }
            }
            _ => self.wrong_type(shape, value),
        }
    }

    fn field(&mut self, field: &Field, found: Option<&Value>, parent: &Value) {
        match found {
            None if field.required => self.complain("missing", "Field required", parent),
            None => {}
            Some(Value::Null) if !field.required => {}
            Some(value) => self.value(&field.shape, value),
        }
    }

    fn principal_id(&mut self, id: &str, value: &Value) {
        let id = id.trim();
        if id.is_empty() {
            self.complain("value_error", "Value error, principal id cannot be empty", value);
        } else if id.contains(|c: char| c == ':' || c.is_whitespace()) {
            self.complain("value_error", "Value error, principal id cannot contain ':' or whitespace", value);
        }
    }

    fn wrong_type(&mut self, shape: &Shape, value: &Value) {
        let (kind, message) = match shape {
            Text | PrincipalId => ("string_type", "Input should be a valid string"),
            Flag => ("bool_type", "Input should be a valid boolean"),
            Integer => ("int_type", "Input should be a valid integer"),
            Dictionary => ("dict_type", "Input should be a valid dictionary"),
            List(_) => ("list_type", "Input should be a valid list"),
            Fields(_) => {
                ("model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
            }
            OneOf(words) => {
                return self.complain("enum", &format!("Input should be {}", choice(words)), value);
            }
        };
        self.complain(kind, message, value);
    }

    fn below(&mut self, step: Value, look: impl FnOnce(&mut Self)) {
        self.location.push(step);
        look(self);
        self.location.pop();
    }

    fn complain(&mut self, kind: &str, message: &str, input: &Value) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(json!({ "type": kind, "loc": self.location, "msg": message, "input": input }));
        }
    }
}

/// `'a', 'b' or 'c'`
fn choice(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
