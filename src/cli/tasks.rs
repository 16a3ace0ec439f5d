//! The commands on a task that is there: `get`, `wait`, `stop` and `events`.

use std::time::Duration;

use super::{
    args::{duration, proto_duration},
    client::{Agents, Connection, Proxy},
    exit::Exit,
    failure::Failure,
    follow::{Following, Standing, or_interrupted, wait_for},
    output::Output,
};
use crate::proto::{GetTaskRequest, StopTaskRequest};

/// What `get` takes.
#[derive(clap::Args)]
pub struct GetArgs {
    /// The task
    task_id: String,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// What `wait` takes.
#[derive(clap::Args)]
pub struct WaitArgs {
    /// The task
    task_id: String,
    /// How long to wait before its latest state is printed instead, e.g. 30s [default: as long as the call may take]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    patience: Option<Duration>,
    /// Fail when the proxy breaks off, and do not ask again by itself
    #[arg(long)]
    no_resume: bool,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// What `stop` takes.
#[derive(clap::Args)]
pub struct StopArgs {
    /// The task
    task_id: String,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// What `events` takes.
#[derive(clap::Args)]
pub struct EventsArgs {
    /// The task
    task_id: String,
    /// Go on after this event, the last one seen
    #[arg(long, value_name = "EVENT_ID", default_value = "", hide_default_value = true)]
    after: String,
    /// Have the proxy send a heartbeat when nothing else was sent for this long, e.g. 10s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    heartbeat: Option<Duration>,
    /// Fail when the stream breaks, and do not go on after the last event by itself
    #[arg(long)]
    no_resume: bool,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// Prints a task.
pub async fn get(args: GetArgs, output: Output) -> Result<Exit, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let question = GetTaskRequest { task_id: args.task_id };
    let answer = proxy.call(question, async |mut agents: Agents, request| agents.get_task(request).await).await?;
    output.task(&answer, answer.task.as_deref())?;
    Ok(Exit::Completed)
}

/// Waits for a task.
pub async fn wait(args: WaitArgs, output: Output) -> Result<Exit, Failure> {
    let standing = Standing::new(&args.connection);
    standing.named(&args.task_id, "", "wait");
    or_interrupted(&standing, async {
        let proxy = Proxy::connect(&args.connection).await?;
        wait_for(&proxy, &standing, output, args.patience, !args.no_resume).await
    })
    .await
}

/// Stops a task.
pub async fn stop(args: StopArgs, output: Output) -> Result<Exit, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let question = StopTaskRequest { task_id: args.task_id };
    let answer = proxy.call(question, async |mut agents: Agents, request| agents.stop_task(request).await).await?;
    output.task(&answer, answer.task.as_deref())?;
    Ok(Exit::Completed)
}

/// Follows a task to its end.
pub async fn events(args: EventsArgs, output: Output) -> Result<Exit, Failure> {
    let standing = Standing::new(&args.connection);
    standing.named(&args.task_id, &args.after, "events");
    or_interrupted(&standing, async {
        let proxy = Proxy::connect(&args.connection).await?;
        let heartbeat = args.heartbeat.and_then(proto_duration);
        Following::new(&proxy, &standing, output, heartbeat, !args.no_resume).follow().await
    })
    .await
}
