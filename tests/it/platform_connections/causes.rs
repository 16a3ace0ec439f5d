//! Why the platform cannot be reached: in the call's log line, and never in the caller's message.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::elsewhere;
use crate::support::{
    binary::Serving,
    calls::At,
    certificates::Authority,
    live::within,
    platform::{Platform, Reply, task},
    secure::{SecurePlatform, Speaks},
};

/// Calls of each kind before such a platform: what their lines say of the cause.
async fn check(base_url: &str, environment: &[(&str, &str)], causes: &[&str]) {
    let mut serving = Serving::before(base_url, environment).await;
    let client = serving.client();
    for at in [At::Get, At::Stop, At::Create, At::Follow] {
        let failure = within("an end", at.fail(&client, "1", None)).await;
        let line = serving.line("call").await;
        let cause = line.get("cause").and_then(|cause| cause.as_str()).unwrap_or_default();
        assert!(causes.iter().all(|word| cause.contains(word)), "{at:?}: {causes:?} in {cause:?}");
        let told = format!("{failure:?}");
        assert!(!causes.iter().any(|word| told.contains(word)), "{at:?}: {told}");
    }
}

#[tokio::test]
async fn why_no_connection_could_be_made_is_in_the_line_of_each_call() {
    let (tls, other) = (Speaks::Tls(&[b"h2", b"http/1.1"]), Authority::new());
    let (platform, misnamed) =
        tokio::join!(SecurePlatform::start(tls, "localhost"), SecurePlatform::start(tls, "elsewhere.test"));
    let ca = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let (known, unknown, other_name) = (ca(&platform.ca_file), ca(&other.ca_file), ca(&misnamed.ca_file));
    const CA_FILE: &str = "XPANDER_PROXY_PLATFORM__CA_FILE";
    check(&platform.base_url, &[(CA_FILE, &unknown)], &["UnknownIssuer"]).await;
    check(&misnamed.base_url, &[(CA_FILE, &other_name)], &["not valid for name"]).await;
    check("http://platform.invalid", &[], &["dns error"]).await;
    check("http://127.0.0.1:1", &[], &["Connection refused"]).await;
    let clear = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("https://localhost:{}", clear.local_addr().expect("bound").port());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = clear.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    check(&url, &[(CA_FILE, &known)], &["InvalidContentType"]).await;
}

#[tokio::test]
async fn a_dead_forward_proxy_is_told_as_such() {
    let platform = elsewhere().await;
    let ca_file = platform.ca_file.to_str().expect("UTF-8").to_owned();
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://user:hunter2@{}", nobody.local_addr().expect("bound"));
    drop(nobody);
    let environment = [("XPANDER_PROXY_PLATFORM__CA_FILE", &*ca_file), ("HTTPS_PROXY", &url)];
    check(&platform.base_url, &environment, &["forward proxy", "Connection refused"]).await;
}

#[tokio::test]
async fn why_a_connection_was_lost_is_told_too() {
    for reply in [|| Reply::Reset(Vec::new()), || Reply::Raw(Vec::new()), || Reply::Raw(b"nonsense\r\n\r\n".to_vec())] {
        let platform = Platform::start(move |request| match request.path.strip_prefix("/agents/") {
            Some(id) => Reply::json(200, &json!({ "id": id })),
            None => reply(),
        })
        .await;
        check(&platform.base_url(), &[], &["error"]).await;
    }
    // A stream that breaks and cannot be opened again.
    let platform = Platform::start(|request| match request.path.ends_with("/events") {
        true if request.connection == 0 => Reply::Torn(b": hi\n\n".to_vec()),
        true => Reply::json(403, &json!({})),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let mut serving = Serving::before(&platform.base_url(), &[]).await;
    serving.run(&["events", "task-1"]).await;
    let line = serving.line("call").await;
    assert!(line["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{line:?}");
}
