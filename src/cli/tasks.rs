//! The commands on a task that is there: `get`, `wait`, `stop` and `events`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use prost::Name;

use crate::proto::{
    EventType, GetTaskRequest, StopTaskRequest, StreamEventsRequest, Task, TaskEvent, WaitTaskRequest, task_event::Data,
};

use super::{
    args::{Connection, duration, proto_duration},
    failure::{Failure, Outcome},
    proto_json,
    proxy::Proxy,
    render::{self, Look, Transcript},
};

/// What `get` takes.
#[derive(clap::Args)]
pub struct GetArgs {
    /// The task
    task_id: String,
    #[command(flatten)]
    connection: Connection,
}

/// What `wait` takes.
#[derive(clap::Args)]
pub struct WaitArgs {
    /// The task
    task_id: String,
    /// How long to wait before its latest state is printed instead, e.g. 30s [default: as long as the call may take]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    patience: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
}

/// What `stop` takes.
#[derive(clap::Args)]
pub struct StopArgs {
    /// The task
    task_id: String,
    #[command(flatten)]
    connection: Connection,
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
    #[command(flatten)]
    connection: Connection,
}

/// Prints a task.
pub async fn get(args: GetArgs) -> Result<Outcome, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let question = GetTaskRequest { task_id: args.task_id };
    let answer = proxy.call(question, async |mut agents, request| agents.get_task(request).await).await?;
    print(args.connection.json, &answer, answer.task.as_deref())?;
    Ok(Outcome::Good)
}

/// Waits for a task.
pub async fn wait(args: WaitArgs) -> Result<Outcome, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    wait_for(&proxy, args.task_id, args.patience, args.connection.json).await
}

/// Stops a task.
pub async fn stop(args: StopArgs) -> Result<Outcome, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let question = StopTaskRequest { task_id: args.task_id };
    let answer = proxy.call(question, async |mut agents, request| agents.stop_task(request).await).await?;
    print(args.connection.json, &answer, answer.task.as_deref())?;
    Ok(Outcome::Good)
}

/// Follows a task. That the task failed is for its events to say: following it worked.
pub async fn events(args: EventsArgs) -> Result<Outcome, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let question = StreamEventsRequest {
        task_id: args.task_id,
        last_event_id: args.after,
        heartbeat: args.heartbeat.and_then(proto_duration),
    };
    let mut messages = proxy.stream(question, async |mut agents, request| agents.stream_events(request).await).await?;
    let mut transcript = Transcript::new(io::stdout(), Look::of(&io::stdout()));
    while let Some(message) = messages.next().await? {
        if args.connection.json {
            print_json(&message)?;
        } else if let Some(event) = &message.event {
            transcript.event(event)?;
        }
    }
    Ok(Outcome::Good)
}

/// Waits for a task and prints it.
pub async fn wait_for(
    proxy: &Proxy,
    task_id: String,
    patience: Option<Duration>,
    json: bool,
) -> Result<Outcome, Failure> {
    let question = WaitTaskRequest { task_id, timeout: patience.and_then(proto_duration) };
    let answer = proxy.call(question, async |mut agents, request| agents.wait_task(request).await).await?;
    let task = print(json, &answer, answer.task.as_deref())?;
    Ok(outcome(task))
}

/// Prints an answer that carries a task, which is then known to be there.
pub fn print<'a>(json: bool, answer: &impl Name, task: Option<&'a Task>) -> Result<&'a Task, Failure> {
    let task = task.ok_or_else(|| Failure::Broken("the proxy answered without a task".to_owned()))?;
    if json {
        print_json(answer)?;
    } else {
        let mut out = io::stdout();
        out.write_all(render::task(task, Look::of(&out)).as_bytes())?;
        out.flush()?;
    }
    Ok(task)
}

/// Prints a message as a line of proto JSON.
pub fn print_json(message: &impl Name) -> Result<(), Failure> {
    let mut line = proto_json::to_json(message)
        .map_err(|e| Failure::Broken(format!("the proxy's answer cannot be written as JSON: {e}")))?;
    line.push('\n');
    let mut out = io::stdout();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

/// How a task that was waited for ended; one that is still under way is no failure.
pub fn outcome(task: &Task) -> Outcome {
    if render::has_failed(task.status()) { Outcome::Bad } else { Outcome::Good }
}

/// The task whose end the event is, when it is the followed task's.
pub fn ended(event: &TaskEvent) -> Option<&Task> {
    match &event.data {
        Some(Data::Task(task)) if event.r#type() == EventType::TaskFinished => Some(task),
        _ => None,
    }
}
