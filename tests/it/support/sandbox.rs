//! A sandbox with a proxy before it, and the calls of a caller who expects them to work.

use xpander_grpc_proxy::{
    config::Settings,
    proto::{GetTaskRequest, InvokeRequest, StopTaskRequest, Task, WaitTaskRequest},
    sandbox::{Sandbox, SeenRequest},
};

use super::{
    calls::invoke,
    live::within,
    proxy::{Client, Proxy, settings},
};

pub struct World {
    pub sandbox: Sandbox,
    pub proxy: Proxy,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings than the usual ones.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
        let mut settings = settings(&sandbox.base_url());
        change(&mut settings);
        let proxy = Proxy::with(&settings).await;
        Self { sandbox, proxy }
    }

    pub fn client(&self) -> Caller {
        Caller(self.proxy.client())
    }

    /// The requests of this method whose path begins so.
    pub fn seen(&self, method: &str, path: &str) -> Vec<SeenRequest> {
        let mut seen = self.sandbox.seen();
        seen.retain(|request| request.method == method && request.path.starts_with(path));
        seen
    }

    /// How many tasks were created or continued.
    pub fn creates(&self) -> usize {
        self.seen("POST", "/agent-execution/").len()
    }

    /// How often this agent was loaded.
    pub fn lookups(&self, agent: &str) -> usize {
        self.seen("GET", &format!("/agents/{agent}")).len()
    }
}

/// A client whose calls succeed.
#[derive(Clone)]
pub struct Caller(pub Client);

impl Caller {
    pub async fn invoke(&mut self, request: InvokeRequest) -> Task {
        let answer = within("an answer", self.0.invoke(request)).await.expect("OK").into_inner();
        *answer.task.expect("a task")
    }

    /// Invokes an agent with a prompt.
    pub async fn ask(&mut self, agent: &str, prompt: &str) -> Task {
        self.invoke(asking(agent, prompt)).await
    }

    pub async fn get(&mut self, id: &str) -> Task {
        let answer = within("an answer", self.0.get_task(GetTaskRequest { task_id: id.to_owned() })).await;
        *answer.expect("OK").into_inner().task.expect("a task")
    }

    pub async fn wait(&mut self, id: &str) -> Task {
        let request = WaitTaskRequest { task_id: id.to_owned(), timeout: None };
        let answer = within("an answer", self.0.wait_task(request)).await;
        *answer.expect("OK").into_inner().task.expect("a task")
    }

    pub async fn stop(&mut self, id: &str) -> Task {
        let answer = within("an answer", self.0.stop_task(StopTaskRequest { task_id: id.to_owned() })).await;
        *answer.expect("OK").into_inner().task.expect("a task")
    }
}

/// An invocation of an agent with a prompt.
pub fn asking(agent: &str, prompt: &str) -> InvokeRequest {
    InvokeRequest { prompt: prompt.to_owned(), ..invoke(agent) }
}
