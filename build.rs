//! Compiles `proto/` with protox: building needs cargo and nothing else.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message as _;

const PROTOS: [&str; 6] = [
    "xpander/agent/v1/activity.proto",
    "xpander/agent/v1/agent_service.proto",
    "xpander/agent/v1/event.proto",
    "xpander/agent/v1/invocation.proto",
    "xpander/agent/v1/listing.proto",
    "xpander/agent/v1/task.proto",
];

/// What a packager says who builds outside of git.
const COMMIT: &str = "XPANDER_BUILD_COMMIT";

fn main() -> Result<(), Box<dyn Error>> {
    let commit = commit().map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=XPANDER_VERSION={}{commit}", env::var("CARGO_PKG_VERSION")?);
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Free JSON is decoded straight into JSON, with a depth cap of ours.
        .extern_path(".google.protobuf.Struct", "crate::proto::json::Struct")
        .extern_path(".google.protobuf.Value", "crate::proto::json::Value")
        // Prompts, results and tokens never reach a Debug print.
        .skip_debug(["."])
        // What most events do not have is not carried along by all of them.
        .boxed(".xpander.agent.v1.TaskEvent.data.task")
        .boxed(".xpander.agent.v1.TaskEvent.data.tool_call_request")
        .boxed(".xpander.agent.v1.TaskEvent.data.tool_call_result")
        .boxed(".xpander.agent.v1.TaskEvent.data.reasoning")
        .boxed(".xpander.agent.v1.TaskEvent.data.sub_agent_trigger")
        .boxed(".xpander.agent.v1.InvokeStreamResponse.item.task")
        .boxed(".xpander.agent.v1.ActivityEntry.entry.message")
        .boxed(".xpander.agent.v1.ActivityEntry.entry.tool_call")
        .boxed(".xpander.agent.v1.ActivityEntry.entry.reasoning")
        .boxed(".xpander.agent.v1.ActivityEntry.entry.sub_agent_trigger")
        .boxed(".xpander.agent.v1.GetTaskActivityResponse.item.thread")
        .boxed(".xpander.agent.v1.GetTaskActivityResponse.item.entry")
        .boxed(".xpander.agent.v1.InvokeResponse.task")
        .boxed(".xpander.agent.v1.GetTaskResponse.task")
        .boxed(".xpander.agent.v1.WaitTaskResponse.task")
        .boxed(".xpander.agent.v1.StopTaskResponse.task")
        // Lists are counted before they are decoded.
        .codec_path("crate::proto::codec::Codec")
        .compile_fds(descriptors)?;
    Ok(())
}

/// The commit that is built: the variable's, else git's where this is a checkout. Only of what is optimized: whoever
/// develops would build all anew with each commit.
fn commit() -> Option<String> {
    println!("cargo:rerun-if-env-changed={COMMIT}");
    if let Some(commit) = env::var(COMMIT).ok().filter(|commit| !commit.is_empty()) {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_+".contains(letter);
        return commit.chars().all(is_plain).then_some(commit);
    }
    if env::var("PROFILE").ok()? != "release" {
        return None;
    }
    // A checkout of ours, and not one that this folder happens to lie in.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != env::current_dir().ok()?.canonicalize().ok()? {
        return None;
    }
    // It grows with each commit, and with each change of the branch.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).is_file());
    println!("cargo:rerun-if-changed={}", log.as_deref().unwrap_or("build.rs"));
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
