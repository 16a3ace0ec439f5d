//! Errors, read as tonic's users read them, and calls that are wrong on purpose.

use anyhow::{Result, ensure};
use tonic::{Code, Status};

use crate::{
    Scenario,
    api::{GetTaskRequest, InvokeRequest, User},
    failure::failure,
    scenario,
    world::{Agents, agents, asking, created, followed, next, read, soon, stopped, streamed, variable, waited},
};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("error-details", error_details()),
        scenario("limited", limited()),
        scenario("missing-agent", missing_agent()),
        scenario("bad-email", bad_email()),
        scenario("unknown-task", unknown_task()),
        scenario("not-streaming", not_streaming()),
        scenario("closed-stream", closed_stream()),
        scenario("wrong-token", wrong_token()),
    ]
}

/// Follows a task to the end of its stream.
async fn followed_to_its_end(agents: &mut Agents, task_id: &str) -> Result<(), Status> {
    let mut events = followed(agents, task_id).await?;
    while next(&mut events).await?.is_some() {}
    Ok(())
}

async fn error_details() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let limited = failure(Code::ResourceExhausted, created(&mut agents, asking("http-429", "")).await)?;
    ensure!((limited.domain(), limited.reason.as_str()) == ("xpander.ai", "PLATFORM_RATE_LIMITED"));
    ensure!(limited.metadata("http_status") == "429");
    ensure!(limited.metadata("outcome") == "not_created");
    ensure!(limited.retry_seconds() == Some(2));
    let refused = failure(Code::InvalidArgument, created(&mut agents, asking("http-422", "")).await)?;
    ensure!(refused.fields() == ["prompt"]);
    Ok(())
}

async fn limited() -> Result<()> {
    let mut agents = agents("LIMITED").await?;
    let mut outcome = created(&mut agents, asking("echo", "")).await;
    if outcome.is_ok() {
        outcome = created(&mut agents, asking("echo", "")).await;
    }
    let refused = failure(Code::ResourceExhausted, outcome)?;
    ensure!(refused.reason == "CALLER_LIMITED");
    ensure!(refused.limits() == ["limits.creates_per_second"]);
    ensure!(refused.metadata("outcome") == "not_created");
    ensure!(refused.retry_seconds().is_some_and(|wait| (1..=100).contains(&wait)));
    Ok(())
}

async fn missing_agent() -> Result<()> {
    let mut nowhere = agents("UNREACHABLE").await?;
    let nameless = failure(Code::InvalidArgument, created(&mut nowhere, asking("", "hello")).await)?;
    ensure!(nameless.fields() == ["agent_id"]);
    ensure!(nameless.text.contains("agent_id"), "'{}' does not name the field", nameless.text);
    let mut agents = agents("PLAIN").await?;
    let unknown = failure(Code::NotFound, created(&mut agents, asking("nobody", "")).await)?;
    ensure!(unknown.metadata("agent_id") == "nobody");
    Ok(())
}

async fn bad_email() -> Result<()> {
    let request = InvokeRequest {
        user_details: Some(User { first_name: Some("Ann".into()), ..Default::default() }),
        file_urls: vec!["not a URL".into()],
        ..asking("echo", "")
    };
    let wrong = failure(Code::InvalidArgument, created(&mut agents("PLAIN").await?, request).await)?;
    ensure!(wrong.fields() == ["file_urls[0]", "user_details.email"]);
    for field in wrong.fields() {
        ensure!(wrong.text.contains(field), "'{}' does not name {field}", wrong.text);
    }
    Ok(())
}

async fn unknown_task() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let failures = [
        failure(Code::NotFound, read(&mut agents, "nope").await)?,
        failure(Code::NotFound, waited(&mut agents, "nope").await)?,
        failure(Code::NotFound, stopped(&mut agents, "nope").await)?,
        failure(Code::NotFound, followed_to_its_end(&mut agents, "nope").await)?,
    ];
    for unknown in failures {
        ensure!(unknown.reason == "PLATFORM_NOT_FOUND");
        ensure!(unknown.metadata("task_id") == "nope");
    }
    Ok(())
}

async fn not_streaming() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let task_id = created(&mut agents, asking("slow", "")).await?.id;
    let silent = failure(Code::FailedPrecondition, followed_to_its_end(&mut agents, &task_id).await)?;
    stopped(&mut agents, &task_id).await?;
    ensure!(silent.reason == "TASK_NOT_STREAMING");
    ensure!(silent.metadata("task_id") == task_id);
    Ok(())
}

/// The compiler refuses to read a stream or to call on a channel that were dropped. What is left is a reader that is
/// aborted from elsewhere, and a stream that has ended.
async fn closed_stream() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let slow = streamed(&mut agents, "slow", "").await?;
    let mut events = followed(&mut agents, &slow).await?;
    next(&mut events).await?;
    let reader = tokio::spawn(async move { while let Ok(Some(_)) = next(&mut events).await {} });
    reader.abort();
    let aborted = reader.await;
    ensure!(aborted.as_ref().is_err_and(tokio::task::JoinError::is_cancelled), "the reader ended with {aborted:?}");
    stopped(&mut agents, &slow).await?;

    let echo = streamed(&mut agents, "echo", "hello").await?;
    let mut events = followed(&mut agents, &echo).await?;
    while next(&mut events).await?.is_some() {}
    for _ in 0..2 {
        ensure!(next(&mut events).await?.is_none(), "there was an event after the end");
    }
    Ok(())
}

async fn wrong_token() -> Result<()> {
    let mut agents = agents("TOKENS").await?;
    let mut asked = async |authorization: Option<String>| -> Result<_> {
        let mut request = soon(GetTaskRequest { task_id: "nope".into() });
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse()?);
        }
        Ok(agents.get_task(request).await)
    };
    failure(Code::NotFound, asked(Some(format!("Bearer {}", variable("TOKEN")))).await?)?;
    for wrong in [None, Some("Bearer wrong-token".into())] {
        let refused = failure(Code::Unauthenticated, asked(wrong).await?)?;
        ensure!(refused.reason == "CALLER_UNAUTHENTICATED");
        ensure!(!refused.text.contains("wrong-token"), "'{}' repeats the token", refused.text);
    }
    Ok(())
}
