//! Compiles `proto/` with protox: building needs cargo and nothing else.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTOS: [&str; 6] = [
    "xpander/agent/v1/activity.proto",
    "xpander/agent/v1/agent_service.proto",
    "xpander/agent/v1/event.proto",
    "xpander/agent/v1/invocation.proto",
    "xpander/agent/v1/listing.proto",
    "xpander/agent/v1/task.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
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
