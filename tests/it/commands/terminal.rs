//! The commands on a real terminal: Ctrl-C, its size, its colours. What is printed there is what a person acts on.

use std::sync::{Arc, atomic::AtomicUsize};

use crate::{
    commands::invoke,
    support::{
        binary::{Serving, run},
        live::within,
        platform::{Platform, Reply},
        terminal::{CTRL_C, Terminal, plain},
    },
};

const WIDE: u16 = 200;

fn at(serving: &Serving) -> [(&str, &str); 1] {
    [("XPANDER_GRPC_SERVER", &serving.grpc)]
}

/// The words of the command behind these, without the program's name.
fn advised(shown: &str, to: &str) -> Vec<String> {
    let text = plain(shown);
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(to)).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().skip(1).map(ToOwned::to_owned).collect()
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn ctrl_c_leaves_a_task_with_the_commands_that_follow_and_stop_it() {
    let serving = Serving::sandbox(&[]).await;
    let mut terminal = Terminal::run(WIDE, &["invoke", "600000", "--agent", "slow", "--stream"], &at(&serving));
    terminal.until("executing").await;
    terminal.until("2 3 4").await;
    terminal.press(CTRL_C).await;
    let (code, shown) = terminal.ended().await;
    assert_eq!(code, Some(130), "{shown}");
    assert!(plain(&shown).contains("interrupted\r\nthe task goes on\r\n"), "{shown}");
    let (follow, stop) = (advised(&shown, "follow it"), advised(&shown, "stop it"));
    assert!(matches!(&words(&follow)[..], ["events", _, "--after", _]), "{follow:?}");
    // They are true, and the first goes on where it was left.
    let after: u64 = follow[3].parse().expect("the sandbox numbers its events");
    let mut following = Terminal::run(WIDE, &[&words(&follow)[..], &["--json"]].concat(), &at(&serving));
    following.until(&format!("\"eventId\":\"{}\"", after + 1)).await;
    assert!(!following.shown.contains(&format!("\"eventId\":\"{after}\"")), "{}", following.shown);
    assert!(serving.run(&words(&stop)).await.good().contains("stopped"));
    assert_eq!(following.ended().await.0, Some(1));
}

#[tokio::test]
async fn ctrl_c_ends_each_command_that_waits_and_says_how_to_go_on() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "slow", "600000").await;
    let wait = ["wait", &id][..].to_vec();
    let rows: [(Vec<&str>, &str, &str, Vec<&str>); 3] = [
        (wait.clone(), "executing · ", "wait for it", wait),
        (vec!["invoke", "600000", "--agent", "slow", "--wait"], "executing · ", "wait for it", vec!["wait"]),
        (vec!["events", &id], "0 ", "follow it", vec!["events", &id, "--after"]),
    ];
    for (command, seen, to, way) in rows {
        let mut terminal = Terminal::run(WIDE, &command, &at(&serving));
        terminal.until(seen).await;
        terminal.press(CTRL_C).await;
        let (code, shown) = terminal.ended().await;
        assert_eq!(code, Some(130), "{shown}");
        assert!(plain(&shown).contains("the task goes on\r\n"), "{shown}");
        assert!(words(&advised(&shown, to)).starts_with(&way), "{shown}");
        assert!(words(&advised(&shown, "stop it")).starts_with(&["stop"]), "{shown}");
    }
}

#[tokio::test]
async fn ctrl_c_in_a_create_says_that_a_task_may_exist() {
    let platform = Platform::start(|request| match request.method.as_str() {
        "POST" => Reply::Silence,
        _ => Reply::json(200, &serde_json::json!({"id": "a", "name": "a"})),
    })
    .await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    for then in ["--stream", "--wait", "--events-streaming"] {
        let creates = || platform.seen().iter().filter(|request| request.method == "POST").count();
        let before = creates();
        let mut terminal = Terminal::run(WIDE, &["invoke", "x", "--agent", "a", then], &at(&serving));
        within("a create", async {
            while creates() == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
        terminal.press(CTRL_C).await;
        let (code, shown) = terminal.ended().await;
        assert_eq!(code, Some(130), "{shown}");
        assert!(plain(&shown).contains("a task may exist") && plain(&shown).contains("  x-request-id "), "{shown}");
        assert_eq!(words(&advised(&shown, "look for it")), ["tasks", "--limit", "5", "--agent", "a"], "{shown}");
    }
}

#[tokio::test]
async fn ctrl_c_ends_a_command_whose_output_nobody_takes() {
    let count = Arc::new(AtomicUsize::new(0));
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => {
            let chunk = crate::support::platform::event("chunk", &"x".repeat(1 << 16).into());
            Reply::Made(Box::new(std::iter::repeat(chunk.into_bytes())), Arc::clone(&count))
        }
        false => Reply::json(200, &crate::support::platform::task("task-1", "executing")),
    })
    .await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    // A terminal that is not read stands still when its buffer is full.
    let mut terminal = Terminal::run(WIDE, &["events", "task-1"], &at(&serving));
    terminal.until("xxx").await;
    terminal.press(CTRL_C).await;
    // The second one is not asked of somebody who sees nothing happen.
    terminal.press(CTRL_C).await;
    assert_eq!(terminal.ended().await.0, Some(130));
}

#[tokio::test]
async fn a_task_that_is_waited_for_has_a_line_that_is_rewritten() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "slow", "600000").await;
    let mut terminal = Terminal::run(WIDE, &["wait", &id], &at(&serving));
    terminal.until("\r\u{1b}[Kexecuting · ").await;
    terminal.until("\r\u{1b}[Kexecuting · 2").await;
    // A line that does not fit would leave its beginnings behind.
    terminal.resize(10);
    terminal.until("\r\u{1b}[Kexecutin…").await;
    serving.run(&["stop", &id]).await.good();
    let (code, shown) = terminal.ended().await;
    assert_eq!(code, Some(1));
    // The line is gone before the task is printed.
    assert!(shown.contains("\r\u{1b}[K\u{1b}[2mid"), "{shown:?}");
    assert!(!shown.contains("executing · 0ms\r\n"), "{shown:?}");
}

#[tokio::test]
async fn a_task_that_waits_for_a_person_says_how_it_is_answered() {
    let serving = Serving::sandbox(&[]).await;
    for (prompt, reason) in [("x", "a person's approval"), ("auth", "access to")] {
        let terminal = Terminal::run(WIDE, &["invoke", prompt, "--agent", "human", "--wait"], &at(&serving));
        let (code, shown) = terminal.ended().await;
        assert_eq!(code, Some(4), "{shown}");
        assert!(plain(&shown).contains("the task waits for a person") && shown.contains(reason), "{shown}");
        let answer = advised(&shown, "answer it");
        let id = answer[4].clone();
        assert_eq!(words(&answer), ["invoke", "'YOUR", "ANSWER'", "--existing-task", &id, "--agent", "human"]);
        serving.run(&["invoke", "yes", "--existing-task", &id, "--agent", "human"]).await.good();
        assert_eq!(serving.run(&words(&advised(&shown, "wait for it"))).await.code, Some(0));
    }
    // One that is followed says so as well, and goes on.
    let mut terminal = Terminal::run(WIDE, &["invoke", "x", "--agent", "human", "--stream"], &at(&serving));
    terminal.until("wait for it").await;
    let answer = advised(&terminal.shown, "answer it");
    serving.run(&["invoke", "yes", "--existing-task", &answer[4], "--agent", "human"]).await.good();
    assert_eq!(terminal.ended().await.0, Some(0));
}

#[tokio::test]
async fn colour_is_for_terminals_and_can_be_chosen() {
    let serving = Serving::sandbox(&[]).await;
    let id = invoke(&serving, "echo", "hi").await;
    let get = ["get", &id];
    let shown = async |arguments: &[&str], variables: &[(&str, &str)]| {
        Terminal::run(WIDE, arguments, &[&at(&serving), variables].concat()).ended().await.1
    };
    for (arguments, variables, has_colour) in [
        (&get[..], &[][..], true),
        (&get, &[("NO_COLOR", "1")], false),
        (&get, &[("NO_COLOR", "")], true),
        (&get, &[("TERM", "dumb")], false),
        (&["get", &id, "--color", "never"], &[], false),
        (&["--color=always", "get", &id], &[("NO_COLOR", "1")], true),
        (&["get", "nothing"], &[], true),
        (&["get", "nothing"], &[("NO_COLOR", "1")], false),
        (&["--help"], &[], true),
        (&["--help"], &[("NO_COLOR", "1")], false),
        (&["invoke", "--help", "--color", "never"], &[], false),
        (&["dance"], &[], true),
        (&["dance", "--color=never"], &[], false),
    ] {
        let text = shown(arguments, variables).await;
        assert_eq!(text.contains("\u{1b}["), has_colour, "{arguments:?} {variables:?}: {text:?}");
    }
    let piped = serving.run(&["get", &id, "--color", "always"]).await;
    assert!(piped.out.contains("\u{1b}["), "{piped:?}");
    assert!(!serving.run(&get).await.out.contains('\u{1b}'));
}

#[tokio::test]
async fn a_narrow_terminal_is_enough() {
    let serving = Serving::sandbox(&[]).await;
    for arguments in [&["--help"][..], &["invoke", "--help"], &["events", "-h"], &["check", "-h"], &["serve", "-h"]] {
        let shown = plain(&Terminal::run(40, arguments, &[]).ended().await.1);
        // A line of usage is one word to clap.
        let lines = shown.lines().filter(|line| !line.starts_with("Usage: "));
        let wide = lines.map(str::trim_end).find(|line| line.chars().count() > 40);
        assert_eq!(wide, None, "{arguments:?}: {shown}");
    }
    // What is longer than a line is shortened, but for what the agent says.
    let shown = Terminal::run(40, &["invoke", "x", "--agent", "tools", "--stream"], &at(&serving)).ended().await.1;
    let shown = plain(&shown);
    let event = |line: &&str| ["→", "←", "~", "⇒"].iter().any(|mark| line.starts_with(mark));
    assert!(shown.lines().filter(event).all(|line| line.trim_end().chars().count() <= 40), "{shown}");
    assert!(shown.lines().any(|line| line.trim_end().ends_with('…')), "{shown}");
}

#[tokio::test]
async fn serve_on_a_terminal_logs_text_unless_it_is_told_otherwise() {
    let here = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let json = [&here[..], &["--log-format", "json"]].concat();
    for (arguments, variables, is_json, has_colour) in [
        (&here[..], &[][..], false, true),
        (&here, &[("NO_COLOR", "1")], false, false),
        (&json, &[], true, false),
        (&here, &[("XPANDER_PROXY_TELEMETRY__LOG_FORMAT", "json")], true, false),
    ] {
        let mut terminal = Terminal::run(WIDE, arguments, variables);
        terminal.until("serving").await;
        terminal.press(CTRL_C).await;
        terminal.until("draining").await;
        terminal.press(CTRL_C).await;
        let (_, shown) = terminal.ended().await;
        assert_eq!(shown.contains("\"level\":\"INFO\""), is_json, "{shown}");
        assert_eq!(shown.contains("\u{1b}["), has_colour, "{shown:?}");
    }
    // Who checks there sees what would be in force.
    let checked = Terminal::run(WIDE, &["check", "--sandbox"], &[]).ended().await.1;
    assert!(checked.contains("telemetry.log_format = \"text\""), "{checked}");
    assert!(run(&["check", "--sandbox"], &[]).await.good().contains("telemetry.log_format = \"json\""));
}
