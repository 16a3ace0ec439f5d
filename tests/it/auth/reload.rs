//! Secrets in files that change under way: the next call uses them, and a file that is no good changes nothing.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use serde_json::json;
use tokio::time::sleep;
use tonic::Code;
use xpander_grpc_proxy::{config::Settings, proto::InvokeRequest};

use super::{get, world};
use crate::support::{
    binary::Serving,
    callers::{bearer, hex},
    calls::invoke,
    folder::Folder,
    live::{Followed, Live, within},
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
};

const CHANGED: &str = "a file has changed and is in force";
const USELESS: &str = "a file has changed and cannot be used; the old one stays";

/// The key that a call reaches the platform with.
async fn key(platform: &Platform, client: &mut Client) -> String {
    within("an answer", client.get_task(get())).await.expect("OK");
    let seen = platform.seen();
    seen.last().and_then(|request| request.header("x-api-key")).expect("a key").to_owned()
}

/// Calls until the platform sees this key.
async fn becomes(platform: &Platform, client: &mut Client, new: &str) {
    within(new, async {
        while key(platform, client).await != new {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn keyed(path: &Path, change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    world(|settings| {
        settings.platform.api_key_file = Some(path.to_owned());
        change(settings);
    })
    .await
}

#[tokio::test]
async fn a_key_that_is_written_over_is_used_by_the_next_call() {
    let folder = Folder::new();
    let (platform, proxy) = keyed(&folder.write("key", "key-number-1\n"), |_| {}).await;
    let mut client = proxy.client();
    assert_eq!(key(&platform, &mut client).await, "key-number-1");
    for new in ["key-number-2", "key-number-3"] {
        folder.write("key", &format!("{new}\n"));
        becomes(&platform, &mut client, new).await;
    }
    let connections = |key: &str| -> Vec<_> {
        let seen = platform.seen().into_iter().filter(|request| request.header("x-api-key") == Some(key));
        seen.map(|request| request.connection).collect()
    };
    let (first, last) = (connections("key-number-1"), connections("key-number-3"));
    assert!(first.iter().all(|connection| !last.contains(connection)), "no connection serves two keys");
}

#[tokio::test]
async fn a_key_whose_file_is_replaced_is_used_by_the_next_call() {
    let folder = Folder::new();
    let (platform, proxy) = keyed(&folder.write("key", "key-number-1"), |_| {}).await;
    let mut client = proxy.client();
    for new in ["key-number-2", "key-number-3"] {
        folder.replace("key", new);
        becomes(&platform, &mut client, new).await;
    }
}

/// What Kubernetes does with a mounted secret.
fn mount(folder: &Path, version: &str, key: &str) {
    fs::create_dir(folder.join(version)).expect("a new folder");
    fs::write(folder.join(version).join("key"), key).expect("written");
    symlink(version, folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
}

#[tokio::test]
async fn a_key_in_a_secret_that_kubernetes_mounts_is_used_by_the_next_call() {
    let folder = Folder::new();
    mount(folder.path(), "..2026_1", "key-number-1");
    let path = folder.path().join("key");
    symlink("..data/key", &path).expect("a link");
    let (platform, proxy) = keyed(&path, |_| {}).await;
    let mut client = proxy.client();
    assert_eq!(key(&platform, &mut client).await, "key-number-1");
    for (version, old, new) in [("..2026_2", "..2026_1", "key-number-2"), ("..2026_3", "..2026_2", "key-number-3")] {
        mount(folder.path(), version, new);
        fs::remove_dir_all(folder.path().join(old)).expect("the old one goes");
        becomes(&platform, &mut client, new).await;
    }
}

#[tokio::test]
async fn a_request_id_outlives_a_rotation_of_the_proxys_key() {
    let folder = Folder::new();
    let (platform, proxy) = keyed(&folder.write("key", "key-number-1"), |_| {}).await;
    let mut client = proxy.client();
    let named = || InvokeRequest { request_id: "r-1".to_owned(), ..invoke("echo") };
    within("an answer", client.invoke(named())).await.expect("OK");
    folder.replace("key", "key-number-2");
    becomes(&platform, &mut client, "key-number-2").await;
    within("an answer", client.invoke(named())).await.expect("OK");
    let creates = platform.paths().iter().filter(|path| path.starts_with("POST")).count();
    assert_eq!(creates, 1, "the same caller, the same task");
}

/// A stream outlives the key it was opened with: it is opened again with the one that is in force.
#[tokio::test]
async fn a_stream_that_breaks_is_opened_again_with_the_key_that_is_in_force() {
    let folder = Folder::new();
    let path = folder.write("key", "key-number-1");
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    settings.platform.api_key_file = Some(path);
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    let mut followed = Followed::begin(&mut client).await;
    live.chunk("one");
    assert_eq!(followed.text().await, "one");
    folder.replace("key", "key-number-2");
    within("the new key", async {
        while key(&live.platform, &mut client).await != "key-number-2" {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let before = live.platform.seen().len();
    // The end of what is sent ends the stream.
    let platform = live.hang_up();
    within("the stream's opening", async {
        while !platform.seen()[before..].iter().any(|request| request.path.ends_with("/events")) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(platform.seen()[before..].iter().all(|request| request.header("x-api-key") == Some("key-number-2")));
}

async fn serving(variables: &[(&str, &str)]) -> (Platform, Serving) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let serving = Serving::before(&platform.base_url(), variables).await;
    (platform, serving)
}

#[tokio::test]
async fn a_useless_key_file_is_logged_without_its_content_and_the_old_key_stays() {
    let folder = Folder::new();
    let path = folder.write("key", "key-number-1");
    // One that was given in the place of the file's would win over it.
    let path = [("XPANDER_PROXY_PLATFORM__API_KEY_FILE", path.to_str().expect("UTF-8"))];
    let (platform, mut serving) = serving(&path).await;
    let mut client = serving.client();
    let long = "garbage-word-".repeat(6_000);
    for content in ["garbage-word- garbage-word-", "", "garbage-word-\ngarbage-word-", "garbage-word-\u{7}", &*long] {
        folder.replace("key", content);
        let (line, text) = serving.line_after(USELESS).await;
        assert_eq!((&line["level"], &line["what"]), (&json!("ERROR"), &json!("platform.api_key_file")));
        assert!(line["error"].as_str().is_some_and(|error| !error.is_empty()), "{line:?}");
        assert!(!text.contains("garbage-word-") && !text.contains("key-number-1"), "{text}");
        assert_eq!(key(&platform, &mut client).await, "key-number-1");
    }
    fs::remove_file(folder.path().join("key")).expect("removed");
    serving.line(USELESS).await;
    assert_eq!(key(&platform, &mut client).await, "key-number-1");
    folder.replace("key", "key-number-2");
    let (line, text) = serving.line_after(CHANGED).await;
    assert_eq!(line["what"], "platform.api_key_file");
    assert!(!text.contains("key-number-2"), "{text}");
    assert_eq!(key(&platform, &mut client).await, "key-number-2", "in force when it is told");
}

async fn code(client: &mut Client, token: &str) -> Code {
    match within("an answer", client.get_task(bearer(get(), token))).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test]
async fn callers_come_and_go_with_the_file_of_tokens() {
    let folder = Folder::new();
    let line = |name: &str, token: &str| format!("{name}={}\n", hex(token));
    let path = folder.write("tokens", &("# callers\n".to_owned() + &line("orders", "token-1")));
    let written = format!("ops={}", hex("token-ops"));
    let (platform, mut serving) = serving(&[
        ("XPANDER_PROXY_AUTH__TOKENS", &written),
        ("XPANDER_PROXY_AUTH__TOKENS_FILE", path.to_str().expect("UTF-8")),
    ])
    .await;
    let mut client = serving.client();
    let mut codes = async |serving: &mut Serving, content: &str, message: &str| {
        folder.replace("tokens", content);
        let (_, text) = serving.line_after(message).await;
        assert!(!text.contains("garbage-word") && !text.contains(&hex("token-2")), "{text}");
        let mut codes = Vec::new();
        for token in ["token-1", "token-2", "token-ops"] {
            codes.push(code(&mut client, token).await == Code::Ok);
        }
        codes
    };
    let both = line("orders", "token-1") + &line("billing", "token-2");
    assert_eq!(codes(&mut serving, &both, CHANGED).await, [true, true, true], "a new caller is let in");
    for useless in ["", "\n\n", "# callers\n", "garbage-word\n", "a=garbage-word\n", &format!("{both}garbage-word")] {
        assert_eq!(codes(&mut serving, useless, USELESS).await, [true, true, true], "{useless}");
    }
    let removed = line("billing", "token-2");
    assert_eq!(codes(&mut serving, &removed, CHANGED).await, [false, true, true], "a removed one is refused");
    let nobody = line("nobody", "a token that nobody has");
    assert_eq!(codes(&mut serving, &nobody, CHANGED).await, [false, false, true], "the settings' own stay");
    let asked = platform.paths().len();
    assert_eq!(code(&mut client, "token-1").await, Code::Unauthenticated);
    assert_eq!(platform.paths().len(), asked);
}
