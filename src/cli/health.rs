//! `health`: asks `grpc.health.v1` of a running proxy. For probes, which read the exit code.

use std::io::Write as _;

use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    client::{Connection, Proxy},
    exit::Exit,
    failure::Failure,
    output::Output,
};

/// What `health` takes.
#[derive(clap::Args)]
pub struct HealthArgs {
    /// The service to ask about, e.g. xpander.agent.v1.AgentService; none: the proxy as a whole
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// Asks whether the proxy serves: for a probe, one that cannot be asked does not.
pub async fn health(args: HealthArgs, output: Output) -> Result<Exit, Failure> {
    let status = match ask(args).await {
        Ok(status) => status,
        Err(failure @ Failure::Call(..)) => return Err(Failure::NotServing(Box::new(failure))),
        Err(failure) => return Err(failure),
    };
    let name = status.as_str_name();
    let mut out = std::io::stdout();
    if output.is_json {
        writeln!(out, "{{\"status\":\"{name}\"}}")?;
    } else {
        writeln!(out, "{}", name.to_lowercase().replace('_', " "))?;
    }
    Ok(if status == ServingStatus::Serving { Exit::Completed } else { Exit::Failed })
}

async fn ask(args: HealthArgs) -> Result<ServingStatus, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let mut client = HealthClient::new(proxy.channel());
    let question = HealthCheckRequest { service: args.service };
    Ok(proxy.call_other(question, async |request| client.check(request).await).await?.status())
}
