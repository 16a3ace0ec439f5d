//! The service config that is shipped. tonic reads none: this is what it asks for, in a few lines of one's own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use backon::{ExponentialBuilder, Retryable};
use serde_json::Value as Json;
use tonic::{Code, Status, transport::Channel};

use crate::{
    Scenario,
    api::{InvokeStreamRequest, agent_service_client::AgentServiceClient},
    failure::failure,
    scenario,
    world::{agents, asking, calls, content, created, endpoint, followed, next, read, soon, stopped, until, waited},
};

pub fn scenarios() -> Vec<Scenario> {
    vec![scenario("service-config-retries", retries()), scenario("service-config-replicas", both_replicas())]
}

/// How often, and after which waits, a call may be sent again by the service config.
struct RetryPolicy {
    waits: Option<ExponentialBuilder>,
}

impl RetryPolicy {
    fn of(method: &str) -> Result<Self> {
        let config: Json = serde_json::from_str(&content("SERVICE_CONFIG")?)?;
        let is_named = |entry: &&Json| {
            entry["name"].as_array().is_some_and(|names| names.iter().any(|name| name["method"] == method))
        };
        let entry = config["methodConfig"].as_array().context("methodConfig")?.iter().find(is_named);
        let Some(policy) = entry.and_then(|entry| entry.get("retryPolicy")) else { return Ok(Self { waits: None }) };
        let attempts = policy["maxAttempts"].as_u64().context("maxAttempts")?;
        let waits = ExponentialBuilder::default()
            .with_min_delay(seconds(&policy["initialBackoff"])?)
            .with_max_delay(seconds(&policy["maxBackoff"])?)
            .with_factor(policy["backoffMultiplier"].as_f64().context("backoffMultiplier")? as f32)
            .with_max_times(usize::try_from(attempts)? - 1)
            .with_jitter();
        Ok(Self { waits: Some(waits) })
    }

    /// Makes the call, and makes it again while it fails with UNAVAILABLE and the proxy does not forbid it.
    async fn apply<T, Call: Future<Output = Result<T, Status>>>(
        &self,
        call: impl FnMut() -> Call,
    ) -> Result<T, Status> {
        let waits = self.waits.unwrap_or(ExponentialBuilder::default().with_max_times(0));
        call.retry(waits).when(may_be_sent_again).await
    }
}

fn may_be_sent_again(status: &Status) -> bool {
    status.code() == Code::Unavailable
        && status.metadata().get("grpc-retry-pushback-ms").is_none_or(|pushback| pushback != "-1")
}

fn seconds(duration: &Json) -> Result<Duration> {
    let text = duration.as_str().and_then(|text| text.strip_suffix('s')).context("a duration")?;
    Ok(Duration::from_secs_f64(text.parse()?))
}

async fn retries() -> Result<()> {
    let agents = agents("UNREACHABLE").await?;
    for (method, expected) in
        [("GetTask", 4), ("WaitTask", 4), ("StreamEvents", 4), ("Invoke", 1), ("InvokeStream", 1), ("StopTask", 1)]
    {
        let before = calls("UNREACHABLE", method, None).await?;
        let policy = RetryPolicy::of(method)?;
        let outcome = policy
            .apply(|| {
                let mut agents = agents.clone();
                async move {
                    match method {
                        "GetTask" => read(&mut agents, "some-task").await.map(drop),
                        "WaitTask" => waited(&mut agents, "some-task").await.map(drop),
                        "StreamEvents" => next(&mut followed(&mut agents, "some-task").await?).await.map(drop),
                        "Invoke" => created(&mut agents, asking("echo", "")).await.map(drop),
                        "InvokeStream" => {
                            let request = InvokeStreamRequest { invocation: Some(asking("echo", "")), heartbeat: None };
                            agents.invoke_stream(soon(request)).await?.into_inner().message().await.map(drop)
                        }
                        _ => stopped(&mut agents, "some-task").await.map(drop),
                    }
                }
            })
            .await;
        let failed = failure(Code::Unavailable, outcome).context(method)?;
        ensure!(failed.reason == "PLATFORM_UNREACHABLE");
        until("the calls are counted", async || Ok(calls("UNREACHABLE", method, None).await? - before >= expected))
            .await?;
        let sent = calls("UNREACHABLE", method, None).await? - before;
        ensure!(sent == expected, "{method} was sent {sent} times, not {expected}");
    }
    Ok(())
}

async fn both_replicas() -> Result<()> {
    let servers = ["REPLICA1", "REPLICA2"];
    let mut agents = AgentServiceClient::new(Channel::balance_list(servers.map(endpoint).into_iter()));
    let before = [calls(servers[0], "GetTask", None).await?, calls(servers[1], "GetTask", None).await?];
    until("both replicas have answered", async || {
        failure(Code::NotFound, read(&mut agents, "nope").await)?;
        let now = [calls(servers[0], "GetTask", None).await?, calls(servers[1], "GetTask", None).await?];
        Ok(now[0] > before[0] && now[1] > before[1])
    })
    .await
}
