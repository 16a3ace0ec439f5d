//! The commands that serve: arguments in, settings out. What serves is not here but
//! in the library.

mod check;
mod descriptors;
mod settings;

use std::{
    fmt::Display,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use tokio::sync::oneshot;

pub use self::{
    check::{CheckArgs, check},
    settings::log_format,
};
use super::{
    client::{Connection, Proxy, Security},
    exit::Exit,
    failure::Failure,
    follow::{Following, Standing},
    output::Output,
    render::Stream,
};
use crate::{
    app::{Bound, StartError, cannot_listen},
    config::{Flags, LogFormat, Settings},
    proto::{InvokeRequest, InvokeStreamRequest},
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
    /// How log lines look: json or text [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub log_format: Option<LogFormat>,
}

/// What `sandbox` takes.
#[derive(clap::Args)]
pub struct SandboxArgs {
    /// Where the embedded platform is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9016")]
    pub listen: SocketAddr,
}

/// Runs the proxy until it is told to stop.
pub async fn serve(args: ServeArgs, output: Output) -> Result<Exit, Failure> {
    // First: one that comes while this starts is caught as well.
    let signals = Signals::catch().map_err(broken)?;
    let mut settings = settings::load(args.config.as_deref(), &args.flags())?;
    let telemetry = telemetry::start(&settings, output.aside.is_coloured()).map_err(usage)?;
    descriptors::allow_as_many_as(&settings.server);
    let _platform = if args.sandbox { Some(start_sandbox(&mut settings).await?) } else { None };
    let bound = match Bound::bind(&settings).await {
        Ok(bound) => bound,
        Err(error) => {
            // What was logged comes first.
            telemetry.finish().await;
            return Err(not_started(error));
        }
    };
    bound.run(signals.first()).await;
    telemetry.finish().await;
    Ok(Exit::Completed)
}

impl ServeArgs {
    /// The flags that are settings.
    pub fn flags(&self) -> Flags {
        let Self { listen, admin_listen, log_format, sandbox, config: _ } = *self;
        Flags { listen, admin_listen, log_format, sandbox, is_terminal: Stream::Err.is_terminal() }
    }
}

/// Runs sandbox, proxy and client in this process, on free ports of this machine.
pub async fn demo(output: Output) -> Result<Exit, Failure> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings::default();
    (settings.server.listen, settings.server.admin_listen) = (anywhere, anywhere);
    settings.server.drain_delay = Duration::ZERO;
    let platform = start_sandbox(&mut settings).await?;
    let bound = Bound::bind(&settings).await.map_err(not_started)?;
    let server = format!("http://{}", bound.grpc_address().map_err(not_started)?);
    writeln!(io::stdout(), "embedded platform  {}\nproxy              {server}\n", platform.base_url())?;
    let (shut_down, told) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.run(async { drop(told.await) }));

    let invocation =
        InvokeRequest { agent_id: "tools".to_owned(), prompt: DEMO_PROMPT.to_owned(), ..Default::default() };
    let question = InvokeStreamRequest { invocation: Some(invocation), heartbeat: None };
    let connection = Connection { server: server.into(), timeout: None, json: false, security: Security::default() };
    let proxy = Proxy::connect(&connection).await?;
    let standing = Standing::new(&connection);
    let exit = Following::new(&proxy, &standing, output, None, true).create(question).await;
    drop((shut_down, proxy));
    serving.await.map_err(broken)?;
    exit
}

const DEMO_PROMPT: &str = "Compare the two sales reports";

/// Runs the embedded platform until it is told to stop.
pub async fn sandbox(args: SandboxArgs) -> Result<Exit, Failure> {
    let signals = Signals::catch().map_err(broken)?;
    let platform = Sandbox::start(args.listen).await;
    let platform = platform.map_err(|error| Failure::Start(cannot_listen(&args.listen, &error)))?;
    writeln!(io::stdout(), "embedded platform at {}", platform.base_url())?;
    signals.first().await;
    Ok(Exit::Completed)
}

/// Starts the embedded platform and points the settings at it.
async fn start_sandbox(settings: &mut Settings) -> Result<Sandbox, Failure> {
    let platform = Sandbox::start((Ipv4Addr::LOCALHOST, 0).into()).await.map_err(broken)?;
    settings::embed(settings, platform.base_url());
    Ok(platform)
}

fn not_started(error: StartError) -> Failure {
    if error.is_of_settings() { usage(error) } else { broken(error) }
}

fn usage(error: impl Display) -> Failure {
    Failure::Usage(error.to_string())
}

fn broken(error: impl Display) -> Failure {
    Failure::Start(error.to_string())
}
