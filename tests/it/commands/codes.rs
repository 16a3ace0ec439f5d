//! The exit codes, one by one, and what comes with each on standard error.

use std::fs;

use serde_json::{Value, json};

use crate::{
    commands::invoke,
    support::{
        binary::{Run, Serving, run},
        live::within,
        platform::{Platform, Reply},
    },
};
use xpander_grpc_proxy::cli::Exit;

/// The one JSON object that says what went wrong.
fn error(run: &Run) -> Value {
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
    serde_json::from_str::<Value>(&run.err).expect("JSON")["error"].clone()
}

#[tokio::test]
async fn each_way_a_task_can_be_has_its_code() {
    let serving = Serving::sandbox(&[]).await;
    let (fail, human) = (invoke(&serving, "fail", "x").await, invoke(&serving, "human", "x").await);
    let slow = invoke(&serving, "slow", "600000").await;
    for (command, code) in [
        (&["invoke", "x", "--agent", "echo", "--wait"][..], 0),
        (&["invoke", "x", "--agent", "echo", "--stream"], 0),
        (&["invoke", "x", "--agent", "fail", "--wait"], 1),
        (&["invoke", "x", "--agent", "fail", "--stream"], 1),
        (&["wait", &fail], 1),
        (&["events", &fail], 1),
        (&["get", &fail], 0),
        (&["wait", &slow, "--for", "100ms"], 3),
        (&["wait", &slow, "--timeout", "3s"], 3),
        (&["events", &slow, "--timeout", "3s"], 3),
        (&["invoke", "600000", "--agent", "slow", "--stream", "--timeout", "5s"], 3),
        (&["wait", &human], 4),
        (&["invoke", "x", "--agent", "human", "--wait"], 4),
        (&["get", "nothing"], 5),
        (&["events", "nothing"], 5),
        (&["wait", "nothing"], 5),
        (&["invoke", "x", "--agent", "lookup-404"], 5),
        (&["get", "x", "--server", "http://127.0.0.1:1"], 5),
        (&["invoke", "x", "--server", "http://127.0.0.1:1"], 5),
        (&["invoke", "x", "--agent", "http-500"], 6),
        (&["invoke", "x", "--agent", "http-500", "--stream"], 6),
        (&["invoke"], 2),
        (&["health", "--server", "http://127.0.0.1:1"], 1),
    ] {
        let run = serving.run(command).await;
        assert_eq!(run.code, Some(code), "{command:?}: {run:?}");
        // What a script reads is what the proxy said, or nothing.
        let json = serving.run(&[command, &["--json"]].concat()).await;
        assert_eq!(json.code, Some(code), "{command:?}: {json:?}");
        assert!(json.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{json:?}");
        if !json.err.is_empty() {
            assert_eq!(error(&json)["exit_code"], code, "{json:?}");
        }
    }
    // Whoever was told of the task has nothing to ask of the create.
    let late = ["invoke", "600000", "--agent", "slow", "--stream", "--timeout", "5s", "--json"];
    let late = error(&serving.run(&late).await);
    assert_eq!((&late["metadata"]["outcome"], &late["kind"]), (&Value::Null, &json!("running")), "{late}");
    assert!(late["task_id"].is_string() && late["last_event_id"].is_string(), "{late}");
    let follow = late["advice"]["follow it"].as_str().expect("a command");
    let words = format!(
        " events {} --after {}",
        late["task_id"].as_str().expect("text"),
        late["last_event_id"].as_str().expect("text")
    );
    assert!(follow.ends_with(&words), "{late}");
}

#[tokio::test]
async fn a_create_whose_time_is_up_says_that_a_task_may_exist() {
    let platform = Platform::start(|request| match request.method.as_str() {
        "POST" => Reply::Silence,
        _ => Reply::json(200, &json!({"id": "a", "name": "a"})),
    })
    .await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    for then in ["--stream", "--wait", "--events-streaming"] {
        let command = ["invoke", "x", "--agent", "a", then, "--timeout", "3s"];
        let text = serving.run(&command).await;
        assert_eq!(text.code, Some(6), "{text:?}");
        assert!(text.err.contains("a task may exist") && text.err.contains(" tasks --limit 5 --agent a\n"), "{text:?}");
        assert!(text.err.contains("  x-request-id "), "{text:?}");
    }
}

/// The connection is cut by a proxy that never answers: nobody says what became of the create.
#[tokio::test]
async fn a_create_that_is_lost_on_the_way_is_unknown() {
    let gateway = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", gateway.local_addr().expect("bound"));
    let lost = tokio::spawn(async move {
        let (mut socket, _) = gateway.accept().await.expect("a connection");
        // An HTTP/2 server's first words, and what of the call comes then.
        tokio::io::AsyncWriteExt::write_all(&mut socket, &[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("written");
        let mut bytes = [0; 1 << 16];
        let mut whole = Vec::new();
        while !whole.windows(8).any(|word| word == b"a-prompt") {
            let length = tokio::io::AsyncReadExt::read(&mut socket, &mut bytes).await.expect("read");
            whole.extend_from_slice(&bytes[..length]);
        }
    });
    let run = run(&["invoke", "a-prompt", "--server", &url, "--json"], &[]).await;
    within("the gateway", lost).await.expect("no panic");
    let error = error(&run);
    assert_eq!((run.code, &error["kind"]), (Some(6), &json!("unknown")), "{error}");
    assert!(error["x_request_id"].is_string() && error["reason"].is_null(), "{error}");
}

#[tokio::test]
async fn a_failure_shows_the_request_id_that_the_proxy_logged() {
    let mut serving = Serving::sandbox(&[]).await;
    let json = serving.run(&["get", "nothing", "--json"]).await;
    let line = serving.line("call").await;
    assert_eq!(error(&json)["x_request_id"], line["request_id"]);
    let text = serving.run(&["get", "nothing"]).await;
    let line = serving.line("call").await;
    assert!(text.err.contains(&format!("x-request-id   {}", line["request_id"].as_str().expect("text"))), "{text:?}");
}

#[tokio::test]
async fn wrong_usage_is_one_json_object_too() {
    for arguments in [
        &["get", "--json"][..],
        &["invoke", "p", "--stream", "--wait", "--json"],
        &["wait", "t", "--for", "x", "--json"],
    ] {
        let run = run(arguments, &[]).await;
        let error = error(&run);
        assert_eq!((run.code, &error["kind"]), (Some(2), &json!("usage")), "{run:?}");
        assert!(error["message"].as_str().is_some_and(|text| !text.starts_with("error")), "{error}");
    }
    let file = run(&["get", "t", "--server", "https://localhost:1", "--ca-file", "/no/such/file", "--json"], &[]).await;
    assert!(error(&file)["message"].as_str().is_some_and(|text| text.contains("--ca-file")), "{file:?}");
}

#[tokio::test]
async fn the_page_has_the_table_of_the_code_and_so_has_help() {
    let rows: Vec<_> = Exit::ALL.iter().map(|exit| exit.row()).collect();
    let table = |(code, word, means): &(u8, &str, &str)| format!("| {code} | `{word}` | {means} |");
    let page = fs::read_to_string("docs/terminal.md").expect("the page");
    let told: Vec<_> =
        page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()).collect();
    assert_eq!(told, rows.iter().map(table).collect::<Vec<_>>());
    for command in [&["--help"][..], &["invoke", "--help"], &["wait", "-h"], &["events", "-h"]] {
        let help = run(command, &[]).await.good();
        for (code, _, means) in &rows {
            assert!(help.contains(&format!("  {code:<4} {means}")), "{command:?}: {help}");
        }
    }
}

#[tokio::test]
async fn completions_and_pages_of_the_manual_are_made_of_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell], &[]).await.good();
        assert!(script.contains("no-resume") && script.contains("health"), "{shell}");
    }
    // A shell that reads it knows the commands.
    let script = run(&["completions", "bash"], &[]).await.good();
    let asked = "COMP_WORDS=(xpander-grpc-proxy he); COMP_CWORD=1; _xpander__grpc__proxy xpander-grpc-proxy he '' ; echo \"${COMPREPLY[@]}\"";
    let shell =
        tokio::process::Command::new("bash").args(["-c", &format!("{script}\n{asked}")]).output().await.expect("bash");
    assert_eq!(String::from_utf8_lossy(&shell.stdout).split_whitespace().collect::<Vec<_>>(), ["health", "help"]);

    let folder = crate::support::folder::Folder::new();
    let pages = folder.path().join("man1");
    run(&["man", pages.to_str().expect("UTF-8")], &[]).await.good();
    let page = fs::read_to_string(pages.join("xpander-grpc-proxy-invoke.1")).expect("a page");
    assert!(page.contains("Compare the two reports") && page.contains("130"), "{page}");
    assert!(!run(&["--help"], &[]).await.good().contains("\n  man "), "hidden");
    let version = run(&["--version"], &[]).await.good();
    assert!(version.starts_with(concat!("xpander-grpc-proxy ", env!("CARGO_PKG_VERSION"))), "{version}");
}
