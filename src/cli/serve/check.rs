//! `check`: what `serve` would run with, or what would keep it from starting.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use super::{
    super::{exit::Exit, failure::Failure, output::Output, render::Stream},
    settings,
};
use crate::{
    app,
    config::{self, Flags},
};

/// Where the embedded platform would be: on a port that is free then.
const EMBEDDED: &str = "http://127.0.0.1:0";

/// What `check` takes.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// A settings file, TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check what `serve --sandbox` would run with
    #[arg(long)]
    pub sandbox: bool,
    /// Print the settings as one JSON object, and what is wrong as one on standard error
    #[arg(long, conflicts_with = "reference")]
    pub json: bool,
    /// Print what settings there are, as Markdown, and check none
    #[arg(long, conflicts_with_all = ["config", "sandbox"])]
    pub reference: bool,
}

/// Prints the settings in force, or the reference of all there are.
pub fn check(args: &CheckArgs, output: Output) -> Result<Exit, Failure> {
    let printed = if args.reference { config::reference() } else { in_force(args, output)? };
    io::stdout().write_all(printed.as_bytes())?;
    Ok(Exit::Completed)
}

fn in_force(args: &CheckArgs, output: Output) -> Result<String, Failure> {
    let flags = Flags { sandbox: args.sandbox, is_terminal: Stream::Err.is_terminal(), ..Flags::default() };
    let mut settings = settings::load(args.config.as_deref(), &flags)?;
    if args.sandbox {
        settings::embed(&mut settings, EMBEDDED.to_owned());
    }
    app::check(&settings).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(if output.is_json { format!("{}\n", config::json(&settings)) } else { config::show(&settings) })
}
