//! `invoke`: creates a task and, when asked to, follows it or waits for it.

use std::time::Duration;

use super::{
    args::{duration, proto_duration},
    client::{Agents, Connection, Proxy},
    exit::Exit,
    failure::Failure,
    follow::{Following, Standing, or_interrupted, wait_for},
    invocation::Invocation,
    output::Output,
    render::one_line,
};
use crate::proto::{InvokeRequest, InvokeStreamRequest};

/// What `invoke` takes.
#[derive(clap::Args)]
pub struct InvokeArgs {
    #[command(flatten)]
    invocation: Invocation,
    #[command(flatten)]
    then: Then,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// What becomes of the task that was created.
#[derive(clap::Args)]
#[command(next_help_heading = "What then")]
struct Then {
    /// Follow the task's events to its end
    #[arg(long, conflicts_with = "wait")]
    stream: bool,
    /// With --stream: have the proxy send a heartbeat when nothing else was sent for this long
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "stream")]
    heartbeat: Option<Duration>,
    /// Wait until the task is over or waits for a person
    #[arg(long)]
    wait: bool,
    /// With --stream and --wait: fail when the proxy breaks off, and do not go on after the last event by itself
    #[arg(long)]
    no_resume: bool,
}

/// Invokes an agent.
pub async fn invoke(args: InvokeArgs, output: Output) -> Result<Exit, Failure> {
    let InvokeArgs { invocation, then, connection } = args;
    let request = invocation.into_request()?;
    let standing = Standing::new(&connection);
    or_interrupted(&standing, async {
        let proxy = Proxy::connect(&connection).await?;
        if then.stream {
            return follow(&proxy, &standing, output, request, &then).await;
        }
        standing.creating(&request.agent_id, proxy.request_id());
        let answer = proxy.call(request, async |mut agents: Agents, request| agents.invoke(request).await).await?;
        if let Some(task) = &answer.task {
            standing.created(&task.id, "wait");
        }
        if !then.wait {
            output.task(&answer, answer.task.as_deref())?;
            return Ok(Exit::Completed);
        }
        let id = answer.task.map(|task| task.id).unwrap_or_default();
        // Told aside, so that whoever gives up waiting can come back to the task.
        output.note(&format!("waiting for task {}", one_line(&id)));
        wait_for(&proxy, &standing, output, None, !then.no_resume).await
    })
    .await
}

/// Invokes an agent and prints its task's events as they come.
async fn follow(
    proxy: &Proxy,
    standing: &Standing<'_>,
    output: Output,
    invocation: InvokeRequest,
    then: &Then,
) -> Result<Exit, Failure> {
    standing.creating(&invocation.agent_id, proxy.request_id());
    let heartbeat = then.heartbeat.and_then(proto_duration);
    let question = InvokeStreamRequest { invocation: Some(invocation), heartbeat };
    Following::new(proxy, standing, output, heartbeat, !then.no_resume).create(question).await
}
