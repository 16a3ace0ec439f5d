//! What `.ci/run` says at its end, run with tools that only pretend.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

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
