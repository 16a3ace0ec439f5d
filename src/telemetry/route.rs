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
    /// Lists the agents.
    ListAgents,
    /// Lists an agent's tasks.
    ListAgentTasks,
    /// Lists a user's tasks.
    ListUserTasks,
    /// Reads a task's activity log.
    ReadActivity,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::LoadAgent,
        Self::CreateTask,
        Self::ReadTask,
        Self::StopTask,
        Self::OpenEvents,
        Self::ListAgents,
        Self::ListAgentTasks,
        Self::ListUserTasks,
        Self::ReadActivity,
    ];

    /// What is asked, in words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::LoadAgent => "load an agent",
            Self::CreateTask => "create a task",
            Self::ReadTask => "read a task",
            Self::StopTask => "stop a task",
            Self::OpenEvents => "open an event stream",
            Self::ListAgents => "list agents",
            Self::ListAgentTasks => "list an agent's tasks",
            Self::ListUserTasks => "list a user's tasks",
            Self::ReadActivity => "read a task's activity",
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::CreateTask => "POST",
            Self::StopTask => "DELETE",
            _ => "GET",
        }
    }

    pub(super) fn template(self) -> &'static str {
        match self {
            Self::LoadAgent => "/agents/{agent_id}",
            Self::CreateTask => "/agent-execution/{agent_id}",
            Self::ReadTask => "/agent-execution/{task_id}/status",
            Self::StopTask => "/agent-execution/{task_id}",
            Self::OpenEvents => "/agent-execution/{task_id}/events",
            Self::ListAgents => "/agents/list",
            Self::ListAgentTasks => "/agent-execution/executions/history/{agent_id}",
            Self::ListUserTasks => "/agent-execution/executions/history/user/{user_id}",
            Self::ReadActivity => "/activity/{agent_id}/{task_id}",
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
            Self::ListAgents => "GET /agents/list",
            Self::ListAgentTasks => "GET /agent-execution/executions/history/{agent_id}",
            Self::ListUserTasks => "GET /agent-execution/executions/history/user/{user_id}",
            Self::ReadActivity => "GET /activity/{agent_id}/{task_id}",
        }
    }

    pub(super) fn attributes(self) -> [KeyValue; 2] {
        [KeyValue::new("http.request.method", self.method()), KeyValue::new("url.template", self.template())]
    }
}
