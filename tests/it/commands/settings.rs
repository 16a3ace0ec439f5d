//! Settings: `check` shows what is in force, without secrets; what is wrong stops the start, one line each, exit code 2.

use std::{fs, path::PathBuf};

use crate::support::binary::{Run, run};

const KEY: &str = "key-that-must-not-be-seen";

/// A settings file; removed when it is dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.toml", std::process::id()));
        fs::write(&path, text).expect("written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn with_key<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("XPANDER_API_KEY", KEY), ("XPANDER_ORGANIZATION_ID", "org-7")], more].concat()
}

/// The lines that say what is wrong; nothing else was printed.
fn faults(run: &Run) -> Vec<&str> {
    assert_eq!((run.code, &*run.out), (Some(2), ""), "{run:?}");
    assert!(!run.err.contains(KEY) && !run.err.contains("panicked"), "{run:?}");
    run.err.lines().collect()
}

#[tokio::test]
async fn check_prints_what_is_in_force_with_secrets_hidden() {
    let file = File::new("good", "[events]\nidle_timeout = \"7s\"\n[platform]\nrequest_timeout = \"9s\"\n");
    let environment = with_key(&[("XPANDER_PROXY_PLATFORM__REQUEST_TIMEOUT", "11s"), ("XPANDER_AGENT_ID", "agent-9")]);
    let out = run(&["check", "--config", file.path()], &environment).await.good();
    let line = |name: &str| out.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap_or_default();
    assert_eq!(line("events.idle_timeout"), "events.idle_timeout = \"7s\"");
    assert_eq!(line("platform.request_timeout"), "platform.request_timeout = \"11s\"", "the environment wins");
    assert_eq!(line("agents.default_id"), "agents.default_id = \"agent-9\"");
    assert_eq!(line("platform.organization_id"), "platform.organization_id = \"org-7\"");
    assert_eq!(line("platform.api_key"), "platform.api_key = (set)");
    assert!(!out.contains(KEY), "{out}");
}

#[tokio::test]
async fn check_needs_no_key_for_the_sandbox() {
    let out = run(&["check", "--sandbox"], &[]).await.good();
    assert!(out.contains("server.listen = \"0.0.0.0:50051\"\n"), "{out}");
    assert!(out.contains("server.admin_listen = \"0.0.0.0:9464\"\n"), "{out}");
}

#[tokio::test]
async fn check_prints_the_reference_without_loading_anything() {
    let wrong = [("XPANDER_PROXY_PLATFORM__HTTP2", "3")];
    let out = run(&["check", "--reference"], &wrong).await.good();
    assert_eq!(out, xpander_grpc_proxy::config::reference());
    assert_eq!(run(&["check", "--reference", "--sandbox"], &[]).await.code, Some(2));
}

#[tokio::test]
async fn each_wrong_setting_has_a_line_with_its_name_its_source_and_what_is_allowed() {
    let file = File::new("bad", "[events]\nidle_timeout = \"soon\"\n[server]\nlisen = \"127.0.0.1:1\"\n");
    let environment =
        with_key(&[("XPANDER_PROXY_PLATFORM__HTTP2", "3"), ("XPANDER_PROXY_PLATFORM__CONECT_TIMEOUT", "1s")]);
    for command in ["check", "serve"] {
        let run = run(&[command, "--config", file.path()], &environment).await;
        let lines = faults(&run);
        assert_eq!(lines.len(), 4, "{run:?}");
        let line =
            |name: &str| *lines.iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {run:?}"));
        assert!(line("events.idle_timeout").contains(file.path()), "{run:?}");
        assert!(line("events.idle_timeout").contains("5s"), "an example of what is allowed: {run:?}");
        assert!(line("platform.http2").contains("XPANDER_PROXY_PLATFORM__HTTP2"), "{run:?}");
        assert!(line("platform.http2").contains("prior-knowledge"), "{run:?}");
        assert!(line("server.lisen").contains(file.path()), "{run:?}");
        assert!(line("platform.conect_timeout").contains("XPANDER_PROXY_PLATFORM__CONECT_TIMEOUT"), "{run:?}");
    }
}

#[tokio::test]
async fn without_a_key_serve_says_so_and_does_not_start() {
    let here = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let keyless = run(&here, &[]).await;
    let lines = faults(&keyless);
    assert_eq!(lines.len(), 2, "{keyless:?}");
    assert!(lines[0].contains("XPANDER_API_KEY") && lines[0].contains("--sandbox"), "{keyless:?}");
    assert!(lines[1].contains("XPANDER_ORGANIZATION_ID"), "{keyless:?}");
    let no_organization = run(&here, &[("XPANDER_API_KEY", KEY)]).await;
    assert_eq!(faults(&no_organization).len(), 1);
}

#[tokio::test]
async fn wrong_flags_and_files_exit_2_as_well() {
    for arguments in [
        &["serve", "--listen", "somewhere"][..],
        &["serve", "--config", "/no/such/file.toml"],
        &["dance"],
        &["invoke"],
        &["invoke", "x", "--stream", "--wait"],
        &["invoke", "x", "--output-schema", "/no/such/file.json"],
        &["wait", "t", "--for", "10"],
        &[],
    ] {
        let run = run(arguments, &[]).await;
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{arguments:?}: {run:?}");
        assert!(!run.err.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_exits_1() {
    let taken = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let run = run(&["serve", "--sandbox", "--listen", &address, "--admin-listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("server.listen") && run.err.contains(&address), "{run:?}");
    assert!(run.err.contains("something listens there already"), "{run:?}");
    let sandbox = crate::support::binary::run(&["sandbox", "--listen", &address], &[]).await;
    assert!(sandbox.code == Some(1) && sandbox.err.contains("something listens there already"), "{sandbox:?}");
}
