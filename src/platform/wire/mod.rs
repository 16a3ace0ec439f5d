//! What the platform speaks: its answers, its events and the body of a created task.
//!
//! Reading is lenient where writing is strict. An answer's attribute that this version does not know, or whose value
//! does not fit its type, is kept verbatim in `other`: the platform adds fields and enum values without notice, and
//! nothing it sends may disappear. What Python writes beyond JSON is read as Python reads it.

mod create;
mod event;
mod listed;
mod object;
mod task;
mod time;
mod unicode;

pub use create::{Behind, CreateTask, File, Input, Person, Server};
pub use event::{
    AuthEvent, Envelope, Identity, Reasoning, SubAgentTrigger, ToolCallReasoning, ToolCallRequest, ToolCallResult,
};
pub use listed::{
    ActivityAuth, ActivityContent, ActivityMessage, ActivityReasoning, ActivityRole, ActivitySubAgent, ActivityThread,
    ActivityToolCall, AgentRow, TaskRow,
};
pub use object::{Object, Rest, Unreadable, Wire, read};
pub use task::{
    Agent, Attachment, AttachmentKind, DeepPlanning, HitlRequest, LlmReasoningEffort, McpServer, OutputFormat,
    PendingEcaRequest, PlanTask, Principal, PrincipalKind, Secret, Task, TaskInput, TaskStatus, ThinkMode, Tokens,
    User,
};
pub use time::{Seconds, Time};
pub use unicode::{Wide, document, text};
