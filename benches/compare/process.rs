//! The processes of a comparison: on which cores they run, where they listen, and what they cost, as the kernel counts it.

use std::{
    collections::{BTreeSet, HashMap},
    env,
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
};

use serde_json::Value;
use tokio::{
    io::{self, AsyncBufReadExt as _, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::Outcome;

/// The kernel's unit of processor time, fixed for user space at a hundredth of a second; in microseconds.
const TICK: f64 = 10_000.0;

/// Where what is measured runs: one core of its own; and where everything else runs.
pub const MEASURED: &str = "0";

/// What puts a process on its cores.
const TASKSET: &str = "/usr/bin/taskset";

/// A process that listens; killed when it is dropped.
pub struct Running {
    pub address: SocketAddr,
    pub id: u32,
    _child: Child,
}

/// A thread of a process, and its times in microseconds.
pub struct Thread {
    pub name: String,
    pub ran: f64,
    /// For a core, while it was ready to run.
    pub waited: f64,
}

/// The cores for load and platform, and for this process.
pub fn other_cores() -> Outcome<String> {
    match thread::available_parallelism()?.get() {
        1 => Err("one core is not enough: what is measured needs one of its own".into()),
        2 => Ok("1".to_owned()),
        cores => Ok(format!("2-{}", cores - 1)),
    }
}

/// A command without an environment, on the cores of this process.
pub fn here(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The same on these cores. `taskset` becomes the command, so that it keeps its process id.
pub fn on_cores(cores: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = here(TASKSET);
    command.args(["-c", cores]).arg(program);
    command
}

/// A free port of this machine for a part of the comparison, told to the process that started it.
pub async fn listen() -> Outcome<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{{\"message\": \"serving\", \"grpc\": \"{}\"}}", listener.local_addr()?);
    Ok(listener)
}

/// A port that was free just now, for programs that do not tell which one they took.
pub async fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?.port())
}

/// A program of `target/tools/bin`.
pub fn tool(name: &str) -> Outcome<PathBuf> {
    installed(&format!("bin/{name}"), ".ci/tools")
}

/// Starts it; says of which program it is where it cannot be started.
pub fn spawn(command: &mut Command) -> Outcome<Child> {
    let spawned = command.spawn();
    spawned.map_err(|error| format!("{}: {error}", command.as_std().get_program().display()).into())
}

/// Finds all that is missing of these tools, before anything is measured.
pub fn check(tools: &BTreeSet<&str>) -> Outcome {
    let mut missing: Vec<String> = tools.iter().filter_map(|name| Some(tool(name).err()?.to_string())).collect();
    if !Path::new(TASKSET).is_file() {
        missing.push(format!("there is no {TASKSET}: it is of util-linux, which apt-get installs"));
    }
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\ncompare: ").into()) }
}

/// A file in `target/tools`, where this command puts it.
pub fn installed(file: &str, by: &str) -> Outcome<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(file);
    if file.is_file() { Ok(file) } else { Err(format!("there is no {}: run {by}", file.display()).into()) }
}

impl Running {
    /// This binary again, as one of its parts.
    pub async fn part(cores: Option<&str>, arguments: &[&str]) -> Outcome<Self> {
        let this = env::current_exe()?;
        let mut command = cores.map_or_else(|| here(&this), |cores| on_cores(cores, &this));
        command.arg("--part").args(arguments);
        Self::told(command).await
    }

    /// What says on its standard output where it listens.
    pub async fn told(mut command: Command) -> Outcome<Self> {
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))?;
        let out = child.stdout.take().ok_or("no output")?;
        Self::once_serving(child, out).await
    }

    /// The proxy; its log goes through a pipe that is read, as a container's does.
    pub async fn proxy(mut command: Command) -> Outcome<Self> {
        let mut child = spawn(command.stderr(Stdio::piped()))?;
        let log = child.stderr.take().ok_or("no log")?;
        Self::once_serving(child, log).await
    }

    /// A process that listens here, or will.
    pub fn new(child: Child, address: SocketAddr) -> Outcome<Self> {
        let id = child.id().ok_or("it ended at once")?;
        Ok(Self { address, id, _child: child })
    }

    /// Waits for the line that says where it listens; what follows is read and thrown away.
    async fn once_serving(child: Child, lines: impl AsyncRead + Unpin + Send + 'static) -> Outcome<Self> {
        let mut lines = BufReader::new(lines);
        let address = loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await? == 0 {
                return Err("a process ended before it served".into());
            }
            let line: Value = serde_json::from_str(&line).map_err(|_| line)?;
            if line["message"] == "serving" {
                break line["grpc"].as_str().unwrap_or_default().parse()?;
            }
        };
        tokio::spawn(async move { io::copy(&mut lines, &mut io::sink()).await });
        Self::new(child, address)
    }

    /// The processor time it has used, in user space and in the kernel; in microseconds.
    pub fn cpu(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        // utime and stime, the 14th and 15th field; the second is a name in parentheses that may hold anything.
        let fields = stat.rsplit_once(')').ok_or("no stat")?.1;
        let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        match (times.next(), times.next()) {
            (Some(user), Some(system)) => Ok(TICK * f64::from(user? + system?)),
            _ => Err("no times in stat".into()),
        }
    }

    /// Its threads that live, by their ids.
    pub fn threads(&self) -> Outcome<HashMap<OsString, Thread>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id))?.flatten();
        // One that ends meanwhile is none.
        Ok(tasks.filter_map(|task| Some((task.file_name(), Thread::read(&task.path())?))).collect())
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: f64 = line.trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024.0)
    }
}

impl Thread {
    /// By nanoseconds, where the kernel's `stat` has only hundredths of a second.
    fn read(task: &Path) -> Option<Self> {
        let name = fs::read_to_string(task.join("comm")).ok()?.trim_end().to_owned();
        let times = fs::read_to_string(task.join("schedstat")).ok()?;
        let mut times = times.split_whitespace().map_while(|time| Some(time.parse::<f64>().ok()? / 1e3));
        Some(Self { name, ran: times.next()?, waited: times.next()? })
    }

    /// What it did since it was as it was before, or ever.
    pub fn since(self, before: Option<&Self>) -> Self {
        let (ran, waited) = before.map_or((0.0, 0.0), |before| (before.ran, before.waited));
        Self { ran: self.ran - ran, waited: self.waited - waited, ..self }
    }

    /// How long it would have run, had there always been a core for it.
    pub fn ready(&self) -> f64 {
        self.ran + self.waited
    }
}
