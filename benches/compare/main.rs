//! The proxy beside the floor and Envoy, in one run on one machine: `cargo bench --bench compare`.
//!
//! What is measured has a core of its own; load, platform and this process have the others. Rounds are interleaved, every
//! answer is checked, and the platform's count is compared with the load's. The numbers go to standard output and, of a
//! whole run, into docs/performance.md and docs/performance.svg. `-- --quick` takes about a minute and writes nothing;
//! with `-- --check` a missed bar fails the run; `-- --python` measures the official Python client, too; `-- streams`
//! measures these alone, and `-- --proxy=FILE` another binary. Not for a busy machine: there only the ratios mean
//! something.

mod chart;
mod envoy;
mod floor;
mod follow;
mod h2load;
mod idle;
mod invoke;
mod platform;
mod process;
mod python;
mod report;
mod scale;
mod sizes;
mod start;
mod stats;
mod streams;
mod ways;
mod world;

#[allow(dead_code, reason = "shared with the other benches")]
#[path = "../shared/samples.rs"]
mod samples;

#[allow(dead_code, reason = "the tests' own")]
#[path = "../../tests/it/support/issuer.rs"]
mod issuer;

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use invoke::Pair;
use report::Report;
use world::{Plan, World};

/// As the floor has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fault = Box<dyn Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Fault>;

/// Names another binary of the proxy, an older one for example.
const PROXY: &str = "--proxy=";
/// Measures the official Python client, too, which `.ci/tools python` installs.
const PYTHON: &str = "--python";
/// What can be measured by itself.
const SECTIONS: [&str; 8] = ["invoke", "request-ids", "callers", "sizes", "streams", "idle", "start", "scale"];
/// What of `.ci/tools` the sections run.
const TOOLS: [(&str, &[&str]); 4] = [
    ("invoke", &["h2load", "envoy"]),
    ("request-ids", &["redis-server"]),
    ("sizes", &["h2load"]),
    ("scale", &["h2load"]),
];
/// What this binary is told when it has the cores and the open files it needs.
const READY: &str = "--ready";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is as it should be.
fn run(words: &[&str]) -> Outcome<bool> {
    let runtime = tokio::runtime::Runtime::new()?;
    match *words {
        ["--part", "platform"] => runtime.block_on(platform::serve())?,
        ["--part", "floor", platform, kind] => runtime.block_on(floor::serve(platform, kind))?,
        [READY, ref flags @ ..] => return runtime.block_on(compare(flags)),
        _ => return Err(prepare(words)?.into()),
    }
    Ok(true)
}

/// Becomes this binary again, on the cores that are not measured and with as many open files as are allowed; returns
/// only with the reason why not.
fn prepare(words: &[&str]) -> Outcome<std::io::Error> {
    let is_known = |word: &str| {
        ["--bench", "--quick", "--check", PYTHON].contains(&word) || word.starts_with(PROXY) || SECTIONS.contains(&word)
    };
    if let Some(word) = words.iter().find(|word| !is_known(word)) {
        let sections = SECTIONS.join(", ");
        return Err(format!(
            "{word}? There are --quick, --check, {PYTHON}, {PROXY}FILE and, to measure less, {sections}"
        )
        .into());
    }
    let is_whole = !words.iter().any(|word| SECTIONS.contains(word));
    let sections = TOOLS.iter().filter(|(section, _)| is_whole || words.contains(section));
    process::check(&sections.flat_map(|(_, tools)| *tools).copied().collect::<BTreeSet<_>>())?;
    if words.contains(&PYTHON) {
        python::interpreter()?;
    }
    let script = r#"ulimit -n "$(ulimit -Hn)"; exec taskset -c "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, &process::other_cores()?]).arg(env::current_exe()?).arg(READY).args(words);
    Ok(command.exec())
}

/// Measures all sections, or those that are named.
async fn compare(words: &[&str]) -> Outcome<bool> {
    let plan = if words.contains(&"--quick") { Plan::quick() } else { Plan::whole() };
    let plan = Plan { has_python: words.contains(&PYTHON), ..plan };
    let is_whole = !words.iter().any(|word| SECTIONS.contains(word));
    let is_wanted = |section: &str| is_whole || words.contains(&section);
    let world = World::start(plan, words.iter().find_map(|word| word.strip_prefix(PROXY))).await?;
    let mut report = Report::default();
    if is_wanted("invoke") {
        Box::pin(invoke::compare(&world, &mut report)).await?;
    }
    if is_wanted("request-ids") {
        ways::request_ids(&world, &mut report).await?;
    }
    if is_wanted("callers") {
        ways::callers(&world, &mut report).await?;
    }
    let pair = Pair::start(&world).await?;
    if is_wanted("sizes") {
        sizes::in_flight(&world, &pair, &mut report).await?;
        sizes::bodies(&world, &pair, &mut report).await?;
    }
    if is_wanted("streams") {
        streams::per_event(&world, &pair, &mut report).await?;
        streams::delays(&world, &pair, &mut report).await?;
        streams::large_events(&world, &pair, &mut report).await?;
    }
    drop(pair);
    if is_wanted("idle") {
        idle::streams(&world, &mut report).await?;
    }
    if is_wanted("start") {
        start::measure(&world, &mut report).await?;
    }
    if is_wanted("scale") {
        scale::threads(&world, &mut report).await?;
    }
    print!("{}", report.text());
    if is_whole && world.plan.is_whole && !cfg!(debug_assertions) {
        report.write()?;
    }
    Ok(!words.contains(&"--check") || report.is_good())
}
