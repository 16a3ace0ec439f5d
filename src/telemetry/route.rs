//! The platform's routes, as metrics and spans name them.

use opentelemetry::KeyValue;

/// The platform's routes, a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Loads an agent.
    LoadAgent,
    /// Creates a task.
    CreateTask,
    /// Reads a task.
    ReadTask,
    /// Stops a task.
    StopTask,
    /// Opens a task's event stream.
    OpenEvents,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::LoadAgent, Self::CreateTask, Self::ReadTask, Self::StopTask, Self::OpenEvents];

    /// What is asked, in words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::LoadAgent => "load an agent",
            Self::CreateTask => "create a task",
            Self::ReadTask => "read a task",
            Self::StopTask => "stop a task",
            Self::OpenEvents => "open an event stream",
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::LoadAgent | Self::ReadTask | Self::OpenEvents => "GET",
            Self::CreateTask => "POST",
            Self::StopTask => "DELETE",
        }
    }

    pub(super) fn template(self) -> &'static str {
        match self {
            Self::LoadAgent => "/agents/{agent_id}",
            Self::CreateTask => "/agent-execution/{agent_id}",
            Self::ReadTask => "/agent-execution/{task_id}/status",
            Self::StopTask => "/agent-execution/{task_id}",
            Self::OpenEvents => "/agent-execution/{task_id}/events",
        }
    }

    /// The span's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LoadAgent => "GET /agents/{agent_id}",
            Self::CreateTask => "POST /agent-execution/{agent_id}",
            Self::ReadTask => "GET /agent-execution/{task_id}/status",
            Self::StopTask => "DELETE /agent-execution/{task_id}",
            Self::OpenEvents => "GET /agent-execution/{task_id}/events",
        }
    }

    pub(super) fn attributes(self) -> [KeyValue; 2] {
        [KeyValue::new("http.request.method", self.method()), KeyValue::new("url.template", self.template())]
    }
}
