//! Load by h2load: one unary call, as often as wanted, every answer checked.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use prost::Message;
use xpander_grpc_proxy::proto::InvokeRequest;

use crate::{Outcome, process, samples};

/// How much at once.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: u32,
    /// Calls under way on each.
    pub calls: u32,
}

/// What came of it.
pub struct Loaded {
    pub per_second: f64,
    /// Of each call, in microseconds, in order.
    pub latencies: Vec<f64>,
}

/// As in the issue: 8 connections with 16 calls each.
pub const USUAL: Load = Load { connections: 8, calls: 16 };
pub const ONE: Load = Load { connections: 1, calls: 1 };

impl Load {
    fn is_one(self) -> bool {
        self.connections * self.calls == 1
    }
}

/// Writes the body of an Invoke of this agent to a file.
pub fn write_request(file: &Path, agent_id: &str) -> Outcome {
    Ok(fs::write(file, frame(&samples::invoke_request(agent_id)))?)
}

/// A message as gRPC frames it.
pub fn frame(request: &InvokeRequest) -> Vec<u8> {
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], &message].concat()
}

/// The size of an answer to the request in a file, with its frame, as it comes over the wire.
pub async fn answer_size(target: SocketAddr, request: &Path) -> Outcome<usize> {
    let text = load(target, request, ONE, 1).await?;
    Ok(data(&text).filter(|size| *size > 0).ok_or(text)?)
}

/// Calls Invoke so many times with the request in a file. `answer` is the size of every answer with its frame: h2load
/// does not read trailers, but a failed call has no answer, so that its bytes would be missing.
pub async fn run(target: SocketAddr, request: &Path, at_once: Load, count: u32, answer: usize) -> Outcome<Loaded> {
    let text = load(target, request, at_once, count).await?;
    let is_good = between(&text, "status codes: ", " 2xx") == Some(&count.to_string());
    if !is_good || data(&text) != Some(count as usize * answer) {
        return Err(format!("not {count} answers of {answer} bytes:\n{text}").into());
    }
    let per_second = between(&text, "s, ", " req/s").ok_or("no rate")?.parse()?;
    let lines = if at_once.is_one() { fs::read_to_string(log(request))? } else { String::new() };
    let latencies = lines.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok()).collect();
    Ok(Loaded { per_second, latencies })
}

/// What h2load says of so many calls.
async fn load(target: SocketAddr, request: &Path, at_once: Load, count: u32) -> Outcome<String> {
    let mut command = process::here(process::tool("h2load")?);
    let Load { connections, calls } = at_once;
    command.args(["-n", &count.to_string(), "-c", &connections.to_string(), "-m", &calls.to_string()]);
    command.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]).arg(request);
    if at_once.is_one() {
        // It appends.
        let _ = fs::remove_file(log(request));
        command.arg(format!("--log-file={}", log(request).display()));
    }
    command.arg(format!("http://{target}/xpander.agent.v1.AgentService/Invoke")).stdout(Stdio::piped());
    Ok(String::from_utf8(command.output().await?.stdout)?)
}

/// Where the time of each call is written.
fn log(request: &Path) -> PathBuf {
    request.with_extension("log")
}

/// How many bytes of answers have come.
fn data(text: &str) -> Option<usize> {
    between(text, "(", ") data")?.parse().ok()
}

/// What stands between two texts, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let end = text.find(after)?;
    let start = text[..end].rfind(before)? + before.len();
    Some(&text[start..end])
}
