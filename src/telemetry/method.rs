//! The methods that are served, as a closed set: what a caller calls beyond it has one name. Not how they are routed.

/// A method of the gRPC port.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// Service and method, as in a path without its first slash.
    pub name: &'static str,
    /// What kind of call it is.
    pub kind: Kind,
    /// Whether it creates a task.
    pub creates: bool,
}

/// What kind of call a method is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The API, with one answer.
    Unary,
    /// The same, which waits for minutes.
    Waiting,
    /// The same, which ends what others begin.
    Stopping,
    /// The API, with a stream of answers.
    Streaming,
    /// `grpc.health.v1`.
    Health,
    /// Server reflection, v1 and v1alpha.
    Reflection,
    /// What is not served here.
    Nothing,
}

/// Every method there is; the last one stands for those there are not.
static METHODS: [Method; 14] = [
    Method::create("xpander.agent.v1.AgentService/Invoke", Kind::Unary),
    Method::new("xpander.agent.v1.AgentService/StreamEvents", Kind::Streaming),
    Method::create("xpander.agent.v1.AgentService/InvokeStream", Kind::Streaming),
    Method::new("xpander.agent.v1.AgentService/GetTask", Kind::Unary),
    Method::new("xpander.agent.v1.AgentService/WaitTask", Kind::Waiting),
    Method::new("xpander.agent.v1.AgentService/StopTask", Kind::Stopping),
    Method::new("xpander.agent.v1.AgentService/ListAgents", Kind::Unary),
    Method::new("xpander.agent.v1.AgentService/ListTasks", Kind::Unary),
    Method::new("xpander.agent.v1.AgentService/GetTaskActivity", Kind::Streaming),
    Method::new("grpc.health.v1.Health/Check", Kind::Health),
    Method::new("grpc.health.v1.Health/Watch", Kind::Health),
    Method::new("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Kind::Reflection),
    Method::new("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Kind::Reflection),
    Method::new("_OTHER", Kind::Nothing),
];

impl Method {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, creates: false }
    }

    const fn create(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, creates: true }
    }

    /// Whether it is the API's own.
    #[must_use]
    pub fn is_of_the_api(&self) -> bool {
        self.is_unary() || self.kind == Kind::Streaming
    }

    /// Whether it is one that probes and tools call, beside the API.
    #[must_use]
    pub fn is_beside_the_api(&self) -> bool {
        matches!(self.kind, Kind::Health | Kind::Reflection)
    }

    /// Whether it is the API's own, with one answer.
    #[must_use]
    pub fn is_unary(&self) -> bool {
        matches!(self.kind, Kind::Unary | Kind::Waiting | Kind::Stopping)
    }

    /// The method of a request's path.
    #[must_use]
    pub fn of(path: &str) -> &'static Self {
        let name = path.strip_prefix('/').unwrap_or_default();
        METHODS.iter().find(|method| method.name == name).unwrap_or(&METHODS[METHODS.len() - 1])
    }

    /// The API's own.
    pub fn of_the_api() -> impl Iterator<Item = &'static Self> {
        METHODS.iter().filter(|method| method.is_of_the_api())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::DESCRIPTORS;

    #[test]
    fn every_method_of_the_api_is_known() {
        let pool = prost_reflect::DescriptorPool::decode(DESCRIPTORS).expect("descriptors");
        let mut served: Vec<_> = pool
            .services()
            .flat_map(|service| {
                service
                    .methods()
                    .map(|method| (method.parent_service().full_name().to_owned(), method.name().to_owned()))
                    .collect::<Vec<_>>()
            })
            .map(|(service, method)| format!("{service}/{method}"))
            .collect();
        let mut known: Vec<_> = Method::of_the_api().map(|method| method.name.to_owned()).collect();
        served.sort();
        known.sort();
        assert_eq!(known, served);
    }

    #[test]
    fn what_does_not_exist_has_one_name() {
        for path in
            ["/xpander.agent.v1.AgentService/Nope", "", "/", "/_OTHER/x", "xpander.agent.v1.AgentService/Invoke"]
        {
            assert_eq!(Method::of(path).name, "_OTHER", "{path}");
        }
        assert_eq!(Method::of("/grpc.health.v1.Health/Check").kind, Kind::Health);
    }
}
