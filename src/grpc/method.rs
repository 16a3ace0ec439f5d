//! What a request is for, by its path.

use super::server::SERVICE;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A call of the API.
    Agents(Method),
    /// `grpc.health.v1`.
    Health,
    /// Server reflection, v1 and v1alpha.
    Reflection,
    /// Nothing that is served here.
    Nothing,
}

/// A method of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Invoke,
    StreamEvents,
    InvokeStream,
    GetTask,
    WaitTask,
    StopTask,
}

impl Target {
    /// What is behind `/service/method`.
    pub fn of(path: &str) -> Self {
        let mut segments = path.strip_prefix('/').unwrap_or_default().splitn(2, '/');
        let (service, method) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        match service {
            SERVICE => Method::of(method).map_or(Self::Nothing, Self::Agents),
            "grpc.health.v1.Health" => Self::Health,
            "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection" => Self::Reflection,
            _ => Self::Nothing,
        }
    }
}

impl Method {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "Invoke" => Self::Invoke,
            "StreamEvents" => Self::StreamEvents,
            "InvokeStream" => Self::InvokeStream,
            "GetTask" => Self::GetTask,
            "WaitTask" => Self::WaitTask,
            "StopTask" => Self::StopTask,
            _ => return None,
        })
    }

    /// Whether it answers with a stream.
    pub fn is_streaming(self) -> bool {
        matches!(self, Self::StreamEvents | Self::InvokeStream)
    }

    /// Whether it creates a task.
    pub fn creates(self) -> bool {
        matches!(self, Self::Invoke | Self::InvokeStream)
    }
}
