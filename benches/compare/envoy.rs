//! Envoy with its gRPC to JSON reverse transcoder, which does a part of the same job.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    Outcome,
    process::{self, Running},
};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Envoy before this platform, once it listens.
pub async fn start(platform: SocketAddr, folder: &Path) -> Outcome<Running> {
    let (descriptors, config) = (folder.join("envoy.binpb"), folder.join("envoy.yaml"));
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare");
    // Encoded by the compiler: prost would leave the options out.
    let mut compiler = protox::Compiler::new([here, googleapis()?])?;
    fs::write(&descriptors, compiler.include_imports(true).open_file("envoy.proto")?.encode_file_descriptor_set())?;
    let port = process::free_port().await?;
    let text = include_str!("envoy.yaml")
        .replace("@PORT@", &port.to_string())
        .replace("@PLATFORM@", &platform.port().to_string())
        .replace("@DESCRIPTORS@", &descriptors.to_string_lossy());
    fs::write(&config, text)?;
    let log = folder.join("envoy.log");
    let mut command = process::on_cores(process::MEASURED, process::tool("envoy")?);
    command.arg("-c").arg(&config).args(["--concurrency", "1", "--disable-hot-restart", "-l", "warn"]);
    let child = command.stderr(Stdio::from(fs::File::create(&log)?)).spawn()?;
    let running = Running::new(child, ([127, 0, 0, 1], port).into())?;
    let late = Instant::now() + PATIENCE;
    while TcpStream::connect(running.address).await.is_err() {
        if Instant::now() > late {
            return Err(format!("Envoy does not listen: {}", fs::read_to_string(&log)?).into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(running)
}

/// Where `google/api/annotations.proto` is: `.ci/tools` installs Google's protos for the clients in Python.
fn googleapis() -> Outcome<PathBuf> {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/lib");
    let pythons = fs::read_dir(&lib)?.flatten().map(|python| python.path().join("site-packages"));
    let mut folders = pythons.filter(|folder| folder.join("google/api/annotations.proto").is_file());
    folders.next().ok_or_else(|| format!("no google/api/annotations.proto in {}: run .ci/tools", lib.display()).into())
}
