//! A running proxy: the real server, on free ports of this machine.

use std::time::Duration;

use tokio::{sync::oneshot, task::JoinHandle};
use tonic::transport::{Channel, Endpoint};
use xpander_grpc_proxy::{
    app::Bound,
    config::{Secret, Settings},
    proto::agent_service_client::AgentServiceClient,
};

pub type Client = AgentServiceClient<Channel>;

/// A proxy; drains when it is dropped.
pub struct Proxy {
    pub grpc: String,
    pub admin: String,
    shutdown: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// Settings for a proxy before the platform at `base_url`.
pub fn settings(base_url: &str) -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.server.admin_listen = ([127, 0, 0, 1], 0).into();
    settings.server.drain_delay = Duration::ZERO;
    settings.server.drain_timeout = Duration::from_millis(100);
    base_url.clone_into(&mut settings.platform.base_url);
    settings.platform.api_key = Some(Secret::new("key-under-test"));
    settings.platform.organization_id = Some("org-1".to_owned());
    // Tests of who may see lists say so themselves.
    settings.auth.list_tasks = ["*".to_owned()].into();
    // Tests of what a failure becomes need not meet it four times; those of retries ask for them.
    settings.platform.retries = 0;
    settings.events.reconnect_budget = Duration::from_secs(3);
    // Longer than any test waits: what comes all the same does not come of them.
    settings.platform.request_timeout = Duration::from_hours(1);
    settings.events.idle_timeout = Duration::from_hours(1);
    settings.server.receive_timeout = Duration::from_hours(1);
    settings.server.handshake_timeout = Duration::from_hours(1);
    settings
}

impl Proxy {
    /// A proxy before the platform at `base_url`.
    pub async fn start(base_url: &str) -> Self {
        Self::with(&settings(base_url)).await
    }

    pub async fn with(settings: &Settings) -> Self {
        let bound = Bound::bind(settings).await.expect("binds");
        let grpc = format!("http://{}", bound.grpc_address().expect("bound"));
        let admin = format!("http://{}", bound.admin_address().expect("bound"));
        let (shutdown, told) = oneshot::channel();
        let running = tokio::spawn(bound.run(async { drop(told.await) }));
        Self { grpc, admin, shutdown: Some(shutdown), running: Some(running) }
    }

    pub fn channel(&self) -> Channel {
        Endpoint::new(self.grpc.clone()).expect("a URL").connect_lazy()
    }

    /// A client that takes messages of any size.
    pub fn client(&self) -> Client {
        Client::new(self.channel()).max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
    }

    /// Begins the drain.
    pub fn shut_down(&mut self) {
        self.shutdown.take();
    }

    /// Waits until the drain is over.
    pub async fn over(mut self) {
        self.shut_down();
        self.running.take().expect("once").await.expect("no panic");
    }
}
