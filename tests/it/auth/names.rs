//! The names in callers' certificates: which are taken, and that names of one kind never meet those of another.

use rcgen::{KeyUsagePurpose, SanType};
use serde_json::Value;
use tonic::Code;
use xpander_grpc_proxy::{config::Settings, proto::InvokeRequest};

use super::{get, world};
use crate::support::{
    callers::{let_in, with},
    calls::invoke,
    live::within,
    platform::Platform,
    proxy::Proxy,
    secure_caller::{Files, Identity, Secure},
    status::failure,
};

const DNS: u8 = 2;
const URI: u8 = 6;

async fn mutual(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy, Files) {
    let mut files = None;
    let (platform, proxy) = world(|settings| {
        files = Some(Files::mutual(settings));
        change(settings);
    })
    .await;
    (platform, proxy, files.expect("made"))
}

/// Whether a caller with this certificate may call; it is told so in one way.
async fn may_call(files: &Files, proxy: &Proxy, shows: &Identity) -> bool {
    let mut client = Secure::new(&files.authority, Some(shows)).client(&proxy.grpc);
    match within("an answer", client.get_task(get())).await {
        Ok(_) => true,
        Err(status) => {
            let refused = failure::<()>(Err(status));
            assert_eq!((refused.code, &*refused.reason), (Code::PermissionDenied, "CALLER_NOT_ALLOWED"));
            false
        }
    }
}

#[tokio::test]
async fn a_name_that_spiffes_rules_or_dnss_do_not_allow_names_nobody() {
    let (platform, proxy, files) = mutual(|_| {}).await;
    let long_path = format!("spiffe://acme.io/{}", "a".repeat(2048));
    let long_domain = format!("spiffe://{}/a", "a".repeat(256));
    let long_host = format!("{}io", "abcdefgh.".repeat(30));
    let bad_ids = [
        "spiffe://",
        "spiffe:///a",
        // A trust domain's own, which is an authority's.
        "spiffe://acme.io",
        "spiffe://acme.io/",
        "spiffe://acme.io/a//b",
        "spiffe://acme.io/a/",
        "spiffe://acme.io/./a",
        "spiffe://acme.io/../a",
        "spiffe://Acme.io/a",
        "SPIFFE://acme.io/a",
        "Spiffe://acme.io/a",
        "spiffe:acme.io/a",
        "spiffe://acme.io:443/a",
        "spiffe://me@acme.io/a",
        "spiffe://acme.io/a?b=c",
        "spiffe://acme.io/a#b",
        "spiffe://acme.io/a%2fb",
        "spiffe://acme.io/a b",
        "spiffe://acme.io/a\n",
        "spiffe://acme.io/a\0",
        "spiffe://acme.io/a\x1b[2J",
        "spiffe://acme.io/a,b",
        "spiffe://acme.io/~a",
        "spiffe://acme_io!/a",
        "spiffe://[::1]/a",
        &long_path,
        &long_domain,
    ];
    for id in bad_ids {
        let shows = files.authority.issue_as_it_is(&[(URI, id.as_bytes())]);
        assert!(!may_call(&files, &proxy, &shows).await, "{id:.80}");
        // Nor does a good name beside it help.
        let shows = files.authority.issue_as_it_is(&[(DNS, b"orders.acme.io"), (URI, id.as_bytes())]);
        assert!(!may_call(&files, &proxy, &shows).await, "{id:.80}, and a host");
    }
    let bad_hosts: [&[u8]; 14] = [
        b"*.acme.io",
        b"*",
        b"a.*.io",
        b"",
        b".",
        b"acme.io.",
        b".acme.io",
        b"acme..io",
        b"a b.io",
        b"a\nb.io",
        b"a\0b.io",
        b"\x1b[2J.io",
        b"10.0.0.1",
        long_host.as_bytes(),
    ];
    for host in
        bad_hosts.into_iter().chain([&b"dns:acme.io"[..], b"spiffe://acme.io/a", "\u{fc}.io".as_bytes(), b"\xff.io"])
    {
        let shows = files.authority.issue_as_it_is(&[(DNS, host)]);
        assert!(!may_call(&files, &proxy, &shows).await, "{:.80}", String::from_utf8_lossy(host));
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

/// By SPIFFE's rules who may vouch for others is no caller (X.509-SVID, 5.2).
#[tokio::test]
async fn a_certificate_that_may_vouch_for_others_names_nobody() {
    let (platform, proxy, files) = mutual(|_| {}).await;
    let shows = |usage: &[KeyUsagePurpose]| {
        files.authority.issue_with(|params| {
            params.key_usages = [&[KeyUsagePurpose::DigitalSignature], usage].concat();
            params.subject_alt_names = vec![SanType::URI("spiffe://acme.io/a".try_into().expect("ASCII"))];
        })
    };
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        assert!(!may_call(&files, &proxy, &shows(&[usage])).await, "{usage:?}");
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
    assert!(may_call(&files, &proxy, &shows(&[])).await);
}

#[tokio::test]
async fn who_shows_a_spiffe_id_shows_exactly_one_uri() {
    let (platform, proxy, files) = mutual(|_| {}).await;
    let one: (u8, &[u8]) = (URI, b"spiffe://acme.io/a");
    for other in
        [&b"spiffe://acme.io/b"[..], b"spiffe://acme.io/a", b"https://acme.io/a", b"spiffe://", b"\xff\xfe", b""]
    {
        for names in [[one, (URI, other)], [(URI, other), one]] {
            assert!(!may_call(&files, &proxy, &files.authority.issue_as_it_is(&names)).await, "{other:?}");
        }
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
    let path = [&b"spiffe://acme.io/"[..], &[b'a'; 2048 - 17]].concat();
    for names in [
        &[one][..],
        &[one, (DNS, b"*.acme.io"), (DNS, b"acme.io")],
        &[(URI, &*path)],
        &[(URI, b"spiffe://acme.io/A-1/b_c.d/...")],
    ] {
        assert!(may_call(&files, &proxy, &files.authority.issue_as_it_is(names)).await, "{names:?}");
    }
    // A server's certificate may have names that are no caller's beside one that is.
    for names in [[(DNS, &b"*.acme.io"[..]), (DNS, b"Orders.acme.io")], [(URI, b"https://acme.io"), (DNS, b"acme.io")]]
    {
        assert!(may_call(&files, &proxy, &files.authority.issue_as_it_is(&names)).await, "{names:?}");
    }
}

/// Who calls, and what is shown for that.
enum Shows {
    Token(&'static str),
    Name(&'static str),
}

/// What the platform sees of the principal when these call, each with the same request id.
async fn principals(change: impl FnOnce(&mut Settings), callers: &[Shows]) -> Vec<Value> {
    let (platform, proxy, files) = mutual(|settings| {
        settings.users.principal = true;
        change(settings);
    })
    .await;
    for caller in callers {
        let request = InvokeRequest { request_id: "r-1".to_owned(), ..invoke("echo") };
        let (secure, token) = match caller {
            Shows::Token(token) => (files.nobody(), format!("Bearer {token}")),
            Shows::Name(name) => (files.caller(&[name]), String::new()),
        };
        let metadata = [("authorization", &*token)];
        let request = with(request, if token.is_empty() { &[] } else { &metadata });
        within("an answer", secure.client(&proxy.grpc).invoke(request)).await.expect("OK");
    }
    let creates = platform.seen().into_iter().filter(|request| request.method == "POST");
    creates.map(|request| request.body["input"]["principal"].clone()).collect()
}

#[tokio::test]
async fn names_of_different_kinds_are_different_callers_and_principals() {
    let tokens = [
        "acme.io",
        "acme.io/x",
        "orders.acme.io",
        "spiffe/acme.io/x",
        "dns/orders.acme.io",
        "acme.io:x",
        "acme.io%2Fx",
        "acme.io%3Ax",
        // The settings take no such names; a caller of them is another one all the same.
        "spiffe://acme.io/x",
        "dns:orders.acme.io",
    ];
    let callers = tokens.map(Shows::Token).into_iter().chain(
        ["spiffe://acme.io/y", "spiffe://acme.io/x", "spiffe://orders.acme.io/x", "orders.acme.io", "acme.io"]
            .map(Shows::Name),
    );
    let callers: Vec<_> = callers.collect();
    let principals = principals(|settings| let_in(settings, &tokens.map(|name| (name, name))), &callers).await;
    assert_eq!(principals.len(), callers.len(), "no answer under a request id is shared");
    for (at, one) in principals.iter().enumerate() {
        let id = one["id"].as_str().expect("an id");
        assert!(!id.is_empty() && !id.contains([':', ' ']), "{id}");
        for other in &principals[..at] {
            assert_ne!(one["id"], other["id"]);
            assert_ne!(one["display_name"], other["display_name"]);
        }
    }
}

#[tokio::test]
async fn a_dns_name_has_no_rights_of_a_tokens_caller_and_still_its_own() {
    let rows =
        [("orders", "echo"), ("dns:orders", "tools"), ("billing.acme.io", "echo"), ("dns:jobs.acme.io", "tools")];
    let (_platform, proxy, files) = mutual(|settings| {
        let_in(settings, &[("orders", "t-orders"), ("jobs.acme.io", "t-jobs")]);
        let row = |(caller, agent): (&str, &str)| (caller.to_owned(), [agent.to_owned()].into());
        settings.auth.agents = rows.into_iter().map(row).collect();
    })
    .await;
    for (name, agent, expected) in [
        // A token's caller has the name: the certificate's needs its own line.
        ("orders", "echo", false),
        ("orders", "tools", true),
        // No token has it: the line means the certificate's, as it always did.
        ("billing.acme.io", "echo", true),
        ("Billing.Acme.IO", "echo", true),
        ("jobs.acme.io", "tools", true),
        ("other.acme.io", "echo", false),
    ] {
        let called = within("an answer", files.caller(&[name]).client(&proxy.grpc).invoke(invoke(agent))).await;
        assert_eq!(called.is_ok(), expected, "{name} {agent}");
    }
    let mut nobody = files.nobody().client(&proxy.grpc);
    for (token, agent, expected) in
        [("t-orders", "echo", true), ("t-orders", "tools", false), ("t-jobs", "tools", false)]
    {
        let request = with(invoke(agent), &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(within("an answer", nobody.invoke(request)).await.is_ok(), expected, "{token} {agent}");
    }
}
