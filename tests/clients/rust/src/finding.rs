//! Finding things again: a create whose outcome is unknown, and what a gap has hidden.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use tonic::{Code, Status};

use crate::{
    Scenario,
    api::{
        ActivityEntry, ActivityRole, GetTaskActivityRequest, InvokeRequest, ListAgentsRequest, ListTasksRequest,
        TaskSummary, activity_entry::Entry, get_task_activity_response::Item, task_event::Data,
    },
    failure::failure,
    scenario,
    world::{Agents, agents, asking, created, followed, next, soon, streamed, waited},
};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("lists", lists()),
        scenario("find-again", find_again()),
        scenario("read-gap", read_gap()),
        scenario("conversation", conversation()),
    ]
}

/// The task that was asked for since then, if it was created: none is skipped, however many there are.
async fn find(
    agents: &mut Agents,
    agent: &str,
    title: &str,
    since: SystemTime,
) -> Result<Option<TaskSummary>, Status> {
    let mut request = ListTasksRequest { agent_id: agent.into(), page_size: 1000, ..Default::default() };
    loop {
        let page = agents.list_tasks(soon(request.clone())).await?.into_inner();
        for task in page.tasks {
            let created = task.created_at.and_then(|created| SystemTime::try_from(created).ok());
            if created.is_none_or(|created| created < since) {
                return Ok(None);
            }
            if task.title() == title {
                return Ok(Some(task));
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(None);
        }
        request.page_token = page.next_page_token;
    }
}

/// What has happened in a task so far, gaps or not.
async fn happened(agents: &mut Agents, task_id: &str) -> Result<Vec<ActivityEntry>, Status> {
    let request = GetTaskActivityRequest { task_id: task_id.into() };
    let mut log = agents.get_task_activity(soon(request)).await?.into_inner();
    let mut entries = Vec::new();
    while let Some(message) = log.message().await? {
        if let Some(Item::Entry(entry)) = message.item {
            entries.push(entry);
        }
    }
    Ok(entries)
}

async fn lists() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        ids.insert(created(&mut agents, asking("burst", "1")).await?.id);
    }
    let listed = agents.list_agents(soon(ListAgentsRequest::default())).await?.into_inner().agents;
    ensure!(["echo", "chat"].iter().all(|id| listed.iter().any(|agent| agent.id == *id)), "agents are missing");
    let mut request = ListTasksRequest { agent_id: "burst".into(), page_size: 1, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = agents.list_tasks(soon(request.clone())).await?.into_inner();
        seen.extend(page.tasks.into_iter().map(|task| task.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let once = |id: &String| seen.iter().filter(|seen| *seen == id).count() == 1;
    ensure!(ids.iter().all(once), "{ids:?} are not once each in {seen:?}");
    request.agent_id = "echo".into();
    let wrong = failure(Code::InvalidArgument, agents.list_tasks(soon(request)).await)?;
    ensure!(wrong.fields() == ["page_token"], "the fields are {:?}", wrong.fields());
    Ok(())
}

async fn find_again() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let now = SystemTime::now();
    let title = format!("{:?}", now.duration_since(SystemTime::UNIX_EPOCH)?);
    let since = now - Duration::from_secs(60);
    let titled = |agent: &str| InvokeRequest { title: Some(title.clone()), ..asking(agent, "") };
    let unknown = failure(Code::DeadlineExceeded, agents.invoke(soon(titled("http-504"))).await)?;
    ensure!(unknown.reason == "CREATE_OUTCOME_UNKNOWN", "the reason is {}", unknown.reason);
    // It is not there: it is safe to create again, under a new request_id.
    ensure!(find(&mut agents, "http-504", &title, since).await?.is_none(), "it was created");
    let task = created(&mut agents, InvokeRequest { request_id: title.clone(), ..titled("echo") }).await?;
    let found = find(&mut agents, "echo", &title, since).await?.context("it was created")?;
    ensure!(found.id == task.id, "{} was found, not {}", found.id, task.id);
    Ok(())
}

async fn read_gap() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "tools", "hello").await?;
    let mut events = followed(&mut agents, &task_id).await?;
    let mut last = next(&mut events).await?;
    ensure!(!happened(&mut agents, &task_id).await?.is_empty(), "there is no log yet");
    while let Some(event) = next(&mut events).await? {
        last = Some(event);
    }
    let Some(Data::Task(task)) = last.and_then(|last| last.data) else { anyhow::bail!("the last event has no task") };
    let entries = happened(&mut agents, &task_id).await?;
    let tools: Vec<&str> = entries
        .iter()
        .filter_map(|entry| match &entry.entry {
            Some(Entry::ToolCall(call)) => Some(call.tool_name()),
            _ => None,
        })
        .collect();
    ensure!(tools == ["search", "sql"], "the tools are {tools:?}");
    let Some(Entry::Message(said)) = entries.last().and_then(|entry| entry.entry.as_ref()) else {
        anyhow::bail!("the last entry is no message")
    };
    ensure!(said.role() == ActivityRole::Agent && said.text() == task.result(), "the last message is {said:?}");
    Ok(())
}

async fn conversation() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let head = created(&mut agents, asking("chat", "one")).await?;
    let head = waited(&mut agents, &head.id).await?;
    let existing_task_id = head.conversation_id.clone().or(Some(head.id.clone()));
    let turn = created(&mut agents, InvokeRequest { existing_task_id, ..asking("chat", "two") }).await?;
    let turn = waited(&mut agents, &turn.id).await?;
    ensure!(turn.id != head.id, "the turn has no id of its own");
    ensure!(turn.conversation_id() == head.id && turn.result() == "two", "the turn is {turn:?}");
    Ok(())
}
