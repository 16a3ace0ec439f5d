//! Machines as they are: variables that are no text, a proxy for everything, no authorities, a reader that leaves.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpListener,
};

use crate::support::{
    binary::{Serving, binary, run},
    live::within,
};

/// What a command says of a variable with these bytes, and its exit code.
async fn with_bytes(arguments: &[&str], name: &str) -> (Option<i32>, String) {
    let mut command = binary(arguments, &[]);
    command.env(name, OsStr::from_bytes(b"hunter2-\xa3"));
    let out = within(name, command.output()).await.expect("it runs");
    let told = [out.stdout, out.stderr].concat();
    let told = String::from_utf8(told).expect("UTF-8");
    assert!(!told.contains("hunter2") && !told.contains("panicked"), "{told}");
    (out.status.code(), told)
}

#[tokio::test]
async fn a_variable_that_is_no_utf8_is_passed_over_or_told_without_its_value() {
    for name in ["DATABASE_PASSWORD", "HOME", "SSL_CERT_DIR", "TOKIO_WORKER_THREADS"] {
        assert_eq!(with_bytes(&["check", "--sandbox"], name).await.0, Some(0), "{name}");
    }
    for (arguments, name) in [
        (&["check", "--sandbox"][..], "XPANDER_API_KEY"),
        (&["check", "--sandbox"], "XPANDER_PROXY_AUTH__TOKENS"),
        (&["check", "--sandbox"], "OTEL_EXPORTER_OTLP_HEADERS"),
        (&["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], "IS_STG"),
        (&["get", "t"], "XPANDER_GRPC_TOKEN"),
    ] {
        let (code, told) = with_bytes(arguments, name).await;
        assert_eq!((code, told.lines().count()), (Some(2), 1), "{told}");
        assert!(told.contains(name) && told.contains("no UTF-8"), "{told}");
    }
    let (code, told) = with_bytes(&["get", "t"], "XPANDER_GRPC_SERVER").await;
    assert_eq!((code, told.lines().count()), (Some(2), 1), "{told}");
}

/// What the runtime reads by itself, and panics on.
#[tokio::test]
async fn a_number_of_threads_that_is_none_is_passed_over() {
    for threads in ["hunter2", "0", "", "-1", "2"] {
        let run = run(&["check", "--sandbox"], &[("TOKIO_WORKER_THREADS", threads)]).await;
        assert_eq!((run.code, &*run.err), (Some(0), ""), "{threads}: {run:?}");
    }
}

#[tokio::test]
async fn demo_and_sandbox_work_behind_a_proxy_and_without_authorities() {
    // It takes connections and answers none.
    let proxy = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", proxy.local_addr().expect("bound"));
    let bare = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    for proxies in [
        &[][..],
        &[("HTTP_PROXY", &*url), ("HTTPS_PROXY", &url), ("ALL_PROXY", &url)],
        &[("http_proxy", &*url), ("https_proxy", &url), ("all_proxy", &url), ("NO_PROXY", "")],
        &[("HTTP_PROXY", "http//no:proxy")],
    ] {
        let environment = [&bare, proxies].concat();
        assert!(run(&["demo"], &environment).await.good().contains("✓ completed"), "{proxies:?}");
        let serving = Serving::sandbox(&environment).await;
        assert!(serving.run(&["invoke", "hi", "--wait"]).await.good().contains("completed"), "{proxies:?}");
    }
}

#[tokio::test]
async fn tls_without_authorities_is_told_at_the_start_and_cleartext_needs_none() {
    let bare = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
        ("XPANDER_API_KEY", "key"),
        ("XPANDER_ORGANIZATION_ID", "org"),
    ];
    let here = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let refused = run(&here, &bare).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("platform.ca_file"), "{refused:?}");
    let serving = Serving::before("http://platform.invalid:9016", &bare).await;
    serving.run(&["health"]).await.good();
}

#[tokio::test]
async fn a_proxy_that_is_none_stops_the_start() {
    let key = [("XPANDER_API_KEY", "key"), ("XPANDER_ORGANIZATION_ID", "org")];
    for command in ["check", "serve"] {
        for proxy in ["http//u:hunter2@proxy:3128", "socks5://proxy", "proxy:port"] {
            let run = run(&[command], &[&key[..], &[("HTTPS_PROXY", proxy)]].concat()).await;
            assert_eq!((run.code, run.err.lines().count()), (Some(2), 1), "{run:?}");
            assert!(run.err.contains("HTTPS_PROXY") && !run.err.contains("hunter2"), "{run:?}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_leaves_ends_every_command_without_a_word() {
    let serving = Serving::sandbox(&[]).await;
    let answer = serving.run(&["invoke", "100000", "--agent", "burst", "--events-streaming", "--json"]).await.json();
    let id = answer[0]["task"]["id"].as_str().expect("an id").to_owned();
    for arguments in [
        &["demo"][..],
        &["check", "--reference"],
        &["check", "--sandbox"],
        &["health"],
        &["health", "--json"],
        &["get", &id],
        &["get", &id, "--json"],
        &["wait", &id],
        &["stop", &id],
        &["events", &id],
        &["events", &id, "--json"],
        &["invoke", "5000", "--agent", "burst", "--stream"],
        &["invoke", "hi", "--json"],
        &["sandbox", "--listen", "127.0.0.1:0"],
        &["--help"],
        &["--version"],
    ] {
        let mut child = binary(arguments, &[("XPANDER_GRPC_SERVER", &serving.grpc)]).spawn().expect("it runs");
        drop(child.stdout.take());
        let mut told = String::new();
        within("its end", child.stderr.take().expect("piped").read_to_string(&mut told)).await.expect("UTF-8");
        assert_eq!(
            (within("its end", child.wait()).await.expect("it ran").code(), &*told),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_takes_one_line_of_the_demo_is_no_failure() {
    let mut child = binary(&["demo"], &[]).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    within("a line", out.read_line(&mut line)).await.expect("UTF-8");
    drop(out);
    let ended = within("its end", child.wait_with_output()).await.expect("it ran");
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]), "{line}");
}
