//! `invoke`: creates a task and, when asked to, follows it or waits for it.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use crate::proto::{InvokeRequest, InvokeStreamRequest, invoke_stream_response::Item};

use super::{
    args::{Connection, duration, proto_duration},
    failure::{Failure, Outcome},
    invocation::Invocation,
    proxy::Proxy,
    render::{Look, Transcript, one_line},
    tasks::{ended, outcome, print, print_json, wait_for},
};

/// What `invoke` takes.
#[derive(clap::Args)]
pub struct InvokeArgs {
    #[command(flatten)]
    invocation: Invocation,
    /// Follow the task's events to its end
    #[arg(long, conflicts_with = "wait")]
    stream: bool,
    /// With --stream: have the proxy send a heartbeat when nothing else was sent for this long
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "stream")]
    heartbeat: Option<Duration>,
    /// Wait until the task is over or waits for a person
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Invokes an agent.
pub async fn invoke(args: InvokeArgs) -> Result<Outcome, Failure> {
    let request = args.invocation.into_request()?;
    let json = args.connection.json;
    let proxy = Proxy::connect(&args.connection).await?;
    if args.stream {
        return follow(&proxy, request, args.heartbeat, json).await;
    }
    let answer = proxy.call(request, async |mut agents, request| agents.invoke(request).await).await?;
    if !args.wait {
        print(json, &answer, answer.task.as_deref())?;
        return Ok(Outcome::Good);
    }
    let id = answer.task.map(|task| task.id).unwrap_or_default();
    // Told aside, so that whoever gives up waiting can come back to the task.
    let _ = writeln!(io::stderr(), "waiting for task {}", one_line(&id));
    wait_for(&proxy, id, None, json).await
}

/// Invokes an agent and prints its task's events as they come.
pub async fn follow(
    proxy: &Proxy,
    invocation: InvokeRequest,
    heartbeat: Option<Duration>,
    json: bool,
) -> Result<Outcome, Failure> {
    let question = InvokeStreamRequest { invocation: Some(invocation), heartbeat: heartbeat.and_then(proto_duration) };
    let mut messages = proxy.stream(question, async |mut agents, request| agents.invoke_stream(request).await).await?;
    let mut transcript = Transcript::new(io::stdout(), Look::of(&io::stdout()));
    let mut end = None;
    while let Some(message) = messages.next().await? {
        if json {
            print_json(&message)?;
        }
        match &message.item {
            Some(Item::Task(task)) if !json => transcript.created(task)?,
            Some(Item::Event(event)) => {
                end = ended(event).map(outcome).or(end);
                if !json {
                    transcript.event(event)?;
                }
            }
            _ => {}
        }
    }
    end.ok_or_else(|| Failure::Broken("the proxy ended the stream before the task was over".to_owned()))
}
