//! One task for each idempotency key, however many calls it takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    Scenario,
    api::{InvokeRequest, Task},
    failure::failure,
    scenario,
    world::{Agents, agents, asking, created},
};

pub fn scenarios() -> Vec<Scenario> {
    vec![scenario("request-id", request_id())]
}

async fn once(agents: &mut Agents, request: &InvokeRequest, mut attempts: u32) -> Result<Task, Status> {
    loop {
        let status = match created(agents, request.clone()).await {
            Ok(task) => return Ok(task),
            Err(status) => status,
        };
        attempts -= 1;
        match pause(&status) {
            Some(wait) if attempts > 0 => tokio::time::sleep(wait).await,
            _ => return Err(status),
        }
    }
}

fn pause(status: &Status) -> Option<Duration> {
    let (details, second) = (status.get_error_details(), Duration::from_secs(1));
    let outcome = details.error_info().and_then(|info| info.metadata.get("outcome"));
    match outcome.map(String::as_str) {
        Some("not_created") => match details.retry_info().and_then(|retry| retry.retry_delay) {
            None => (status.code() == Code::Unavailable).then_some(second),
            wait => wait,
        },
        Some("unknown") => None,
        // There may be a task: the same id finds it with one replica or a store that all share, else makes a second.
        _ => Some(second),
    }
}

async fn request_id() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let request = InvokeRequest { request_id: Uuid::new_v4().to_string(), ..asking("echo", "hello") };
    let task = once(&mut agents, &request, 5).await?;
    ensure!(once(&mut agents, &request, 5).await?.id == task.id, "a repeat has another task");
    let other = InvokeRequest { prompt: "other".into(), ..request };
    let refused = failure(Code::InvalidArgument, once(&mut agents, &other, 5).await)?;
    ensure!(refused.fields() == ["request_id"]);
    let limited = InvokeRequest { request_id: Uuid::new_v4().to_string(), ..asking("http-429", "") };
    let begun = Instant::now();
    failure(Code::ResourceExhausted, once(&mut agents, &limited, 2).await)?;
    ensure!(begun.elapsed() >= Duration::from_secs(2), "it has not waited as RetryInfo says");
    Ok(())
}
