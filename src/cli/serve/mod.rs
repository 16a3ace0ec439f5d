//! The commands that serve: arguments in, settings out. What serves is not here but
//! in the library.

use std::{
    env,
    fmt::Display,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    args::Connection,
    descriptors,
    failure::{Failure, Outcome},
    invoke,
    proxy::Proxy,
    security::Security,
};
use crate::{
    app::Bound,
    config::{self, Flags, LogFormat, Secret, Settings},
    proto::InvokeRequest,
    sandbox::Sandbox,
    shutdown::Signals,
    telemetry,
};

/// What `serve` takes; a flag wins over the environment and the file.
#[derive(clap::Args)]
pub struct ServeArgs {
    /// Where gRPC is served [default: 0.0.0.0:50051]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where probes and metrics are served [default: 0.0.0.0:9464]
    #[arg(long, value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// A settings file, TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Serve against the embedded platform; no key needed
    #[arg(long)]
    pub sandbox: bool,
    /// How log lines look [default: json]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// What `sandbox` takes.
#[derive(clap::Args)]
pub struct SandboxArgs {
    /// Where the embedded platform is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9016")]
    pub listen: SocketAddr,
}

/// What `check` takes.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// A settings file, TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check what `serve --sandbox` would run with
    #[arg(long)]
    pub sandbox: bool,
    /// Print what settings there are, as Markdown, and check none
    #[arg(long, conflicts_with_all = ["config", "sandbox"])]
    pub reference: bool,
}

/// The organization and the key of callers of the embedded platform, which accepts any.
const SANDBOX_ORGANIZATION: &str = "org-sandbox";
const SANDBOX_KEY: &str = "key-of-the-sandbox";

/// Runs the proxy until it is told to stop.
pub async fn serve(args: ServeArgs) -> Result<Outcome, Failure> {
    // First: one that comes while this starts is caught as well.
    let signals = Signals::catch().map_err(broken)?;
    let ServeArgs { listen, admin_listen, config, sandbox, log_format } = args;
    let mut settings = settings(config.as_deref(), &Flags { listen, admin_listen, log_format, sandbox })?;
    let telemetry = telemetry::start(&settings).map_err(broken)?;
    descriptors::allow_as_many_as(&settings.server);
    let _platform = if sandbox { Some(start_sandbox(&mut settings).await?) } else { None };
    Bound::bind(&settings).await.map_err(broken)?.run(signals.first()).await;
    telemetry.finish().await;
    Ok(Outcome::Good)
}

/// Runs sandbox, proxy and client in this process, on free ports of this machine.
pub async fn demo() -> Result<Outcome, Failure> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings::default();
    (settings.server.listen, settings.server.admin_listen) = (anywhere, anywhere);
    settings.server.drain_delay = Duration::ZERO;
    let platform = start_sandbox(&mut settings).await?;
    let bound = Bound::bind(&settings).await.map_err(broken)?;
    let server = format!("http://{}", bound.grpc_address().map_err(broken)?);
    writeln!(io::stdout(), "embedded platform  {}\nproxy              {server}\n", platform.base_url())?;
    let (shut_down, told) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.run(async { drop(told.await) }));

    let request = InvokeRequest { agent_id: "tools".to_owned(), prompt: DEMO_PROMPT.to_owned(), ..Default::default() };
    let connection = Connection { server: server.into(), timeout: None, json: false, security: Security::default() };
    let proxy = Proxy::connect(&connection).await?;
    let outcome = invoke::follow(&proxy, request, None, false).await;
    drop((shut_down, proxy));
    serving.await.map_err(broken)?;
    outcome
}

const DEMO_PROMPT: &str = "Compare the two sales reports";

/// Runs the embedded platform until it is told to stop.
pub async fn sandbox(args: SandboxArgs) -> Result<Outcome, Failure> {
    let signals = Signals::catch().map_err(broken)?;
    let platform = Sandbox::start(args.listen).await.map_err(broken)?;
    writeln!(io::stdout(), "embedded platform at {}", platform.base_url())?;
    signals.first().await;
    Ok(Outcome::Good)
}

/// Prints the settings in force, or the reference of all there are.
pub fn check(args: CheckArgs) -> Result<Outcome, Failure> {
    let CheckArgs { config, sandbox, reference } = args;
    let printed = if reference {
        config::reference()
    } else {
        config::show(&settings(config.as_deref(), &Flags { sandbox, ..Flags::default() })?)
    };
    io::stdout().write_all(printed.as_bytes())?;
    Ok(Outcome::Good)
}

fn settings(file: Option<&Path>, flags: &Flags) -> Result<Settings, Failure> {
    config::load(file, env::vars_os(), flags).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        Failure::Usage(faults.join("\n"))
    })
}

/// Starts the embedded platform and points the settings at it.
async fn start_sandbox(settings: &mut Settings) -> Result<Sandbox, Failure> {
    let platform = Sandbox::start((Ipv4Addr::LOCALHOST, 0).into()).await.map_err(broken)?;
    settings.platform.base_url = platform.base_url();
    settings.platform.api_key = Some(Secret::new(SANDBOX_KEY));
    settings.platform.organization_id = Some(SANDBOX_ORGANIZATION.to_owned());
    settings.agents.default_id.get_or_insert_with(|| "echo".to_owned());
    Ok(platform)
}

fn broken(error: impl Display) -> Failure {
    Failure::Broken(error.to_string())
}
