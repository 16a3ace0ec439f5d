//! The `xpander-grpc-proxy` binary: parse, run, exit code. All else is the library's.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use xpander_grpc_proxy::cli::{self, Cli};

/// A call allocates some two hundred times, which costs less here than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(cli::run(Cli::parse())).await
}
