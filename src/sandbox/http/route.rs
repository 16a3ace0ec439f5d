//! The platform's routes, by name.

/// The platform's routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `GET /agents/{id or name}`
    LoadAgent,
    /// `POST /agent-execution/{agent id}`
    CreateTask,
    /// `GET /agent-execution/{task id}/status`
    ReadTask,
    /// `DELETE /agent-execution/{task id}`
    StopTask,
    /// `GET /agent-execution/{task id}/events`
    FollowTask,
    /// `GET /agents/list`
    ListAgents,
    /// `GET /agent-execution/executions/history/{agent id}`
    ListTasks,
    /// `GET /agent-execution/executions/history/user/{user id}`
    ListUserTasks,
    /// `GET /activity/{agent id}/{task id}`
    ReadActivity,
}
