//! The `xpander-grpc-proxy` binary: parse, run, exit code. All else is the library's.

#![forbid(unsafe_code)]

use std::{
    env,
    num::NonZeroUsize,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
    thread::available_parallelism,
    time::Duration,
};

use tokio::runtime::Builder;

use xpander_grpc_proxy::cli::{self, Cli};

/// A call allocates some two hundred times, which costs less here than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After how many milliseconds the allocator gives freed memory back to the system. It reads this before anything of ours
/// runs. By itself it would wait for a second, and then for work to do; zero would cost a fifth more time on each call.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// How many threads work. Where the runtime read it by itself, it would panic on what is no number, and print it.
const THREADS: &str = "TOKIO_WORKER_THREADS";

fn main() -> ExitCode {
    let cli = Cli::read();
    if cli.serves() && env::var_os(PURGE_DELAY).is_none() {
        run_again_with_memory_given_back();
    }
    run(cli)
}

fn run(cli: Cli) -> ExitCode {
    let given = env::var(THREADS).ok().and_then(|threads| threads.parse::<NonZeroUsize>().ok());
    let threads = given.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let runtime = match Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: there is no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(Box::pin(cli::run(cli)));
    // The look-up of a name cannot be broken off, and takes ten seconds and more where nobody answers.
    runtime.shutdown_timeout(Duration::from_millis(500));
    code
}

/// Becomes the same process with the allocator's setting; returns where that cannot be, which costs memory and nothing else.
fn run_again_with_memory_given_back() {
    if let Ok(own) = env::current_exe() {
        let _ = Command::new(own).args(env::args_os().skip(1)).env(PURGE_DELAY, "10").exec();
    }
}
