//! Canonical proto3 JSON of any message in `proto/`, both ways, by its descriptor. Not for the platform's JSON, which
//! is no proto JSON: that is `translate`.

use std::{io, sync::LazyLock};

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::Serialize as _;
use serde_json::{
    Deserializer,
    ser::{CompactFormatter, Formatter, Serializer},
};

use crate::proto::{self, DESCRIPTORS};

use super::render::is_steering;

/// Why a message has no JSON, or JSON is no message.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// `proto/` has no message of that name.
    #[error("there is no message {0}")]
    UnknownMessage(String),
    /// The JSON is malformed or does not fit the message, or the message has a value that JSON cannot say.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The message is not of the named type, or nested too deep.
    #[error("{0}")]
    Message(#[from] prost::DecodeError),
}

/// Writes a whole double as an integer (`1`, not `1.0`), as every other implementation of proto JSON does, and escapes
/// what could steer a terminal, of which JSON itself escapes only a part.
struct Careful;

/// The message as one line of JSON.
///
/// # Errors
/// When JSON cannot say one of the values, such as a time in the year 10000.
pub fn to_json<M: Name>(message: &M) -> Result<String, Fault> {
    let mut dynamic = DynamicMessage::new(descriptor::<M>()?);
    dynamic.transcode_from(message)?;
    let mut out = Vec::new();
    dynamic.serialize(&mut Serializer::with_formatter(&mut out, Careful))?;
    String::from_utf8(out).map_err(|e| Fault::Json(serde::ser::Error::custom(e)))
}

/// The message that `json` stands for. Unknown fields are errors.
///
/// # Errors
/// When `json` is none of it.
pub fn from_json<M: Name + Default>(json: &str) -> Result<M, Fault> {
    let mut reader = Deserializer::from_str(json);
    let dynamic = DynamicMessage::deserialize(descriptor::<M>()?, &mut reader)?;
    reader.end()?;
    Ok(dynamic.transcode_to()?)
}

fn descriptor<M: Name>() -> Result<MessageDescriptor, Fault> {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the build has checked its own descriptors"));
    let name = M::full_name();
    POOL.get_message_by_name(&name).ok_or(Fault::UnknownMessage(name))
}

/// The names by which the descriptors know the messages.
macro_rules! names {
    ($($message:ident)*) => {$(
        impl Name for proto::$message {
            const NAME: &'static str = stringify!($message);
            const PACKAGE: &'static str = "xpander.agent.v1";
        }
    )*};
}

names! {
    InvokeRequest InvokeResponse StreamEventsRequest StreamEventsResponse InvokeStreamRequest InvokeStreamResponse
    GetTaskRequest GetTaskResponse WaitTaskRequest WaitTaskResponse StopTaskRequest StopTaskResponse
    ListAgentsRequest ListAgentsResponse ListTasksRequest ListTasksResponse GetTaskActivityRequest
    GetTaskActivityResponse
    Task TaskEvent
}

impl Formatter for Careful {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, letter)) = rest.char_indices().find(|(_, letter)| is_steering(*letter)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + letter.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // Beyond this many digits an exponent is shorter.
        if value.fract() == 0.0 && value.abs() < 1e17 {
            write!(writer, "{value:.0}")
        } else {
            CompactFormatter.write_f64(writer, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::proto::{
        InvokeRequest, InvokeResponse, Task, TaskEvent, TaskStatus, Tokens,
        json::{Struct, Value as Free},
        task_event::Data,
    };

    use super::*;

    fn object(value: &Value) -> Struct {
        Struct::new(value.to_string())
    }

    #[test]
    fn a_message_is_canonical_proto_json() {
        let task = Task {
            id: "t1".into(),
            status: TaskStatus::Completed.into(),
            created_at: Some(prost_types::Timestamp { seconds: 1_775_847_695, nanos: 114_410_000 }),
            duration: Some(prost_types::Duration { seconds: 3, nanos: 500_000_000 }),
            tokens: Some(Tokens { prompt_tokens: Some(0), completion_tokens: Some(12), ..Tokens::default() }),
            other: Some(object(&json!({"whole": 1, "half": 0.5, "big": 9_007_199_254_740_993_i64, "none": null}))),
            ..Task::default()
        };
        let json = to_json(&InvokeResponse { task: Some(task.into()) }).expect("valid");
        assert_eq!(
            json,
            r#"{"task":{"id":"t1","createdAt":"2026-04-10T19:01:35.114410Z","status":"TASK_STATUS_COMPLETED","#
                .to_owned()
                + r#""tokens":{"completionTokens":"12","promptTokens":"0"},"duration":"3.500s","#
                + r#""other":{"big":"9007199254740993","half":0.5,"none":null,"whole":1}}}"#
        );
    }

    #[test]
    fn json_becomes_a_message_by_either_name_of_a_field() {
        let json = r#"{"agentId": "a", "file_urls": ["u"], "outputFormat": 3, "thinkMode": "THINK_MODE_HARDER"}"#;
        let request: InvokeRequest = from_json(json).expect("valid");
        assert_eq!((request.agent_id.as_str(), request.file_urls.len()), ("a", 1));
        assert_eq!(request.output_format, 3);
        assert_eq!(request.think_mode, 2);
    }

    #[test]
    fn numbers_in_free_json_survive_with_and_without_fraction() {
        let free = json!({"i": 3, "f": 2.5, "e": 1e3, "n": -7, "l": [1.25, {"x": 0.1}]});
        let json = json!({"toolCallPayloadExtension": free}).to_string();
        let request: InvokeRequest = from_json(&json).expect("valid");
        let there = request.tool_call_payload_extension.clone().unwrap_or_default();
        let expected = json!({"i": 3, "f": 2.5, "e": 1000, "n": -7, "l": [1.25, {"x": 0.1}]});
        assert_eq!(Value::Object(there.fields()), expected);
        let back = to_json(&request).expect("valid");
        assert_eq!(serde_json::from_str::<Value>(&back).expect("JSON"), json!({"toolCallPayloadExtension": expected}));
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_it() {
        let fault = |json| from_json::<InvokeRequest>(json).map(drop).expect_err("invalid").to_string();
        assert!(fault(r#"{"promt": "x"}"#).contains("promt"));
        assert_eq!(fault(r#"{"toolCallLimit": "many"}"#), "invalid digit found in string at line 1 column 24");
        assert!(fault(r#"{"toolCallPayloadExtension": {"x": 1e999}}"#).contains("number out of range"));
        assert!(fault("{} x").contains("trailing characters"));
        assert!(fault("{").contains("line 1"));
        assert!(fault("[]").contains("sequence"));
    }

    #[test]
    fn what_could_steer_a_terminal_is_escaped_and_means_the_same() {
        let text = "a\u{1b}[2J\u{9b}1m\u{7f}\u{202e}\u{2028}é";
        let json = to_json(&Task { id: text.into(), ..Task::default() }).expect("valid");
        assert_eq!(json, r#"{"id":"a\u001b[2J\u009b1m\u007f\u202e\u2028é"}"#);
        assert!(from_json::<Task>(&json).expect("valid").id == text);
    }

    #[test]
    fn the_deepest_free_json_the_proxy_sends_can_be_printed() {
        let deep = (0..200).fold(json!(1), |inner, _| json!({ "k": inner }));
        let event = TaskEvent { data: Some(Data::Other(Free::new(deep.to_string()))), ..TaskEvent::default() };
        assert!(to_json(&event).is_ok());
    }
}
