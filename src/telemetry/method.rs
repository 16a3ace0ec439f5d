//! The methods that are served, as a closed set: what a caller calls beyond it has one name. Not how they are routed.

/// A method of the gRPC port.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// Service and method, as in a path without its first slash.
    pub name: &'static str,
    /// What kind of call it is.
    pub kind: Kind,
}

/// What kind of call a method is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The API, with one answer.
    Unary,
    /// The API, with a stream of answers.
    Streaming,
    /// Probes, reflection and what does not exist: many, and of little interest.
    Other,
}

/// Every method there is; the last one stands for those there are not.
static METHODS: [Method; 11] = [
    Method { name: "xpander.agent.v1.AgentService/Invoke", kind: Kind::Unary },
    Method { name: "xpander.agent.v1.AgentService/StreamEvents", kind: Kind::Streaming },
    Method { name: "xpander.agent.v1.AgentService/InvokeStream", kind: Kind::Streaming },
    Method { name: "xpander.agent.v1.AgentService/GetTask", kind: Kind::Unary },
    Method { name: "xpander.agent.v1.AgentService/WaitTask", kind: Kind::Unary },
    Method { name: "xpander.agent.v1.AgentService/StopTask", kind: Kind::Unary },
    Method { name: "grpc.health.v1.Health/Check", kind: Kind::Other },
    Method { name: "grpc.health.v1.Health/Watch", kind: Kind::Other },
    Method { name: "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", kind: Kind::Other },
    Method { name: "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kind: Kind::Other },
    Method { name: "_OTHER", kind: Kind::Other },
];

impl Method {
    /// The method of a request's path.
    pub fn of(path: &str) -> &'static Self {
        let name = path.strip_prefix('/').unwrap_or_default();
        METHODS.iter().find(|method| method.name == name).unwrap_or(&METHODS[METHODS.len() - 1])
    }

    /// The API's own.
    pub fn of_the_api() -> impl Iterator<Item = &'static Self> {
        METHODS.iter().filter(|method| method.kind != Kind::Other)
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
        assert_eq!(Method::of("/grpc.health.v1.Health/Check").kind, Kind::Other);
    }
}
