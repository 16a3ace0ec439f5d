//! `health`: asks `grpc.health.v1` of a running proxy. For probes, which read the exit code.

use std::io::Write as _;

use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    args::Connection,
    failure::{Failure, Outcome},
    proxy::Proxy,
};

/// What `health` takes.
#[derive(clap::Args)]
pub struct HealthArgs {
    /// The service to ask about, e.g. xpander.agent.v1.AgentService; none: the proxy as a whole
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    connection: Connection,
}

/// Asks whether the proxy serves.
pub async fn health(args: HealthArgs) -> Result<Outcome, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let mut client = HealthClient::new(proxy.channel());
    let question = HealthCheckRequest { service: args.service };
    let status = proxy.call_other(question, async |request| client.check(request).await).await?.status();
    let name = status.as_str_name();
    let mut out = std::io::stdout();
    if args.connection.json {
        writeln!(out, "{{\"status\":\"{name}\"}}")?;
    } else {
        writeln!(out, "{}", name.to_lowercase().replace('_', " "))?;
    }
    Ok(if status == ServingStatus::Serving { Outcome::Good } else { Outcome::Bad })
}
