//! Generates the client from the proxy's protos.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["xpander/agent/v1/agent_service.proto"], ["../../proto"])?;
    tonic_prost_build::configure().build_server(false).compile_fds(descriptors)?;
    Ok(())
}
