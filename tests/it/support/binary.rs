//! The binary as a process: run to its end, or serving until the test ends it.

use std::{
    collections::HashMap,
    process::{Output, Stdio},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStderr, Command},
};
use tonic::transport::Endpoint;

use super::{live::within, proxy::Client};

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// What it printed, which worked.
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The lines of JSON it printed, which worked.
    pub fn json(self) -> Vec<Value> {
        self.good().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// What kept it from what it was to do, a line each: as text, or as the lines of a JSON log.
    pub fn faults(&self) -> Vec<String> {
        let message = |line: &str| match serde_json::from_str::<Value>(line) {
            Ok(line) => (line["level"] == "ERROR").then(|| line["message"].as_str().expect("a message").to_owned()),
            Err(_) => Some(line.trim_start_matches("error: ").to_owned()),
        };
        self.err.lines().filter_map(message).collect()
    }
}

/// The binary with these arguments and no environment but this.
pub fn binary(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    run_by(&[], arguments, environment)
}

/// The same, run by another program.
pub fn run_by(runner: &[String], arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let binary = env!("CARGO_BIN_EXE_xpander-grpc-proxy").to_owned();
    let (program, before) = match runner {
        [] => (&binary, vec![]),
        [program, rest @ ..] => (program, [rest, std::slice::from_ref(&binary)].concat()),
    };
    let mut command = Command::new(program);
    command.args(before).args(arguments).env_clear().envs(environment.iter().copied()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let ended = within(&arguments.join(" "), binary(arguments, environment).output()).await;
    let Output { status, stdout, stderr } = ended.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// `serve`, on free ports of this machine; killed when it is dropped.
pub struct Serving {
    pub grpc: String,
    pub admin: String,
    child: Child,
    err: BufReader<ChildStderr>,
    /// What was read of its log.
    log: String,
}

impl Serving {
    /// Against the embedded platform.
    pub async fn sandbox(environment: &[(&str, &str)]) -> Self {
        let here = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        Self::start(binary(&here, environment)).await
    }

    /// Against the platform at `base_url`.
    pub async fn before(base_url: &str, environment: &[(&str, &str)]) -> Self {
        Self::run_by(&[], base_url, environment).await
    }

    /// The same, run by another program, which becomes it.
    pub async fn run_by(runner: &[String], base_url: &str, environment: &[(&str, &str)]) -> Self {
        let here = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let platform = [
            ("XPANDER_BASE_URL", base_url),
            ("XPANDER_API_KEY", "key-under-test"),
            ("XPANDER_ORGANIZATION_ID", "org-1"),
            ("XPANDER_PROXY_PLATFORM__RETRIES", "0"),
        ];
        Self::start(run_by(runner, &here, &[&platform, environment].concat())).await
    }

    /// Whatever this runs, which writes the log of a server.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it runs");
        let err = BufReader::new(child.stderr.take().expect("piped"));
        let mut serving = Self { grpc: String::new(), admin: String::new(), child, err, log: String::new() };
        let line = serving.line("serving").await;
        let address = |name: &str| format!("http://{}", line[name].as_str().expect("an address"));
        (serving.grpc, serving.admin) = (address("grpc"), address("admin"));
        serving
    }

    /// The next line of the log that says this.
    pub async fn line(&mut self, message: &str) -> HashMap<String, Value> {
        self.line_with("message", message).await
    }

    /// The next line of the log with this value under this name.
    pub async fn line_with(&mut self, name: &str, value: &str) -> HashMap<String, Value> {
        within(value, async {
            loop {
                let mut line = String::new();
                assert_ne!(self.err.read_line(&mut line).await.expect("UTF-8"), 0, "the log ended without {value}");
                self.log += &line;
                let line: HashMap<String, Value> = serde_json::from_str(&line).expect(&line);
                if line.get(name).is_some_and(|told| told == value) {
                    return line;
                }
            }
        })
        .await
    }

    /// The next line of the log that says this, and all text up to its end that was not read before.
    pub async fn line_after(&mut self, message: &str) -> (HashMap<String, Value>, String) {
        let read = self.log.len();
        let line = self.line(message).await;
        (line, self.log[read..].to_owned())
    }

    /// Its log from here to the first line with this in it.
    pub async fn log_with(mut self, text: &str) -> String {
        within(text, async {
            while !self.log.contains(text) {
                assert_ne!(self.err.read_line(&mut self.log).await.expect("UTF-8"), 0, "the log ended without {text}");
            }
        })
        .await;
        self.log
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(Endpoint::new(self.grpc.clone()).expect("a URL").connect_lazy())
    }

    /// Ends it; its log from the first line to the last.
    pub async fn whole_log(mut self) -> String {
        self.signal("TERM").await;
        within("the end of the log", self.err.read_to_string(&mut self.log)).await.expect("UTF-8");
        self.log
    }

    /// Runs a client command against it.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        run(arguments, &[("XPANDER_GRPC_SERVER", &self.grpc)]).await
    }

    /// Sends a signal, e.g. `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill runs");
        assert!(sent.success());
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits for its end; its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        within("the end of serve", self.child.wait()).await.expect("it ran").code()
    }
}
