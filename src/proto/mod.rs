//! The gRPC surface, generated from `proto/`, the free JSON inside it, and what is too long to be decoded.

mod codec;
mod fields;
pub mod json;
mod lists;
mod named;

mod generated {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
    tonic::include_proto!("xpander.agent.v1");
}

use std::fmt;

pub use generated::*;
pub use lists::{MAX_ELEMENTS, TooLong};
pub use named::named_agent;
use prost::Message;

/// The compiled descriptors, for reflection and for proto JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Messages carry prompts, results and tokens, so their Debug says only what they are and how large.
macro_rules! opaque_debug {
    ($($message:ident)*) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($message), "({} bytes)"), self.encoded_len())
            }
        }
    )*};
}

opaque_debug! {
    InvokeRequest InvokeResponse StreamEventsRequest StreamEventsResponse InvokeStreamRequest InvokeStreamResponse
    GetTaskRequest GetTaskResponse WaitTaskRequest WaitTaskResponse StopTaskRequest StopTaskResponse
    ListAgentsRequest ListAgentsResponse ListTasksRequest ListTasksResponse GetTaskActivityRequest
    GetTaskActivityResponse
    Task TaskEvent Agent TaskSummary ActivityThread ActivityEntry
}

/// Enums say nothing secret: their Debug is the name in the proto.
macro_rules! named_debug {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str_name())
            }
        }
    )*};
}

named_debug! {
    ActivityRole AttachmentKind EventType LlmReasoningEffort OutputFormat PrincipalKind TaskStatus ThinkMode
}
