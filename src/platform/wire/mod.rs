//! What the platform speaks, as serde structs: its answers, its events and the body of a created task.
//!
//! Reading is lenient where writing is strict. An answer's attribute that this version does not know, or whose value
//! does not fit its type, is kept verbatim in `other`: the platform adds fields and enum values without notice, and
//! nothing it sends may disappear.

mod at_once;
mod create;
mod event;
mod lenient;
mod raw;
mod task;

pub use at_once::{at_once, read};
pub use create::{CreateTask, Input, Person};
pub use event::{
    AuthEvent, Envelope, Identity, Reasoning, SubAgentTrigger, ToolCallReasoning, ToolCallRequest, ToolCallResult,
};
pub use lenient::{Object, Rest, Time, Wire};
pub use raw::{parse, remove_from, verbatim, without};
pub use task::{
    Agent, Attachment, AttachmentKind, DeepPlanning, HitlRequest, LlmReasoningEffort, McpServer, OutputFormat,
    PendingEcaRequest, PlanTask, Principal, PrincipalKind, Seconds, Task, TaskInput, TaskStatus, ThinkMode, Tokens,
    User,
};
