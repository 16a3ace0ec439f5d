//! TLS on the gRPC port: the server's certificate, callers' certificates, and both beside tokens.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use xpander_grpc_proxy::config::Settings;

use super::{get, world};
use crate::support::{
    callers::{bearer, let_in, with},
    live::within,
    platform::Platform,
    proxy::Proxy,
    secure_caller::{Authority, Files, Secure},
    status::{Failure, failure},
};

const ID: &str = "spiffe://acme.io/ns/shop/sa/orders";

/// A proxy that knows callers by certificate.
async fn mutual(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy, Files) {
    let mut files = None;
    let (platform, proxy) = world(|settings| {
        files = Some(Files::mutual(settings));
        change(settings);
    })
    .await;
    (platform, proxy, files.expect("made"))
}

fn allow(settings: &mut Settings, clients: &[&str]) {
    settings.auth.allowed_clients = clients.iter().map(|client| (*client).to_owned()).collect();
}

async fn call(caller: &Secure, proxy: &Proxy) -> Result<(), tonic::Status> {
    within("an answer", caller.client(&proxy.grpc).get_task(get())).await.map(drop)
}

async fn refused(caller: &Secure, proxy: &Proxy) -> Failure {
    failure(call(caller, proxy).await)
}

#[tokio::test]
async fn the_servers_certificate_alone_keeps_nobody_out() {
    let mut files = None;
    let (platform, proxy) = world(|settings| files = Some(Files::new(settings))).await;
    let files = files.expect("made");
    call(&files.nobody(), &proxy).await.expect("everybody may call");
    // Nobody asks for a certificate.
    call(&files.caller(&[ID]), &proxy).await.expect("everybody may call");
    assert_eq!(platform.paths().len(), 2);
    let stranger = Secure::new(&Authority::new(), None);
    assert!(stranger.connect(&proxy.grpc).await.is_err(), "the caller checks the certificate");
}

#[tokio::test]
async fn http2_is_what_alpn_agrees_on_and_nothing_else_is_spoken() {
    let mut files = None;
    let (_platform, proxy) = world(|settings| files = Some(Files::new(settings))).await;
    let files = files.expect("made");
    let both = Secure::speaking(&[b"http/1.1", b"h2"], &files.authority, None);
    let stream = both.connect(&proxy.grpc).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let old = Secure::speaking(&[b"http/1.1"], &files.authority, None);
    assert!(!within("an end", old.is_heard(&proxy.grpc)).await);
    let silent = Secure::speaking(&[], &files.authority, None);
    assert!(within("an answer", silent.is_heard(&proxy.grpc)).await, "gRPC may go without ALPN");
}

#[tokio::test]
async fn cleartext_gets_nothing_from_a_port_that_speaks_tls() {
    let mut files = None;
    let (platform, proxy) = world(|settings| files = Some(Files::new(settings))).await;
    within("an answer", proxy.client().get_task(get())).await.expect_err("no TLS");
    let address = proxy.grpc.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("connects");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("open");
    let mut answer = Vec::new();
    // An end or a reset; before it at most an alert of TLS.
    let _ = within("the end", socket.read_to_end(&mut answer)).await;
    assert!(answer.len() < 16 && !answer.windows(4).any(|word| word == b"HTTP"), "{answer:?}");
    assert_eq!(platform.paths(), Vec::<String>::new());
    assert!(files.is_some());
}

#[tokio::test]
async fn the_allow_list_takes_spiffe_ids_and_dns_names() {
    let (platform, proxy, files) = mutual(|settings| allow(settings, &[ID, "billing.acme.io"])).await;
    for names in [&[ID][..], &["billing.acme.io"], &["Billing.ACME.io"], &["other.acme.io", "billing.acme.io"]] {
        call(&files.caller(names), &proxy).await.unwrap_or_else(|status| panic!("{names:?}: {status}"));
    }
    let let_in = platform.paths().len();
    for names in [
        &["spiffe://acme.io/ns/shop/sa/other"][..],
        &["spiffe://acme.io/ns/shop/sa/orders/more"],
        &["https://acme.io/ns/shop/sa/orders"],
        &["shop.billing.acme.io"],
        &["acme.io"],
        &["*.acme.io"],
        &[],
    ] {
        let refused = refused(&files.caller(names), &proxy).await;
        assert_eq!((refused.code, &*refused.reason), (Code::PermissionDenied, "CALLER_NOT_ALLOWED"), "{names:?}");
    }
    assert_eq!((let_in, platform.paths().len()), (4, 4), "nothing of them reached the platform");
}

#[tokio::test]
async fn without_an_allow_list_every_name_that_the_authority_vouches_for_may_call() {
    let (_platform, proxy, files) = mutual(|_| {}).await;
    for names in [&[ID][..], &["anything.acme.io"]] {
        call(&files.caller(names), &proxy).await.unwrap_or_else(|status| panic!("{names:?}: {status}"));
    }
    // Rights and request ids belong to names: one without any could not be told from another.
    assert_eq!(refused(&files.caller(&[]), &proxy).await.reason, "CALLER_NOT_ALLOWED");
}

#[tokio::test]
async fn a_certificate_of_another_authority_does_not_get_past_the_handshake() {
    let (platform, proxy, files) = mutual(|_| {}).await;
    let other = Authority::new().issue(&[ID]);
    let stranger = Secure::new(&files.authority, Some(&other));
    assert!(!within("an end", stranger.is_heard(&proxy.grpc)).await);
    call(&stranger, &proxy).await.expect_err("no connection");
    assert!(within("an answer", files.caller(&[ID]).is_heard(&proxy.grpc)).await, "the right authority's does");
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn no_certificate_is_unauthenticated_where_something_is_open() {
    let (platform, proxy, files) = mutual(|_| {}).await;
    let refused = refused(&files.nobody(), &proxy).await;
    assert_eq!((refused.code, &*refused.reason), (Code::Unauthenticated, "CALLER_UNAUTHENTICATED"));
    let request = HealthCheckRequest { service: String::new() };
    let mut health = HealthClient::new(files.nobody().channel(&proxy.grpc));
    within("an answer", health.check(request)).await.expect("health is open");
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn no_certificate_does_not_get_past_the_handshake_where_nothing_is_open() {
    let (_platform, proxy, files) = mutual(|settings| settings.auth.open_health = false).await;
    assert!(!within("an end", files.nobody().is_heard(&proxy.grpc)).await);
    call(&files.caller(&[ID]), &proxy).await.expect("a certificate does");
}

#[tokio::test]
async fn a_token_or_a_certificate_is_enough_and_a_wrong_token_is_never_ignored() {
    let (platform, proxy, files) = mutual(|settings| {
        let_in(settings, &[("billing", "right-token")]);
        allow(settings, &[ID]);
        settings.auth.open_health = false;
    })
    .await;
    call(&files.caller(&[ID]), &proxy).await.expect("a certificate");
    let stranger = files.caller(&["stranger.acme.io"]);
    for caller in [files.nobody(), files.caller(&[ID]), stranger.clone()] {
        let mut client = caller.client(&proxy.grpc);
        within("an answer", client.get_task(bearer(get(), "right-token"))).await.expect("a token");
    }
    let let_in = platform.paths().len();
    let mut client = files.caller(&[ID]).client(&proxy.grpc);
    for wrong in ["Bearer wrong-token", "Bearer", "Bearer ", "bearer  "] {
        let request = with(get(), &[("authorization", wrong)]);
        let wrong = failure(within("an answer", client.get_task(request)).await);
        assert_eq!((wrong.code, &*wrong.reason), (Code::Unauthenticated, "CALLER_UNAUTHENTICATED"));
    }
    assert_eq!(refused(&files.nobody(), &proxy).await.code, Code::Unauthenticated);
    assert_eq!(refused(&stranger, &proxy).await.code, Code::PermissionDenied);
    assert_eq!((let_in, platform.paths().len()), (4, 4));
}

#[tokio::test]
async fn the_admin_port_stays_cleartext_and_never_carries_the_api() {
    let (platform, proxy, _files) = mutual(|_| {}).await;
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let livez = within("an answer", http.get(format!("{}/livez", proxy.admin)).send()).await.expect("an answer");
    assert_eq!(livez.status().as_u16(), 200);
    for path in [
        "xpander.agent.v1.AgentService/GetTask",
        "xpander.agent.v1.AgentService/Invoke",
        "grpc.health.v1.Health/Check",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let post = |client: &reqwest::Client| {
            let request = client.post(format!("{}/{path}", proxy.admin)).header("content-type", "application/grpc");
            request.body(&b"\0\0\0\0\0"[..]).send()
        };
        let answer = within("an answer", post(&http)).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 404, "{path}");
        if let Ok(answer) = within("an answer", post(&http2)).await {
            assert_eq!(answer.status().as_u16(), 404, "{path}");
        }
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}
