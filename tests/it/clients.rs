//! `tests/clients/run` where its tools are missing: a line that says what to run first, and nothing else.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

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
    let script = fs::read_to_string("tests/clients/run").expect("the script");
    let script = folder.write("tests/clients/run", &script);
    // Those whose tool no machine has by itself.
    for arguments in [&[][..], &["python"], &["official"], &["rust", "python"]] {
        let mut run = Command::new("bash");
        run.arg(&script).args(arguments).env("PATH", "/usr/bin:/bin").env("XPANDER_PROXY_BINARY", "/bin/true");
        let run = run.output().expect("bash runs");
        let told = String::from_utf8([run.stdout, run.stderr].concat()).expect("UTF-8");
        assert!(!run.status.success(), "{arguments:?}: {told}");
        assert_eq!((told.lines().count(), told.contains("run .ci/tools first")), (1, true), "{arguments:?}: {told}");
    }
}
