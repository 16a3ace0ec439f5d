//! How often the pure parts and a whole Invoke allocate: `cargo bench --bench allocations`. Only counts: what they cost
//! in time is the business of `parts` and `compare`.

#[path = "shared/samples.rs"]
mod samples;
#[path = "shared/workloads.rs"]
mod workloads;

use std::{error::Error, net::Ipv4Addr, time::Duration};

use allocation_counter::{AllocationInfo, measure};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};
use tonic::transport::Endpoint;
use xpander_grpc_proxy::{
    app::Bound,
    config::{Secret, Settings},
    proto::agent_service_client::AgentServiceClient,
    sandbox::Sandbox,
};

/// Calls of a short and of a long run: what the start and the end allocate falls out by the difference.
const FEW: u64 = 100;
const MANY: u64 = 300;

type Fault = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Fault> {
    println!("{:38} {:>12} {:>12}", "", "allocations", "bytes");
    let tell = |name: &str, count: u64, bytes: u64| println!("{name:38} {count:>12} {bytes:>12}");
    for workload in workloads::all() {
        (workload.run)();
        let AllocationInfo { count_total, bytes_total, .. } = measure(&workload.run);
        tell(&workload.name, count_total, bytes_total);
    }
    // Callers and platform have threads of their own, which are not counted.
    let outside = Runtime::new()?;
    let sandbox = outside.block_on(Sandbox::start((Ipv4Addr::LOCALHOST, 0).into()))?;
    let settings = settings(&sandbox);
    let (few, many) = (proxy(&outside, &settings, FEW)?, proxy(&outside, &settings, MANY)?);
    let each = |few: u64, many: u64| (many - few) / (MANY - FEW);
    tell("Invoke, all of the proxy", each(few.count_total, many.count_total), each(few.bytes_total, many.bytes_total));
    Ok(())
}

fn settings(sandbox: &Sandbox) -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = (Ipv4Addr::LOCALHOST, 0).into();
    settings.server.admin_listen = (Ipv4Addr::LOCALHOST, 0).into();
    settings.server.drain_delay = Duration::ZERO;
    settings.platform.base_url = sandbox.base_url();
    settings.platform.api_key = Some(Secret::new("key-of-the-bench"));
    settings.platform.organization_id = Some(samples::ORGANIZATION.to_owned());
    settings
}

/// What a proxy on this thread allocates from its start to its end, with so many calls in between.
fn proxy(outside: &Runtime, settings: &Settings, calls: u64) -> Result<AllocationInfo, Fault> {
    let mut outcome = Ok(());
    let info = measure(|| outcome = serve(outside, settings, calls));
    outcome.map(|()| info)
}

fn serve(outside: &Runtime, settings: &Settings, calls: u64) -> Result<(), Fault> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let bound = Bound::bind(settings).await?;
        let address = format!("http://{}", bound.grpc_address()?);
        let (done, is_done) = oneshot::channel();
        let calling = outside.spawn(async move {
            let outcome = invoke(address, calls).await;
            let _ = done.send(());
            outcome
        });
        bound.run(async { drop(is_done.await) }).await;
        calling.await?
    })
}

async fn invoke(address: String, calls: u64) -> Result<(), Fault> {
    let mut client = AgentServiceClient::new(Endpoint::new(address)?.connect().await?);
    for _ in 0..calls {
        client.invoke(samples::invoke_request("echo")).await?;
    }
    Ok(())
}
