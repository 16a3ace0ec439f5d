//! Envoy: with its gRPC to JSON reverse transcoder, which does a part of the same job; and as a mesh has it, which passes
//! gRPC on as it comes.

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

/// The filter that makes REST of gRPC, in YAML's flow style so that it takes the place of one line.
const TRANSCODER: &str = r#"- {
            name: envoy.filters.http.grpc_json_reverse_transcoder,
            typed_config: {
              "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder,
              descriptor_path: "@DESCRIPTORS@",
              max_request_body_size: 4194304,
              max_response_body_size: 4194304,
              request_json_print_options: { use_canonical_field_names: false } } }"#;

/// Envoy with its reverse transcoder before this platform, once it listens.
pub async fn transcoder(platform: SocketAddr, folder: &Path) -> Outcome<Running> {
    let descriptors = folder.join("envoy.binpb");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare");
    // Encoded by the compiler: prost would leave the options out.
    let mut compiler = protox::Compiler::new([here, googleapis()?])?;
    fs::write(&descriptors, compiler.include_imports(true).open_file("envoy.proto")?.encode_file_descriptor_set())?;
    let filter = TRANSCODER.replace("@DESCRIPTORS@", &descriptors.to_string_lossy());
    start(platform, &folder.join("envoy-transcoder"), &filter, "http_protocol_options").await
}

/// Envoy that passes everything on to this gRPC service, once it listens.
pub async fn pass_through(service: SocketAddr, folder: &Path) -> Outcome<Running> {
    start(service, &folder.join("envoy-pass-through"), "", "http2_protocol_options").await
}

/// Envoy with this filter before what speaks this HTTP; its files get this name.
async fn start(upstream: SocketAddr, name: &Path, filter: &str, http: &str) -> Outcome<Running> {
    let (config, log) = (name.with_extension("yaml"), name.with_extension("log"));
    let port = process::free_port().await?;
    let text = include_str!("envoy.yaml")
        .replace("@PORT@", &port.to_string())
        .replace("@UPSTREAM@", &upstream.port().to_string())
        .replace("@TRANSCODER@", filter)
        .replace("@HTTP@", http);
    fs::write(&config, text)?;
    let mut command = process::on_cores(process::MEASURED, process::tool("envoy")?);
    command.arg("-c").arg(&config).args(["--concurrency", "1", "--disable-hot-restart", "-l", "warn"]);
    let child = process::spawn(command.stderr(Stdio::from(fs::File::create(&log)?)))?;
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
