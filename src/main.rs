//! The `xpander-grpc-proxy` binary: parse, run, exit code. All else is the library's.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use xpander_grpc_proxy::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(cli::run(Cli::parse())).await
}
