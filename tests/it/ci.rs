//! What `.ci/run` says at its end, run with tools that only pretend; and what `.ci/oci` packs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;

use crate::support::folder::Folder;

/// Each step that is no function of the script's own.
const STEPS: [&str; 8] = [
    ".ci/tools",
    ".ci/kubernetes",
    ".ci/promise",
    "docs/sabledocs/run",
    "tests/chart/run",
    "tests/image/run",
    "tests/clients/run",
    "target/tools/bin/buf",
];

/// Writes a script that anybody may run.
fn script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, format!("#!/usr/bin/env bash\n{body}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its own");
}

/// Whether the run passed, and what it said, with advisories that are as this makes them.
fn ci(advisories: &str) -> (bool, String) {
    ci_with(advisories, &[])
}

/// The same, with other scripts for some steps.
fn ci_with(advisories: &str, others: &[(&str, &str)]) -> (bool, String) {
    let folder = Folder::new();
    let place = |name: &str| folder.path().join(name);
    for step in STEPS {
        script(&place(step), "exit 0");
    }
    for (step, body) in others {
        script(&place(step), body);
    }
    let cargo = format!(
        "case \"$*\" in\n*--ignored*) echo 'test result: ok. 1 passed; 0 failed; 0 ignored' ;;\n\
         test*) echo 'test result: ok. 3 passed; 0 failed; 1 ignored' ;;\n{advisories}esac"
    );
    script(&place("target/tools/bin/cargo"), &cargo);
    script(&place("target/tools/bin/ip"), "exit 0");
    script(&place(".ci/run"), "");
    fs::copy(".ci/run", place(".ci/run")).expect("copied");
    let run = Command::new(place(".ci/run")).output().expect("runs");
    (run.status.success(), String::from_utf8(run.stdout).expect("UTF-8"))
}

#[test]
fn advisories_that_could_not_be_fetched_are_told_beside_the_counts() {
    let (passed, out) = ci("'deny fetch db') echo 'no such host'; exit 1 ;;\n");
    let end: Vec<_> = out.lines().rev().take(4).collect();
    assert!(passed, "{out}");
    assert_eq!(
        end[..3],
        [
            "all steps passed, but for what was not checked",
            "advisories: not checked",
            "tests: 4 passed, 0 failed, 0 skipped"
        ]
    );
    assert!(out.contains("--- not checked: cargo deny advisories") && out.contains("no such host"), "{out}");
    assert!(!out.contains("ok: cargo deny advisories"), "{out}");
}

#[test]
fn advisories_that_were_looked_at_pass_or_fail() {
    let (passed, out) = ci("");
    assert!(passed && out.ends_with("all steps passed\n") && !out.contains("not checked"), "{out}");
    let (passed, out) = ci("*advisories) exit 1 ;;\n");
    assert!(!passed && out.ends_with("FAILED: cargo deny advisories\n") && !out.contains("not checked"), "{out}");
}

/// The image's archive is one of OCI's layout and of Docker's, and what the Dockerfile says stands in it.
#[test]
fn the_image_that_is_packed_without_an_engine_is_whole_and_is_the_dockerfiles() {
    let folder = Folder::new();
    let binary = folder.write("binary", "a static binary");
    let archive = folder.path().join("image.tar");
    let mut pack = Command::new(".ci/oci");
    pack.arg(&binary).arg(folder.write("ca.pem", "authorities")).arg(&archive);
    let pack = pack.env("VERSION", "1.2.3").env("REVISION", "abc").env("SOURCE_DATE_EPOCH", "1000").output();
    let pack = pack.expect("python3 runs");
    assert!(pack.status.success(), "{}", String::from_utf8_lossy(&pack.stderr));
    let unpacked = folder.path().join("image");
    fs::create_dir(&unpacked).expect("a folder");
    unpack(&archive, &unpacked);

    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON") };
    let blob = |described: &Value| {
        let digest = described["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")).expect("a digest");
        let path = unpacked.join("blobs/sha256").join(digest);
        let content = fs::read(&path).expect("a blob");
        assert_eq!(content.len() as u64, described["size"].as_u64().expect("a size"));
        let sum = Command::new("sha256sum").arg(&path).output().expect("sha256sum runs").stdout;
        assert!(sum.starts_with(digest.as_bytes()), "{digest}");
        path
    };
    let manifest = json(&blob(&json(&unpacked.join("index.json"))["manifests"][0]));
    let place = |described: &Value| described["digest"].as_str().expect("a digest").replace("sha256:", "blobs/sha256/");
    let saved = json(&unpacked.join("manifest.json"));
    assert_eq!(
        saved,
        serde_json::json!([{
            "Config": place(&manifest["config"]),
            "RepoTags": ["xpander-grpc-proxy:1.2.3"],
            "Layers": [place(&manifest["layers"][0])],
        }])
    );
    let config = json(&blob(&manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/xpander-grpc-proxy", "serve"]));
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.created"], "1970-01-01T00:16:40Z");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    unpack(&blob(&manifest["layers"][0]), &root);
    assert_eq!(fs::read(root.join("xpander-grpc-proxy")).expect("the binary"), b"a static binary");
    let mode = fs::metadata(root.join("xpander-grpc-proxy")).expect("the binary").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(fs::read(root.join("etc/ssl/certs/ca-certificates.crt")).expect("a file"), b"authorities");
}

fn unpack(archive: &Path, folder: &Path) {
    let unpacked = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder).status().expect("tar runs");
    assert!(unpacked.success());
}

#[test]
fn a_kubernetes_that_cannot_be_built_is_told_beside_the_counts_and_fails_nothing() {
    let (passed, out) = ci_with("", &[(".ci/kubernetes", "echo 'no such module' >&2; exit 1")]);
    assert!(
        passed
            && out.contains("\nkubernetes API server: not checked\nall steps passed, but for what was not checked\n"),
        "{out}"
    );
    assert!(
        out.contains("--- not checked: chart at a Kubernetes API server") && !out.contains("ok: chart at a Kubernetes"),
        "{out}"
    );
}

#[test]
fn a_chart_that_the_api_server_refuses_fails_the_run() {
    let refused = "[[ \"$*\" != apiserver ]]";
    let (passed, out) = ci_with("", &[("tests/chart/run", refused)]);
    assert!(
        !passed && out.ends_with("FAILED: chart at a Kubernetes API server\n") && !out.contains("not checked"),
        "{out}"
    );
}
