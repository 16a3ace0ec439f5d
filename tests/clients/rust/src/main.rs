//! Runs the scenarios of ../README.md, or those that are named, and prints a line for each.

mod balancing;
mod connecting;
mod failing;
mod failure;
mod finding;
mod following;
mod invoking;
mod json;
mod once;
mod world;

use std::{env, pin::Pin, process::ExitCode};

/// What is generated from the proxy's protos.
pub mod api {
    #![allow(clippy::all)]
    tonic::include_proto!("xpander.agent.v1");
}

type Scenario = (&'static str, Pin<Box<dyn Future<Output = anyhow::Result<()>>>>);

fn scenario(id: &'static str, run: impl Future<Output = anyhow::Result<()>> + 'static) -> Scenario {
    (id, Box::pin(run))
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked_for: Vec<String> = env::args().skip(1).collect();
    let mut failed = false;
    let all = [
        invoking::scenarios(),
        following::scenarios(),
        connecting::scenarios(),
        failing::scenarios(),
        finding::scenarios(),
        balancing::scenarios(),
        once::scenarios(),
    ];
    for (id, run) in all.into_iter().flatten() {
        if !asked_for.is_empty() && !asked_for.iter().any(|name| name == id) {
            continue;
        }
        match run.await {
            Ok(()) => println!("ok {id}"),
            Err(why) => {
                failed = true;
                let why: Vec<String> = format!("{why:#}").split_whitespace().map(String::from).collect();
                println!("FAILED {id}: {}", why.join(" "));
            }
        }
    }
    ExitCode::from(u8::from(failed))
}
