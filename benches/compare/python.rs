//! The platform's official Python client behind grpc.aio, in a script of ours: `benches/compare/python`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::{
    Outcome,
    process::{self, MEASURED, Running},
    world::World,
};

/// What is measured of the official client.
#[derive(Clone, Copy)]
pub enum Variant {
    AsItIs,
    /// With one HTTP client for all its requests.
    Shared,
}

/// The script, once it serves: that takes seconds, in which Python imports what the client is made of.
pub async fn start(world: &World, variant: Variant) -> Outcome<Running> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = interpreter()?;
    let stubs = stubs(&python, &root.join("proto"), &world.folder.join("stubs")).await?;
    let mut command = process::on_cores(MEASURED, python);
    command.arg(root.join("benches/compare/python/server.py"));
    if matches!(variant, Variant::Shared) {
        command.arg("shared");
    }
    command.env("PYTHONPATH", stubs).envs(world.platform_settings());
    Running::told(command).await
}

/// The Python that has the official client.
pub fn interpreter() -> Outcome<PathBuf> {
    process::installed("python/bin/python", ".ci/tools python")
}

/// The API for Python, generated anew into this folder.
async fn stubs(python: &Path, protos: &Path, folder: &Path) -> Outcome<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut command = process::here(python);
    command.args(["-m", "grpc_tools.protoc"]);
    for (option, folder) in [("-I", protos), ("--python_out=", folder), ("--grpc_python_out=", folder)] {
        command.arg(format!("{option}{}", folder.display()));
    }
    for file in fs::read_dir(protos.join("xpander/agent/v1"))? {
        let file = file?.path();
        // The service config stands there too.
        if file.extension().is_some_and(|kind| kind == "proto") {
            command.arg(file);
        }
    }
    let status = command.stderr(Stdio::inherit()).status().await?;
    if status.success() { Ok(folder.to_owned()) } else { Err(format!("no stubs for Python: {status}").into()) }
}
