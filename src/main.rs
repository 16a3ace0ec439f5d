//! The `xpander-grpc-proxy` binary: parse, run, exit code. All else is the library's.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use xpander_grpc_proxy::cli::{self, Cli};

/// Half the price of the system's: a call allocates some two hundred times.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(cli::run(Cli::parse())).await
}
