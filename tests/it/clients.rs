//! `tests/clients/run`, and each other script, where its tools are missing: a line that says what to run first, and nothing
//! else.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use crate::support::folder::Folder;

#[test]
fn without_its_tools_it_says_in_a_line_what_to_run_first() {
    // A place with the script, a program for each language, and no tools.
    let folder = Folder::new();
    let languages = ["go", "grpcurl", "java", "official", "python", "typescript"];
    for language in languages {
        fs::create_dir_all(folder.path().join("tests/clients").join(language)).expect("a folder");
        let run = folder.write(&format!("tests/clients/{language}/run"), "#!/bin/sh\necho FAILED all: it was run\n");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let script = copied(&folder, "tests/clients/run");
    copied(&folder, ".ci/needs");
    // Those whose tool no machine has by itself.
    for arguments in [&[][..], &["python"], &["official"], &["rust", "python"]] {
        let mut run = Command::new("bash");
        run.arg(&script).args(arguments).env("PATH", "/usr/bin:/bin").env("XPANDER_PROXY_BINARY", "/bin/true");
        says_what_to_run_first(run);
    }
}

#[test]
fn every_script_says_in_a_line_what_to_run_first() {
    let folder = Folder::new();
    copied(&folder, ".ci/needs");
    // That of the image does nothing at all but for root.
    for script in ["tests/chart/run", "docs/sabledocs/run", ".ci/promise", "tests/cluster/run"] {
        let mut run = Command::new("bash");
        run.arg(copied(&folder, script)).env("PATH", "/usr/bin:/bin");
        says_what_to_run_first(run);
    }
}

/// A file of this repository, at the same place in a folder.
fn copied(folder: &Folder, file: &str) -> PathBuf {
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::copy(file, &path).expect("copied");
    path
}

fn says_what_to_run_first(mut script: Command) {
    let run = script.output().expect("bash runs");
    let told = String::from_utf8([run.stdout, run.stderr].concat()).expect("UTF-8");
    assert!(!run.status.success(), "{script:?}: {told}");
    assert_eq!((told.lines().count(), told.contains("run .ci/tools first")), (1, true), "{script:?}: {told}");
}
