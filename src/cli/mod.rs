//! The command line: its subcommands, what they print and how they exit. What they do is elsewhere: in the library for
//! the commands that serve, in the running proxy for those that are its client.
//!
//! A call's way: `help` parses, [`run`] picks the command, `client` connects, `follow` reads on, `output` prints, and a
//! failure is `told`. The exit codes are one table, [`Exit`].

mod args;
mod client;
mod exit;
mod failure;
mod follow;
mod health;
mod help;
mod invocation;
mod invoke;
mod lists;
mod output;
pub mod proto_json;
pub mod render;
mod serve;
mod tasks;
mod told;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use self::exit::Exit;
use self::{
    failure::Failure,
    output::Output,
    render::{ColourChoice, Look, Stream},
};
use crate::config::LogFormat;

/// The command line.
#[derive(Parser)]
#[command(name = "xpander-grpc-proxy", version = env!("XPANDER_VERSION"), about, long_about = None)]
pub struct Cli {
    /// Whether there is colour: always, never, or auto, on a terminal and without `NO_COLOR`
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_possible_values = true)]
    color: ColourChoice,
    #[command(subcommand)]
    command: Command,
}

/// How a failure is told.
enum Manner {
    Text,
    Json,
    Log,
}

impl Cli {
    /// Reads the command line; ends the process where it is wrong, or asks for help.
    #[must_use]
    pub fn read() -> Self {
        let mut command = help::dressed(Self::command(), std::env::args_os());
        let wrong = match command.try_get_matches_from_mut(std::env::args_os()) {
            Ok(matches) => match Self::from_arg_matches(&matches) {
                Ok(cli) => return cli,
                Err(wrong) => wrong.format(&mut command),
            },
            Err(wrong) => wrong,
        };
        if wrong.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
            let words = wrong.render().to_string();
            let failure = Failure::Usage(words.trim_start_matches("error: ").trim_end().to_owned());
            let _ = writeln!(io::stderr(), "{}", told::json(&failure));
            std::process::exit(Exit::Usage.row().0.into());
        }
        wrong.exit()
    }

    /// Whether the command serves until it is told to stop.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(self.command, Command::Serve(_) | Command::Sandbox(_))
    }

    fn output(&self) -> Output {
        let is_json = matches!(self.command.manner(), Manner::Json);
        let look = |stream| Look::of(stream, self.color);
        Output { is_json, look: look(Stream::Out), aside: look(Stream::Err) }
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
    /// Load the settings and print what is in force, secrets hidden, or what would keep `serve` from starting
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
    /// Print what completes these commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a page of the manual for each command
    #[command(hide = true)]
    Man {
        /// The folder for them, which is made where there is none
        folder: PathBuf,
    },
}

impl Command {
    fn manner(&self) -> Manner {
        let is_json = match self {
            Self::Serve(args) => {
                let is_json = serve::log_format(args.config.as_deref(), &args.flags()) == LogFormat::Json;
                return if is_json { Manner::Log } else { Manner::Text };
            }
            Self::Check(args) => args.json,
            Self::Invoke(args) => args.connection.json,
            Self::Events(args) => args.connection.json,
            Self::Get(args) => args.connection.json,
            Self::Wait(args) => args.connection.json,
            Self::Stop(args) => args.connection.json,
            Self::Agents(args) => args.connection.json,
            Self::Tasks(args) => args.connection.json,
            Self::Activity(args) => args.connection.json,
            Self::Health(args) => args.connection.json,
            Self::Demo | Self::Sandbox(_) | Self::Completions { .. } | Self::Man { .. } => false,
        };
        if is_json { Manner::Json } else { Manner::Text }
    }
}

/// Runs a command; prints what went wrong to standard error.
pub async fn run(cli: Cli) -> ExitCode {
    let (output, manner) = (cli.output(), cli.command.manner());
    let result = match cli.command {
        Command::Serve(args) => serve::serve(args, output).await,
        Command::Demo => Box::pin(serve::demo(output)).await,
        Command::Sandbox(args) => serve::sandbox(args).await,
        Command::Check(args) => serve::check(&args, output),
        Command::Invoke(args) => Box::pin(invoke::invoke(*args, output)).await,
        Command::Events(args) => tasks::events(args, output).await,
        Command::Get(args) => tasks::get(args, output).await,
        Command::Wait(args) => tasks::wait(args, output).await,
        Command::Stop(args) => tasks::stop(args, output).await,
        Command::Agents(args) => lists::agents(args, output).await,
        Command::Tasks(args) => lists::tasks(args, output).await,
        Command::Activity(args) => lists::activity(args, output).await,
        Command::Health(args) => health::health(args, output).await,
        Command::Completions { shell } => help::completions(shell, Cli::command()),
        Command::Man { folder } => help::manual(&folder, Cli::command()),
    };
    let exit = result.unwrap_or_else(|failure| {
        let mut stderr = io::stderr();
        // Nobody is left to be told when standard error is closed as well.
        let _ = match manner {
            _ if failure.exit() == Exit::Completed => Ok(()),
            Manner::Text => told::text(&failure, &mut stderr, output.aside),
            Manner::Json => writeln!(stderr, "{}", told::json(&failure)),
            Manner::Log => write!(stderr, "{}", told::log(&failure)),
        };
        failure.exit()
    });
    exit.into()
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
            "x check --json --color never",
            "x completions bash",
            "x invoke p --stream --no-resume --color always",
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
