//! Streams: to their ends, and away from them.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tonic::{Code, transport::Endpoint};

use crate::{
    Scenario,
    api::{
        EventType, GetTaskRequest, InvokeStreamRequest, StreamEventsRequest, TaskEvent, TaskStatus,
        agent_service_client::AgentServiceClient, invoke_stream_response::Item, task_event::Data,
    },
    failure::failure,
    json, scenario,
    world::{SOON, agents, asking, calls, followed, following, next, read, soon, stopped, streamed, until, within},
};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("stream", stream()),
        scenario("one-call-stream", one_call_stream()),
        scenario("deadline", deadline()),
        scenario("cancel", cancel()),
        scenario("struct-in-events", numbers_in_events()),
        scenario("heartbeat", heartbeat()),
        scenario("resume", resume()),
    ]
}

fn kind(event: &TaskEvent) -> Option<&'static str> {
    Some(match event.data.as_ref()? {
        Data::Task(_) => "task",
        Data::Chunk(_) => "chunk",
        Data::ToolCallRequest(_) => "tool_call_request",
        Data::ToolCallResult(_) => "tool_call_result",
        Data::Reasoning(_) => "reasoning",
        Data::Plan(_) => "plan",
        Data::Auth(_) => "auth",
        Data::SubAgentTrigger(_) => "sub_agent_trigger",
        Data::Gap(_) => "gap",
        Data::Other(_) => "other",
    })
}

async fn stream() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "tools", "hello there").await?;
    let mut events = followed(&mut agents, &task_id).await?;
    let (mut text, mut kinds, mut of_tomorrow, mut last) = (String::new(), BTreeSet::new(), BTreeSet::new(), None);
    // The end is OK: any other would be an error.
    while let Some(event) = next(&mut events).await? {
        kinds.extend(kind(&event));
        if event.r#type() == EventType::Unspecified {
            of_tomorrow.insert(event.type_name.clone());
        }
        if let Some(Data::Chunk(chunk)) = &event.data {
            text += chunk;
        }
        last = Some(event);
    }
    let last = last.context("there was an event")?;
    ensure!(last.r#type() == EventType::TaskFinished);
    let Some(Data::Task(task)) = last.data else { anyhow::bail!("the last event has no task") };
    ensure!(task.status() == TaskStatus::Completed);
    ensure!(task.result() == "Looked into it: hello there");
    ensure!(text == task.result());
    let made = "task chunk tool_call_request tool_call_result reasoning plan auth sub_agent_trigger other";
    let missing: Vec<&str> = made.split(' ').filter(|kind| !kinds.contains(kind)).collect();
    ensure!(missing.is_empty(), "there was no data of the kinds {missing:?}");
    ensure!(of_tomorrow == BTreeSet::from(["quantum_leap".to_string()]), "types of tomorrow are {of_tomorrow:?}");
    Ok(())
}

async fn one_call_stream() -> Result<()> {
    let request = InvokeStreamRequest { invocation: Some(asking("echo", "hello")), heartbeat: None };
    let mut messages = agents("PLAIN").await?.invoke_stream(soon(request)).await?.into_inner();
    let first = messages.message().await?.and_then(|message| message.item);
    let Some(Item::Task(task)) = first else { anyhow::bail!("the first message is {first:?}, not the task") };
    let mut last = None;
    while let Some(message) = messages.message().await? {
        match message.item {
            Some(Item::Event(event)) => last = Some(event),
            other => anyhow::bail!("a later message is {other:?}, not an event"),
        }
    }
    let last = last.context("there was an event")?;
    ensure!(last.r#type() == EventType::TaskFinished);
    ensure!(
        matches!(&last.data, Some(Data::Task(finished)) if finished.id == task.id),
        "the last event's task is another one"
    );
    Ok(())
}

async fn deadline() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "slow", "").await?;
    let request = within(Duration::from_secs(2), following(&task_id));
    let mut events = agents.stream_events(request).await?.into_inner();
    let mut seen = 0;
    let outcome = loop {
        match next(&mut events).await {
            Ok(Some(_)) => seen += 1,
            other => break other,
        }
    };
    failure(Code::DeadlineExceeded, outcome)?;
    ensure!(seen > 0, "no event came before the deadline");
    stopped(&mut agents, &task_id).await?;
    nobody_answers().await
}

/// Where no answer comes at all, it is tonic that ends the call, and it says CANCELLED.
async fn nobody_answers() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = Endpoint::from_shared(format!("http://{}", silent.local_addr()?))?;
    let mut agents = AgentServiceClient::new(endpoint.connect_lazy());
    let request = within(Duration::from_millis(200), GetTaskRequest { task_id: "some-task".into() });
    let ended = failure(Code::Cancelled, agents.get_task(request).await)?;
    ensure!(ended.text.contains("Timeout expired"), "it says '{}'", ended.text);
    Ok(())
}

/// To drop a stream is to cancel its call: the program sees nothing of it any more, the proxy a caller that has left.
async fn cancel() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "slow", "").await?;
    let before = calls("PLAIN", "StreamEvents", Some("CANCELLED")).await?;
    let mut events = followed(&mut agents, &task_id).await?;
    while next(&mut events).await?.context("the stream has ended")?.r#type() != EventType::Chunk {}
    drop(events);
    until("the proxy has seen the call cancelled", async || {
        Ok(calls("PLAIN", "StreamEvents", Some("CANCELLED")).await? > before)
    })
    .await?;
    ensure!(read(&mut agents, &task_id).await?.status() == TaskStatus::Executing);
    stopped(&mut agents, &task_id).await?;
    Ok(())
}

async fn numbers_in_events() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "tools", "").await?;
    let mut events = followed(&mut agents, &task_id).await?;
    let call = loop {
        let event = next(&mut events).await?.context("there was no tool call")?;
        if let Some(Data::ToolCallRequest(call)) = event.data {
            break call;
        }
    };
    let payload = json::to_json(&call.payload.context("the call has no payload")?);
    ensure!(payload["row"] == json!("9007199254740993"), "row is {}", payload["row"]);
    ensure!(payload["ratio"] == json!(0.25), "ratio is {}", payload["ratio"]);
    Ok(())
}

async fn heartbeat() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "human", "").await?;
    let heartbeat = prost_types::Duration { seconds: 0, nanos: 100_000_000 };
    let request = StreamEventsRequest { heartbeat: Some(heartbeat), ..following(&task_id) };
    let mut events = agents.stream_events(soon(request)).await?.into_inner();
    let mut beats = 0;
    while beats < 3 {
        let event = next(&mut events).await?.context("the stream has ended")?;
        beats += usize::from(event.r#type() == EventType::Heartbeat);
    }
    stopped(&mut agents, &task_id).await?;
    let mut last = None;
    while let Some(event) = next(&mut events).await? {
        last = Some(event);
    }
    ensure!(last.context("nothing came after the stop")?.r#type() == EventType::TaskFinished);
    Ok(())
}

async fn resume() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = streamed(&mut agents, "tools", "").await?;
    let mut ids: Vec<String> = Vec::new();
    let mut left = followed(&mut agents, &task_id).await?;
    while ids.len() < 5 {
        // The handshake of each stream has no id.
        ids.extend(next(&mut left).await?.context("the stream has ended")?.event_id);
    }
    drop(left);
    let request = StreamEventsRequest { last_event_id: ids[4].clone(), ..following(&task_id) };
    let mut rest = agents.stream_events(within(SOON, request)).await?.into_inner();
    while let Some(event) = next(&mut rest).await? {
        ids.extend(event.event_id);
    }
    let expected: Vec<String> = (1..=ids.len()).map(|number| number.to_string()).collect();
    ensure!(ids == expected, "the ids are {ids:?}");
    ensure!(ids.len() > 5, "nothing came after the first five");
    Ok(())
}
