//! Who may call, and whose platform key is used: tokens, certificates, agents, pass-through, and secrets that change
//! under way, in the modules below. What is attached to a call is in `attach`.

mod agents;
mod certificates;
mod expiry;
mod isolation;
mod names;
mod pass_through;
mod reload;
mod reload_tls;
mod start;
mod tasks;
mod tokens;

use xpander_grpc_proxy::{config::Settings, proto::GetTaskRequest};

use crate::support::{
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
};

/// A platform whose agents and tasks are there, and a proxy before it with these settings.
async fn world(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let mut settings = settings(&platform.base_url());
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

fn get() -> GetTaskRequest {
    GetTaskRequest { task_id: "task-1".to_owned() }
}
