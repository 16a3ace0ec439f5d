//! The client commands over TLS, with a certificate or a token: they work, and what is wrong is said in a line.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{sync::Notify, time::sleep};

use crate::support::{
    binary::{Run, Serving, binary, run},
    callers::hex,
    certificates::{Authority, Identity},
    folder::Folder,
    live::within,
    platform::{Platform, Reply, task},
};

const TOKEN: &str = "token-that-must-not-be-seen";
const ORDERS: &str = "spiffe://acme.example/orders";

/// A server of TLS for `localhost`, and where it is.
async fn serving(server: &Identity, more: &[(&str, &str)]) -> (Serving, String) {
    let tls = [
        ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", text(&server.cert_file)),
        ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", text(&server.key_file)),
    ];
    let serving = Serving::sandbox(&[&tls, more].concat()).await;
    let url = serving.grpc.replace("http://127.0.0.1", "https://localhost");
    (serving, url)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The setting that lets one caller in by its token.
fn tokens() -> String {
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("orders={hash}")
}

/// What was said of wrong usage.
fn usage(run: Run) -> String {
    assert_eq!((run.code, &*run.out), (Some(2), ""), "{run:?}");
    assert!(!run.err.contains(TOKEN), "{run:?}");
    run.err
}

/// What was said of a call that failed, or of a proxy whose health could not be asked for.
fn failed(run: Run) -> String {
    assert!(matches!(run.code, Some(1 | 5)) && run.out.is_empty(), "{run:?}");
    assert!(!run.err.contains(TOKEN), "{run:?}");
    run.err
}

#[tokio::test]
async fn each_client_command_shows_its_certificate() {
    let authority = Authority::new();
    let (server, orders) = (authority.vouch_for("localhost"), authority.vouch_for(ORDERS));
    let environment = [
        ("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE", text(&authority.ca_file)),
        ("XPANDER_PROXY_AUTH__ALLOWED_CLIENTS", ORDERS),
        ("XPANDER_PROXY_AUTH__OPEN_HEALTH", "false"),
    ];
    let (_serving, url) = serving(&server, &environment).await;
    let flags = [
        ["--server", &url],
        ["--ca-file", text(&authority.ca_file)],
        ["--cert-file", text(&orders.cert_file)],
        ["--key-file", text(&orders.key_file)],
    ]
    .concat();
    let with = |command: &[&'static str]| [command, &flags[..]].concat();
    assert_eq!(run(&with(&["health"]), &[]).await.good(), "serving\n");
    let task = run(&with(&["invoke", "one two", "--agent", "echo", "--events-streaming", "--json"]), &[]).await.json();
    let id: &'static str = task[0]["task"]["id"].as_str().expect("an id").to_owned().leak();
    for command in [&["wait", id][..], &["get", id], &["events", id], &["stop", id]] {
        assert!(run(&with(command), &[]).await.good().contains(id), "{command:?}");
    }
    assert!(run(&with(&["invoke", "one two", "--agent", "echo", "--stream"]), &[]).await.good().contains("one two"));

    // The same from the environment; and without a certificate nothing works.
    let (ca, cert, key) = (text(&authority.ca_file), text(&orders.cert_file), text(&orders.key_file));
    let variables = [
        ("XPANDER_GRPC_SERVER", &*url),
        ("XPANDER_GRPC_CA_FILE", ca),
        ("XPANDER_GRPC_CERT_FILE", cert),
        ("XPANDER_GRPC_KEY_FILE", key),
    ];
    assert_eq!(run(&["health"], &variables).await.good(), "serving\n");
    for command in [&["health"][..], &["get", id]] {
        let err = failed(run(command, &variables[..2]).await);
        assert!(err.contains("UNAVAILABLE") && err.contains("--cert-file"), "{err}");
    }
}

#[tokio::test]
async fn a_token_comes_from_a_file_or_the_environment() {
    let authority = Authority::new();
    let server = authority.vouch_for("localhost");
    let (tokens, ca) = (tokens(), text(&authority.ca_file));
    let (_serving, url) = serving(&server, &[("XPANDER_PROXY_AUTH__TOKENS", &tokens)]).await;
    let file = authority.ca_file.with_file_name("token");
    fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let invoke = ["invoke", "hi", "--agent", "echo", "--server", &url, "--ca-file", ca];
    run(&[&invoke[..], &["--token-file", text(&file)]].concat(), &[]).await.good();
    run(&invoke, &[("XPANDER_GRPC_TOKEN", TOKEN)]).await.good();
    run(&invoke, &[("XPANDER_GRPC_TOKEN_FILE", text(&file)), ("XPANDER_GRPC_TOKEN", "another")]).await.good();
    for variables in [&[][..], &[("XPANDER_GRPC_TOKEN", "")], &[("XPANDER_GRPC_TOKEN", "another")]] {
        let err = failed(run(&invoke, variables).await);
        assert!(err.contains("UNAUTHENTICATED") && err.contains("token"), "{err}");
    }
}

/// Kubernetes exchanges a pod's token each hour, and a command may last longer: each of its calls shows the one that is there.
#[tokio::test]
async fn a_file_with_a_token_is_read_again_for_each_call() {
    let (folder, gate) = (Folder::new(), Arc::new(Notify::new()));
    let told = Arc::clone(&gate);
    // One more than there are on a page.
    let rows: Vec<_> = (0..=200).map(|at| task(&format!("task-{at}"), "completed")).collect();
    let platform =
        Platform::start(move |_| Reply::After(Arc::clone(&told), Box::new(Reply::json(200, &json!(rows))))).await;
    let token = folder.write("token", "token-of-a\n");
    let tokens = format!("a={},b={}", hex("token-of-a"), hex("token-of-b"));
    let environment = [("XPANDER_PROXY_AUTH__TOKENS", &*tokens), ("XPANDER_PROXY_AUTH__LIST_TASKS", "*")];
    let mut serving = Serving::before(&platform.base_url(), &environment).await;
    let variables =
        [("XPANDER_GRPC_SERVER", serving.grpc.clone()), ("XPANDER_GRPC_TOKEN_FILE", text(&token).to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, &**value));
    let command = tokio::spawn(binary(&["tasks", "--agent", "agent-1", "--json"], &variables).output());
    within("the first call", async {
        while platform.seen().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    folder.replace("token", "token-of-b\n");
    let callers = async {
        let mut callers = Vec::new();
        while callers.len() < 2 {
            callers.push(serving.line("call").await["caller"].clone());
        }
        callers
    };
    let opened = async {
        loop {
            gate.notify_one();
            sleep(Duration::from_millis(20)).await;
        }
    };
    let callers = tokio::select! {
        callers = within("two calls", callers) => callers,
        () = opened => unreachable!(),
    };
    assert_eq!(callers, ["a", "b"]);
    let ended = within("its end", command).await.expect("no panic").expect("it runs");
    assert!(ended.status.success(), "{ended:?}");
}

#[tokio::test]
async fn a_token_is_sent_over_tls_or_to_this_machine_only() {
    let tokens = tokens();
    let serving = Serving::sandbox(&[("XPANDER_PROXY_AUTH__TOKENS", &tokens)]).await;
    let variables = [("XPANDER_GRPC_SERVER", &*serving.grpc), ("XPANDER_GRPC_TOKEN", TOKEN)];
    run(&["invoke", "hi", "--agent", "echo"], &variables).await.good();
    for server in ["http://proxy.example.com:50051", "10.0.0.1:50051", "http://[2001:db8::1]"] {
        let err = usage(run(&["get", "t", "--server", server], &variables[1..]).await);
        assert!(err.contains("XPANDER_GRPC_TOKEN") && err.contains("https://") && err.contains(server), "{err}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_called() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.vouch_for("localhost");
    let (_serving, url) = serving(&server, &[]).await;
    let health = ["health", "--server", &url, "--ca-file"];
    let err = failed(run(&[&health[..], &[text(&other.ca_file)]].concat(), &[]).await);
    assert!(err.contains("UNAVAILABLE") && err.contains(&url) && err.contains("certificate"), "{err}");
    // The system's authorities do not know it either, where there are any.
    let run_by_system = run(&health[..3], &[]).await;
    assert!(matches!(run_by_system.code, Some(1 | 2)), "{run_by_system:?}");
    // Its certificate is for another name than the address, unless that is said.
    let address = url.replace("localhost", "127.0.0.1");
    let by_address = ["health", "--server", &address, "--ca-file", text(&authority.ca_file)];
    assert!(failed(run(&by_address, &[]).await).contains("certificate"));
    run(&[&by_address[..], &["--server-name", "localhost"]].concat(), &[]).await.good();
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said_with_its_flag() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (one, two) = (authority.vouch_for("one"), other.vouch_for("two"));
    let empty = authority.ca_file.with_file_name("empty");
    fs::write(&empty, "").expect("written");
    let (ca, cert, key) = (text(&authority.ca_file), text(&one.cert_file), text(&one.key_file));
    let (none, no_pem) = ("/no/such/file", text(&empty));
    let rows: [(&[&str], &[&str]); 9] = [
        (&["--ca-file", none], &["--ca-file", none]),
        (&["--ca-file", no_pem], &["--ca-file", no_pem, "no certificate"]),
        (&["--ca-file", key], &["--ca-file", key]),
        (&["--ca-file", ca, "--cert-file", none, "--key-file", key], &["--cert-file", none]),
        (&["--ca-file", ca, "--cert-file", cert, "--key-file", no_pem], &["--key-file", no_pem]),
        (&["--ca-file", ca, "--cert-file", cert, "--key-file", text(&two.key_file)], &["TLS"]),
        (&["--ca-file", ca, "--cert-file", cert], &["--key-file"]),
        (&["--ca-file", ca, "--token-file", none], &["--token-file", "cannot be read"]),
        (&["--ca-file", ca, "--token-file", no_pem], &["--token-file", "empty"]),
    ];
    for (flags, words) in rows {
        let err = usage(run(&[&["get", "t", "--server", "https://localhost:1"], flags].concat(), &[]).await);
        assert!(words.iter().all(|word| err.contains(word)), "{flags:?}: {err}");
        assert_eq!(err.lines().filter(|line| line.starts_with("error:")).count(), 1, "{err}");
    }
    let err = usage(run(&["get", "t", "--ca-file", ca], &[]).await);
    assert!(err.contains("--ca-file") && err.contains("https://"), "{err}");
}
