//! The flags that every client command has.

use std::{
    env,
    ffi::{OsStr, OsString},
    time::Duration,
};

use super::{super::args::duration, security::Security};

const SERVER: &str = "XPANDER_GRPC_SERVER";
const DEFAULT: &str = "http://127.0.0.1:50051";

/// Which proxy to call, and how to print its answer.
#[derive(clap::Args)]
#[command(next_help_heading = "The proxy")]
pub struct Connection {
    /// The running proxy; https:// for TLS
    #[arg(long, value_name = "URL", env = SERVER, hide_env_values = true, default_value = DEFAULT)]
    pub server: OsString,
    /// Deadline of each call, e.g. 500ms, 30s or 2m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Print each message of the proxy as one line of proto JSON, and a failure as one JSON object on standard error
    #[arg(long)]
    pub json: bool,
    /// TLS and credentials.
    #[command(flatten)]
    pub security: Security,
}

impl Connection {
    /// The program and a subcommand with the flags that this command was given, for a shell: what the environment says
    /// need not be said again.
    pub fn command(&self, subcommand: &[&str]) -> String {
        let program = env::args_os().next().unwrap_or_else(|| env!("CARGO_PKG_NAME").into());
        let server = Some(self.server.as_os_str()).filter(|server| *server != DEFAULT || env::var_os(SERVER).is_some());
        let of_server = ("--server", SERVER, server);
        let flags = [of_server].into_iter().chain(self.security.flags()).filter_map(|(flag, variable, value)| {
            let value = value.filter(|value| env::var_os(variable).is_none_or(|known| known != *value))?;
            Some([flag.to_owned(), word(value)])
        });
        let words = subcommand.iter().map(|part| word(OsStr::new(part))).chain(flags.flatten());
        [word(&program)].into_iter().chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell takes it: what comes from elsewhere is no command of its own.
fn word(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.,:/@%+=".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_elsewhere_stays_one_word() {
        for (text, written) in [
            ("01a20af0-6393", "01a20af0-6393"),
            ("https://[::1]:1", "'https://[::1]:1'"),
            ("x; rm -rf ~", "'x; rm -rf ~'"),
            ("$(id)'`id`", r"'$(id)'\''`id`'"),
            ("", "''"),
        ] {
            assert_eq!(word(OsStr::new(text)), written);
        }
    }

    #[test]
    fn a_command_is_repeated_with_the_flags_that_matter() {
        let security = Security { ca_file: Some("my ca.pem".into()), ..Security::default() };
        let connection = Connection { server: "https://p:1".into(), timeout: None, json: true, security };
        let command = connection.command(&["events", "t1", "--after", "51"]);
        assert!(command.ends_with(" events t1 --after 51 --server https://p:1 --ca-file 'my ca.pem'"), "{command}");
    }
}
