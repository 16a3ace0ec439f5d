//! The instructions of the pure parts, counted by callgrind and compared with `benches/instructions.txt`:
//! `cargo bench --bench instructions`, with `-- --write` to write that file. A count does not depend on what else the
//! machine does, so a rise is the code's. Not time: `parts` and `compare` measure that.

#[path = "shared/samples.rs"]
mod samples;
#[path = "shared/workloads.rs"]
mod workloads;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

/// How much a count may rise, in percent, before the run fails.
const MOST: f64 = 10.0;
/// Runs of each part: the start of the process falls out by the difference.
const FEW: u64 = 10;
const MANY: u64 = 60;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words {
        ["--run", name, times] => run(name, times),
        ref flags => compare(flags.contains(&"--write")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What callgrind looks at.
fn run(name: &str, times: &str) -> Outcome<bool> {
    let workload = workloads::all().into_iter().find(|workload| workload.name == name).ok_or("no such part")?;
    for _ in 0..times.parse()? {
        (workload.run)();
    }
    Ok(true)
}

fn compare(write: bool) -> Outcome<bool> {
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let before = read(&fs::read_to_string(&baseline).unwrap_or_default());
    let (mut now, mut is_good) = (Vec::new(), true);
    println!("{:38} {:>12} {:>12}", "instructions of", "before", "now");
    for workload in workloads::all() {
        let name = &workload.name;
        let count = (count(name, MANY)? - count(name, FEW)?) / (MANY - FEW);
        now.push(format!("{count:>12}  {name}\n"));
        let Some(before) = before.get(name) else {
            println!("{name:38} {:>12} {count:>12}  not in the baseline", "");
            is_good = false;
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let rise = (count as f64 / *before as f64 - 1.0) * 100.0;
        let verdict = if rise > MOST { "  TOO MANY" } else { "" };
        println!("{name:38} {before:>12} {count:>12} {rise:+6.1} %{verdict}");
        is_good &= rise <= MOST;
    }
    if write {
        fs::write(&baseline, now.concat())?;
    }
    Ok(is_good || write)
}

/// The lines of the baseline: a count and a name.
fn read(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.trim_start().split_once(' '));
    lines.filter_map(|(count, name)| Some((name.trim().to_owned(), count.parse().ok()?))).collect()
}

/// The instructions of a process that runs this part so many times.
fn count(name: &str, times: u64) -> Outcome<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe()?);
    let output = valgrind.args(["--run", name, &times.to_string()]).output();
    let output = output.map_err(|error| format!("valgrind, of Debian's package of that name: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let count = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.ok_or_else(|| told.into())
}
