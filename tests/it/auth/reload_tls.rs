//! Certificates in files that change under way: new connections see them, those that are there go on.

use std::time::Duration;

use tokio::time::sleep;

use super::{get, world};
use crate::support::{
    binary::Serving,
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Client, Proxy, settings},
    secure_caller::{Authority, Files, Identity, Secure},
};

async fn call(client: &mut Client) {
    within("an answer", client.get_task(get())).await.expect("OK");
}

/// Whether the proxy shows this certificate to a new connection.
async fn shows(grpc: &str, caller: &Secure, identity: &Identity) -> bool {
    let stream = within("a handshake", caller.connect(grpc)).await.expect("a handshake");
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    chain == [identity.der()]
}

/// Comes when the condition holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let mut files = None;
    let (_platform, proxy) = world(|settings| files = Some(Files::new(settings))).await;
    let files = files.expect("made");
    let caller = files.nobody();
    let mut old = caller.client(&proxy.grpc);
    call(&mut old).await;
    for _ in 0..2 {
        let new = files.authority.issue(&["localhost"]);
        files.put(&new);
        let probe = files.nobody();
        until("the new certificate", async || shows(&proxy.grpc, &probe, &new).await).await;
        call(&mut old).await;
        call(&mut files.nobody().client(&proxy.grpc)).await;
    }
    assert_eq!(caller.connections(), 1, "the old connection served all of its calls");
}

async fn mutual() -> (Platform, Proxy, Files) {
    let mut files = None;
    let (platform, proxy) = world(|settings| files = Some(Files::mutual(settings))).await;
    (platform, proxy, files.expect("made"))
}

#[tokio::test]
async fn callers_of_a_new_authority_are_let_in_and_those_of_the_old_one_kept_out() {
    let (_platform, proxy, files) = mutual().await;
    let other = Authority::new();
    let of_old = files.caller(&["old.acme.io"]);
    let of_new = Secure::new(&files.authority, Some(&other.issue(&["new.acme.io"])));
    let mut old = of_old.client(&proxy.grpc);
    call(&mut old).await;
    assert!(!within("an end", of_new.is_heard(&proxy.grpc)).await);
    // Both, for as long as certificates are exchanged; then the new one alone.
    files.folder.replace("clients.pem", &(files.authority.pem.clone() + &other.pem));
    until("the new authority", async || of_new.is_heard(&proxy.grpc).await).await;
    assert!(within("an answer", of_old.is_heard(&proxy.grpc)).await);
    files.folder.replace("clients.pem", &other.pem);
    until("the old one's end", async || !of_old.is_heard(&proxy.grpc).await).await;
    assert!(within("an answer", of_new.is_heard(&proxy.grpc)).await);
    call(&mut of_new.client(&proxy.grpc)).await;
    // A connection that was let in goes on.
    call(&mut old).await;
}

#[tokio::test]
async fn a_useless_certificate_key_or_authority_changes_nothing_and_nothing_of_it_is_logged() {
    const USELESS: &str = "a file has changed and cannot be used yet; the old one stays for now";
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let files = Files::mutual(&mut settings(&platform.base_url()));
    let first = files.authority.issue(&["localhost"]);
    files.put(&first);
    let path = |name: &str| files.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let mut serving = Serving::before(
        &platform.base_url(),
        &[
            ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", &path("tls.crt")),
            ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", &path("tls.key")),
            ("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE", &path("clients.pem")),
        ],
    )
    .await;
    let other = files.authority.issue(&["localhost"]);
    // As it is when a variable with line breaks goes through an unquoted echo.
    let one_line = other.key.replace('\n', " ");
    let half = &first.key[..first.key.len() / 2];
    let useless = [
        ("tls.crt", "", "tls_cert_file"),
        ("tls.crt", "garbage", "tls_cert_file"),
        ("tls.crt", &other.chain, "tls_key_file"),
        ("tls.key", &other.key, "tls_cert_file"),
        ("tls.key", "", "tls_key_file"),
        ("tls.key", &one_line, "tls_key_file"),
        ("tls.key", half, "tls_key_file"),
        ("tls.key", "-----BEGIN PRIVATE KEY----- garbage", "tls_key_file"),
        ("tls.key", &first.chain, "tls_key_file"),
        ("clients.pem", "", "tls_client_ca_file"),
        ("clients.pem", &other.key, "tls_client_ca_file"),
    ];
    for (name, content, setting) in useless {
        let good = std::fs::read_to_string(path(name)).expect("a file");
        files.folder.replace(name, content);
        let (line, text) = serving.line_after(USELESS).await;
        let error = line["error"].as_str().expect("an error");
        assert!(error.contains(setting) && error.contains(&path(name)), "{name} {content}: {error}");
        let secret = |key: &str| key.lines().nth(1).expect("a line of Base64").to_owned();
        assert!(![secret(&first.key), secret(&other.key)].iter().any(|secret| text.contains(secret)), "{text}");
        // Bytes as numbers, too.
        assert!(!text.contains("45, 45, 45") && !text.contains("garbage"), "{text}");
        let caller = files.caller(&["orders.acme.io"]);
        assert!(shows(&serving.grpc, &caller, &first).await, "{name} {content}");
        call(&mut caller.client(&serving.grpc)).await;
        files.folder.replace(name, &good);
        serving.line("a file has changed and is in force").await;
    }
}

/// A certificate that comes before its key, as scripts and kubelets write them, is half of what is being replaced.
#[tokio::test]
async fn a_certificate_and_a_key_replaced_one_after_the_other_are_no_fault_and_one_that_stays_alone_is() {
    const NOT_YET: &str = "a file has changed and cannot be used yet; the old one stays for now";
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let files = Files::mutual(&mut settings(&platform.base_url()));
    files.put(&files.authority.issue(&["localhost"]));
    let path = |name: &str| files.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let variables = [
        ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", &*path("tls.crt")),
        ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", &path("tls.key")),
    ];
    let mut serving = Serving::before(&platform.base_url(), &variables).await;
    let new = files.authority.issue(&["localhost"]);
    files.folder.replace("tls.crt", &new.chain);
    assert_eq!(serving.line(NOT_YET).await["level"], "WARN");
    files.folder.replace("tls.key", &new.key);
    let (_, text) = serving.line_after("a file has changed and is in force").await;
    assert!(!text.contains("\"ERROR\""), "{text}");
    assert!(shows(&serving.grpc, &files.nobody(), &new).await);
    files.folder.replace("tls.crt", &files.authority.issue(&["localhost"]).chain);
    let line = serving.line("a file has changed and cannot be used; the old one stays").await;
    assert_eq!(line["level"], "ERROR");
    assert!(shows(&serving.grpc, &files.nobody(), &new).await);
}
