//! The command line: its subcommands, what they print and how they exit. What they do is elsewhere: in the library for
//! the commands that serve, in the running proxy for those that are its client.
//!
//! Exit codes: 0 it worked; 1 the call failed, or the task that was followed or waited for did; 2 wrong usage.

mod args;
mod descriptors;
mod failure;
mod health;
mod invocation;
mod invoke;
mod lists;
pub mod proto_json;
mod proxy;
pub mod render;
mod security;
mod serve;
mod tasks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::{failure::Outcome, render::Look};

/// The command line.
#[derive(Parser)]
#[command(name = "xpander-grpc-proxy", version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Whether the command serves until it is told to stop.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(self.command, Command::Serve(_) | Command::Sandbox(_))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the proxy
    Serve(serve::ServeArgs),
    /// Show the whole job in one process: sandbox, proxy, a client and its events
    Demo,
    /// Run the embedded platform alone
    Sandbox(serve::SandboxArgs),
    /// Load the settings and print what is in force, secrets hidden
    Check(serve::CheckArgs),
    /// Invoke an agent, through a running proxy
    Invoke(Box<invoke::InvokeArgs>),
    /// Follow a task's events to its end
    Events(tasks::EventsArgs),
    /// Print a task as it is now
    Get(tasks::GetArgs),
    /// Wait until a task is over or waits for a person
    Wait(tasks::WaitArgs),
    /// Stop a running task
    Stop(tasks::StopArgs),
    /// List the agents that may be invoked
    Agents(lists::AgentsArgs),
    /// List tasks of an agent or of a user, the newest first
    Tasks(lists::TasksArgs),
    /// Print what happened in a task so far
    Activity(lists::ActivityArgs),
    /// Ask a running proxy whether it serves
    Health(health::HealthArgs),
}

/// Runs a command; prints what went wrong to standard error.
pub async fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Demo => Box::pin(serve::demo()).await,
        Command::Sandbox(args) => serve::sandbox(args).await,
        Command::Check(args) => serve::check(args),
        Command::Invoke(args) => Box::pin(invoke::invoke(*args)).await,
        Command::Events(args) => tasks::events(args).await,
        Command::Get(args) => tasks::get(args).await,
        Command::Wait(args) => tasks::wait(args).await,
        Command::Stop(args) => tasks::stop(args).await,
        Command::Agents(args) => lists::agents(args).await,
        Command::Tasks(args) => lists::tasks(args).await,
        Command::Activity(args) => lists::activity(args).await,
        Command::Health(args) => health::health(args).await,
    };
    match result {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::FAILURE,
        Err(failure) => {
            let stderr = std::io::stderr();
            // Nobody is left to be told when standard error is closed as well.
            let _ = failure.write(&mut &stderr, Look::of(&stderr));
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn usage(line: &str) -> Result<(), clap::error::ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map(drop).map_err(|e| e.kind())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_there() {
        for line in [
            "x serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --config f.toml --sandbox --log-format text",
            "x demo",
            "x sandbox --listen 127.0.0.1:0",
            "x check --config f.toml --sandbox",
            "x invoke hello --agent a --stream",
            "x events t --after 7 --heartbeat 10s",
            "x get t --json",
            "x wait t --for 30s --timeout 1m",
            "x stop t --server localhost:1",
            "x agents --limit 3",
            "x tasks --agent a --user u --status failed --json --results",
            "x activity t",
            "x health --service xpander.agent.v1.AgentService",
            "x get t --server https://p --ca-file c --cert-file c --key-file k --server-name n --token-file t",
        ] {
            assert_eq!(usage(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn an_invocation_needs_a_prompt_or_a_request() {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument};
        assert_eq!(usage("x invoke"), Err(MissingRequiredArgument));
        assert_eq!(usage("x invoke --request {}"), Ok(()));
        assert_eq!(usage("x invoke p --stream --wait"), Err(ArgumentConflict));
    }

    #[test]
    fn no_list_is_asked_for_without_a_row() {
        for command in ["agents", "tasks"] {
            assert_eq!(
                usage(&format!("x {command} --limit 0")),
                Err(clap::error::ErrorKind::ValueValidation),
                "{command}"
            );
        }
    }

    #[test]
    fn a_certificate_and_its_key_come_together() {
        use clap::error::ErrorKind::MissingRequiredArgument;
        for flag in ["--cert-file", "--key-file"] {
            assert_eq!(usage(&format!("x get t --server https://p {flag} f")), Err(MissingRequiredArgument), "{flag}");
        }
    }
}
