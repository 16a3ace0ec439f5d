//! OpenTelemetry's conventions for generative AI: what a call that creates or follows a task is by them. Never what was said.
//!
//! The names are those of the semantic conventions 1.41.0, the last version that had them in the main repository; they
//! are in development, and have moved to open-telemetry/semantic-conventions-genai since.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
    trace::TraceContextExt as _,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{cost::Cost, method::Method};
use crate::proto::{OutputFormat, Task};

const OPERATION_NAME: &str = "gen_ai.operation.name";
const INVOKE_AGENT: &str = "invoke_agent";
const PROVIDER_NAME: &str = "gen_ai.provider.name";
const PROVIDER: &str = "xpander.ai";
const AGENT_ID: &str = "gen_ai.agent.id";
const AGENT_NAME: &str = "gen_ai.agent.name";
const AGENT_VERSION: &str = "gen_ai.agent.version";
const CONVERSATION_ID: &str = "gen_ai.conversation.id";
const OUTPUT_TYPE: &str = "gen_ai.output.type";
const REQUEST_MODEL: &str = "gen_ai.request.model";
const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
const CACHE_READ: &str = "gen_ai.usage.cache_read.input_tokens";
const CACHE_CREATION: &str = "gen_ai.usage.cache_creation.input_tokens";
const TOKEN_TYPE: &str = "gen_ai.token.type";
const ERROR_TYPE: &str = "error.type";

/// The conventions' buckets, in seconds and in tokens.
const SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The longest text of an attribute, in bytes: a model is called as its caller says.
const MOST: usize = 128;

/// The instruments.
pub(super) struct GenAi {
    duration: Histogram<f64>,
    tokens: Histogram<u64>,
    first_chunk: Histogram<f64>,
}

/// What is known of the agent that a call is about.
#[derive(Default, Clone)]
pub(super) struct Facts {
    agent_id: Option<String>,
    agent_version: Option<String>,
    conversation_id: Option<String>,
    output_type: Option<&'static str>,
    model: Option<String>,
}

/// Whether a method creates or follows tasks.
pub(super) fn is_of(method: &Method) -> bool {
    let name = method.name.rsplit('/').next().unwrap_or_default();
    matches!(name, "Invoke" | "InvokeStream" | "StreamEvents" | "WaitTask")
}

impl Facts {
    pub(super) fn of(task: &Task) -> Self {
        let text = |text: Option<&str>| text.filter(|text| (1..=MOST).contains(&text.len())).map(str::to_owned);
        let output_type = match task.output_format() {
            OutputFormat::Unspecified => None,
            OutputFormat::Text | OutputFormat::Markdown => Some("text"),
            OutputFormat::Json => Some("json"),
            OutputFormat::Voice => Some("speech"),
        };
        Self {
            agent_id: text(Some(&task.agent_id)),
            agent_version: text(task.agent_version.as_deref()),
            // A task without a conversation is one of its own: who continues it names its id.
            conversation_id: text(task.conversation_id.as_deref()).or_else(|| text(Some(&task.id))),
            output_type,
            model: text(task.llm_model_name.as_deref()),
        }
    }
}

/// Tells a call's span what the call is by the conventions. `agent` is the loaded agent's id and name: the conventions ask
/// for the name where it is at hand, and no agent is loaded for it.
pub(super) fn tell(
    span: &Span,
    facts: &Facts,
    agent: Option<(&str, &str)>,
    cost: Option<&Cost>,
    error: Option<&'static str>,
) {
    let name = agent.filter(|(id, _)| facts.agent_id.as_deref().is_none_or(|known| known == *id)).map(|(_, name)| name);
    let name = name.filter(|name| (1..=MOST).contains(&name.len()));
    // Recorded as `otel.name` it would change nothing: the span has begun.
    let context = span.context();
    context.span().update_name(name.map_or(INVOKE_AGENT.to_owned(), |name| format!("{INVOKE_AGENT} {name}")));
    let texts = [
        (OPERATION_NAME, Some(INVOKE_AGENT)),
        (PROVIDER_NAME, Some(PROVIDER)),
        (AGENT_ID, facts.agent_id.as_deref().or(agent.map(|(id, _)| id))),
        (AGENT_NAME, name),
        (AGENT_VERSION, facts.agent_version.as_deref()),
        (CONVERSATION_ID, facts.conversation_id.as_deref()),
        (OUTPUT_TYPE, facts.output_type),
        (REQUEST_MODEL, facts.model.as_deref()),
        (ERROR_TYPE, error),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            span.set_attribute(key, text.to_owned());
        }
    }
    let Some(cost) = cost else { return };
    let counts = [
        (INPUT_TOKENS, cost.input),
        (OUTPUT_TOKENS, cost.output),
        (CACHE_READ, cost.cache_read),
        (CACHE_CREATION, cost.cache_write),
    ];
    for (key, count) in counts {
        if let Some(count) = count.and_then(|count| i64::try_from(count).ok()) {
            span.set_attribute(key, count);
        }
    }
}

impl GenAi {
    pub(super) fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, what: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        let tokens = meter.u64_histogram("gen_ai.client.token.usage").with_unit("{token}");
        let tokens = tokens.with_description("Tokens of tasks whose end was seen (telemetry.gen_ai).");
        Self {
            duration: seconds(
                "gen_ai.client.operation.duration",
                "How long calls took that create or follow tasks (telemetry.gen_ai).",
            ),
            tokens: tokens.with_boundaries(TOKENS.to_vec()).build(),
            first_chunk: seconds(
                "gen_ai.client.operation.time_to_first_chunk",
                "How long streaming calls took to their first piece of text (telemetry.gen_ai).",
            ),
        }
    }

    pub(super) fn call_ended(&self, duration: Duration, error: Option<&'static str>) {
        let mut attributes = common().to_vec();
        attributes.extend(error.map(|error| KeyValue::new(ERROR_TYPE, error)));
        self.duration.record(duration.as_secs_f64(), &attributes);
    }

    pub(super) fn first_chunk(&self, after: Duration) {
        self.first_chunk.record(after.as_secs_f64(), &common());
    }

    pub(super) fn task_ended(&self, cost: &Cost) {
        let [operation, provider] = common();
        for (kind, count) in [("input", cost.input), ("output", cost.output)] {
            if let Some(count) = count {
                let kind = KeyValue::new(TOKEN_TYPE, kind);
                self.tokens.record(count, &[operation.clone(), provider.clone(), kind]);
            }
        }
    }
}

fn common() -> [KeyValue; 2] {
    [KeyValue::new(OPERATION_NAME, INVOKE_AGENT), KeyValue::new(PROVIDER_NAME, PROVIDER)]
}
