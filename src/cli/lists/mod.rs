//! The commands that find things again: `agents`, `tasks` and `activity`.

use std::num::NonZeroUsize;

use super::{
    client::{Agents, Connection, Proxy},
    exit::Exit,
    failure::Failure,
    output::Output,
    render::{activity_lines, agent_table, one_line, task_table},
};
use crate::proto::{
    GetTaskActivityRequest, ListAgentsRequest, ListTasksRequest, TaskStatus, get_task_activity_response::Item,
};

/// How many rows are asked for at once.
const PAGE: usize = 200;

/// What `agents` takes.
#[derive(clap::Args)]
pub struct AgentsArgs {
    /// At most so many agents [default: all]
    #[arg(long, value_name = "COUNT")]
    limit: Option<NonZeroUsize>,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// What `tasks` takes.
#[derive(clap::Args)]
pub struct TasksArgs {
    /// Tasks of this agent [default: the proxy's default agent, where no user is named]
    #[arg(long, value_name = "AGENT_ID", default_value = "", hide_default_value = true)]
    agent: String,
    /// Tasks of this user
    #[arg(long, value_name = "USER_ID", default_value = "", hide_default_value = true)]
    user: String,
    /// Tasks with this status: pending, executing, paused, error, failed, completed or stopped
    #[arg(long, value_parser = status)]
    status: Option<TaskStatus>,
    /// With --json: the tasks' results, too
    #[arg(long, requires = "json")]
    results: bool,
    /// At most so many tasks, the newest first [default: all]
    #[arg(long, value_name = "COUNT")]
    limit: Option<NonZeroUsize>,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// What `activity` takes.
#[derive(clap::Args)]
pub struct ActivityArgs {
    /// The task
    task_id: String,
    /// Where to.
    #[command(flatten)]
    pub connection: Connection,
}

/// Prints the agents that may be invoked.
pub async fn agents(args: AgentsArgs, output: Output) -> Result<Exit, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let (mut request, mut left) = (ListAgentsRequest::default(), args.limit.map_or(usize::MAX, NonZeroUsize::get));
    loop {
        request.page_size = page_size(left);
        let question = request.clone();
        let answer =
            proxy.call(question, async |mut agents: Agents, request| agents.list_agents(request).await).await?;
        left = left.saturating_sub(answer.agents.len());
        request.page_token.clone_from(&answer.next_page_token);
        output.message(&answer, |look| agent_table(&answer.agents, look))?;
        if left == 0 || request.page_token.is_empty() {
            return Ok(Exit::Completed);
        }
    }
}

/// Prints tasks.
pub async fn tasks(args: TasksArgs, output: Output) -> Result<Exit, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let mut request = ListTasksRequest {
        agent_id: args.agent,
        user_id: args.user,
        status: args.status.unwrap_or_default().into(),
        include_results: args.results,
        ..ListTasksRequest::default()
    };
    let mut left = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    loop {
        request.page_size = page_size(left);
        let question = request.clone();
        let answer = proxy.call(question, async |mut agents: Agents, request| agents.list_tasks(request).await).await?;
        left = left.saturating_sub(answer.tasks.len());
        request.page_token.clone_from(&answer.next_page_token);
        output.message(&answer, |look| task_table(&answer.tasks, look))?;
        if left == 0 || request.page_token.is_empty() {
            return Ok(Exit::Completed);
        }
    }
}

/// Prints what happened in a task so far.
pub async fn activity(args: ActivityArgs, output: Output) -> Result<Exit, Failure> {
    let proxy = Proxy::connect(&args.connection).await?;
    let question = GetTaskActivityRequest { task_id: args.task_id };
    let call = proxy.stream(proxy.deadline(), question, async |mut agents: Agents, request| {
        agents.get_task_activity(request).await
    });
    let mut messages = call.await?;
    while let Some(message) = messages.next().await? {
        match &message.item {
            _ if output.is_json => Output::json(&message)?,
            Some(Item::Entry(entry)) => output.message(&message, |look| activity_lines(entry, look))?,
            _ => {}
        }
    }
    Ok(Exit::Completed)
}

fn page_size(left: usize) -> i32 {
    i32::try_from(left.min(PAGE)).unwrap_or_default()
}

fn status(word: &str) -> Result<TaskStatus, String> {
    let known = TaskStatus::from_str_name(&format!("TASK_STATUS_{}", word.to_uppercase()));
    let known = known.filter(|status| *status != TaskStatus::Unspecified);
    known.ok_or_else(|| format!("there is no status {}", one_line(word)))
}
