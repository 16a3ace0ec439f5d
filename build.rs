//! Compiles `proto/` with protox: building needs cargo and nothing else.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTOS: [&str; 4] = [
    "xpander/agent/v1/agent_service.proto",
    "xpander/agent/v1/event.proto",
    "xpander/agent/v1/invocation.proto",
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
        // Lists are counted before they are decoded.
        .codec_path("crate::proto::codec::Codec")
        .compile_fds(descriptors)?;
    Ok(())
}
