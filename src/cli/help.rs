//! What the commands say of themselves: groups, examples and exit codes in `--help`, completions for shells, pages of the
//! manual.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::Path,
};

use clap::{ColorChoice, Command};
use clap_complete::Shell;

use super::{exit::Exit, failure::Failure};

/// The commands under their headings.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Serve", &["serve", "demo", "sandbox", "check"]),
    ("Invoke and follow", &["invoke", "events", "get", "wait", "stop"]),
    ("Find again", &["agents", "tasks", "activity"]),
    ("Around it", &["health", "completions", "help"]),
];

/// An example of each command.
const EXAMPLES: [(&str, &str); 14] = [
    ("serve", "serve --config proxy.toml"),
    ("demo", "demo"),
    ("sandbox", "sandbox --listen 127.0.0.1:9016"),
    ("check", "check --config proxy.toml"),
    ("invoke", "invoke 'Compare the two reports' --agent tools --stream"),
    ("events", "events 01a20af0-6393-77a9-922d-d4f51ef9ba70 --after 51"),
    ("get", "get 01a20af0-6393-77a9-922d-d4f51ef9ba70"),
    ("wait", "wait 01a20af0-6393-77a9-922d-d4f51ef9ba70 --for 30s"),
    ("stop", "stop 01a20af0-6393-77a9-922d-d4f51ef9ba70"),
    ("agents", "agents --limit 20"),
    ("tasks", "tasks --agent tools --status failed --limit 5"),
    ("activity", "activity 01a20af0-6393-77a9-922d-d4f51ef9ba70"),
    ("health", "health --server https://proxy.example.com"),
    ("completions", "completions bash >xpander-grpc-proxy.bash"),
];

/// The commands whose exit code says how a task is.
const OF_A_TASK: [&str; 3] = ["invoke", "events", "wait"];

const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n\n{groups}\n\nOptions:\n{options}{after-help}";

/// The commands as people see them, in colour as the arguments wish.
pub fn dressed(command: Command, arguments: impl Iterator<Item = OsString>) -> Command {
    let command = described(command.color(colour(arguments)));
    let groups = groups(&command);
    command.help_template(TEMPLATE.replace("{groups}", &groups))
}

/// What completes the commands in a shell.
pub fn completions(shell: Shell, command: Command) -> Result<Exit, Failure> {
    let (mut command, mut script) = (described(command), Vec::new());
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Completed)
}

/// A page of the manual for each command, into a folder.
pub fn manual(folder: &Path, command: Command) -> Result<Exit, Failure> {
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(described(command), folder));
    written.map_err(|error| Failure::Usage(format!("{}: {error}", folder.display())))?;
    Ok(Exit::Completed)
}

/// With an example and, where they say how a task is, the exit codes.
fn described(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let after = |example: &str, codes: bool| {
        let codes = if codes { format!("\n\n{}", Exit::table()) } else { String::new() };
        format!("Example:\n  {name} {example}{codes}")
    };
    let described = EXAMPLES.iter().fold(command, |command, (name, example)| {
        command.mut_subcommand(name, |command| command.after_help(after(example, OF_A_TASK.contains(name))))
    });
    described.after_help(after("demo", true))
}

/// Each heading with its commands, which clap itself lists and wraps.
fn groups(command: &Command) -> String {
    let mut whole = command.clone();
    whole.build();
    let group = |(heading, names): &(&str, &[&str])| {
        let subcommands = whole.get_subcommands().filter(|command| names.contains(&command.get_name())).cloned();
        let mut group = Command::new("group").disable_help_subcommand(true).help_template("{subcommands}");
        group = group.styles(whole.get_styles().clone()).subcommands(subcommands);
        let styles = whole.get_styles().get_header();
        format!("{styles}{heading}:{styles:#}\n{}", group.render_help().ansi().to_string().trim_end())
    };
    GROUPS.iter().map(group).collect::<Vec<_>>().join("\n\n")
}

/// What `--color` says, before anything is parsed: help and errors come without.
fn colour(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let mut words = arguments.filter_map(|argument| argument.into_string().ok()).take_while(|word| word != "--");
    let mut choice = ColorChoice::Auto;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('=').map(ToOwned::to_owned),
            None => None,
        };
        choice = value.and_then(|value| value.parse().ok()).unwrap_or(choice);
    }
    choice
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{super::Cli, *};

    #[test]
    fn every_command_has_a_heading_and_an_example_that_is_right() {
        let mut command = Cli::command();
        command.build();
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name);
        for name in shown {
            let headings = GROUPS.iter().filter(|(_, names)| names.contains(&name)).count();
            assert_eq!(headings, 1, "{name}");
            assert!(name == "help" || EXAMPLES.iter().any(|(known, _)| *known == name), "{name}");
        }
        for (name, example) in EXAMPLES {
            let words = example.split(" >").next().unwrap_or_default().replace("'Compare the two reports'", "prompt");
            let line = format!("x {words}");
            assert!(Cli::try_parse_from(line.split(' ')).is_ok() && example.starts_with(name), "{example}");
        }
    }

    #[test]
    fn colour_is_chosen_before_anything_is_parsed() {
        let chosen = |line: &str| colour(line.split(' ').map(OsString::from));
        assert_eq!(chosen("x --color never --help"), ColorChoice::Never);
        assert_eq!(chosen("x get --color=always"), ColorChoice::Always);
        assert_eq!(chosen("x invoke -- --color=always"), ColorChoice::Auto);
        assert_eq!(chosen("x --colour never"), ColorChoice::Auto);
    }
}
