//! What a JWT's caller is called wherever callers have names, and that nobody else can be called that.

use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest};

use super::{World, before_a_platform, get};
use crate::support::{
    binary::Serving,
    callers::{bearer, hex, let_in, with as metadata},
    calls::invoke,
    folder::Folder,
    issuer::{self, Key, ORDERS, VARIABLES, claims},
    live::within,
    platform::{Platform, Reply, task},
    secure_caller::Files,
    status::failure,
};

const BILLING: &str = "system:serviceaccount:shop:billing";

#[tokio::test]
async fn its_name_counts_in_rights_limits_and_among_those_who_speak_for_users() {
    let key = Key::ec("e");
    let world = World::with(&issuer::set(&[&key]), |settings| {
        settings.auth.agents = [
            (ORDERS.to_owned(), ["echo".to_owned()].into()),
            (BILLING.to_owned(), ["tools".to_owned(), "echo".to_owned()].into()),
        ]
        .into();
        settings.limits.creates_per_second = [(BILLING.to_owned(), 0.001)].into();
        settings.users.callers = [ORDERS.to_owned()].into();
        settings.users.metadata = [(xpander_grpc_proxy::config::UserField::Email, "x-user-email".to_owned())].into();
        settings.users.principal = true;
    })
    .await;
    let invoked = async |subject: &str, agent: &str| {
        let shown = format!("Bearer {}", key.token(&claims(subject)));
        let request = metadata(invoke(agent), &[("authorization", &shown), ("x-user-email", "ada@acme.io")]);
        within("an answer", world.proxy.client().invoke(request)).await
    };
    let last = || {
        let seen = world.platform.seen().into_iter().rev().find(|request| request.method == "POST");
        seen.expect("a create").body["input"].clone()
    };
    invoked(ORDERS, "echo").await.expect("its agent");
    assert_eq!(last()["user"]["email"], "ada@acme.io");
    assert_eq!(last()["principal"]["display_name"], ORDERS);
    assert_eq!(last()["principal"]["id"], "system%3Aserviceaccount%3Ashop%3Aorders");
    assert_eq!(failure(invoked(ORDERS, "tools").await).reason, "AGENT_NOT_ALLOWED");
    invoked(BILLING, "tools").await.expect("its agent");
    assert_eq!(last()["user"], Value::Null, "it does not speak for users");
    let limited = failure(invoked(BILLING, "echo").await);
    assert_eq!((limited.code, &*limited.reason), (Code::ResourceExhausted, "CALLER_LIMITED"));
    let nobody = failure(invoked("system:serviceaccount:shop:other", "echo").await);
    assert_eq!(nobody.reason, "AGENT_NOT_ALLOWED");
}

/// A token, a certificate and a JWT that say `orders` are three callers.
#[tokio::test]
async fn no_other_kind_of_caller_has_its_name() {
    let (key, folder) = (Key::ec("e"), Folder::new());
    let file = folder.write("jwks", &issuer::set(&[&key]));
    let mut files = None;
    let rows = [("orders", "echo"), ("jwt:orders", "tools"), ("dns:orders", "slow")];
    let (platform, proxy) = before_a_platform(|settings| {
        files = Some(Files::mutual(settings));
        issuer::take(settings, &file);
        let_in(settings, &[("orders", "token-of-orders"), ("jwt:orders", "forged"), (ORDERS, "forged-too")]);
        settings.auth.agents = rows.map(|(name, agent)| (name.to_owned(), [agent.to_owned()].into())).into();
    })
    .await;
    let files = files.expect("made");
    let jwt = key.token(&issuer::with("sub", json!("orders")));
    let certificate = files.caller(&["orders"]).client(&proxy.grpc);
    let nobody = files.nobody().client(&proxy.grpc);
    for (agent, by) in [("echo", "token"), ("tools", "jwt"), ("slow", "certificate")] {
        for (kind, mut client, shown) in [
            ("token", nobody.clone(), Some("token-of-orders")),
            ("jwt", nobody.clone(), Some(&*jwt)),
            ("certificate", certificate.clone(), None),
            ("a token with a JWT's name", nobody.clone(), Some("forged")),
            ("a token with a service account's name", nobody.clone(), Some("forged-too")),
        ] {
            let request = match shown {
                Some(shown) => bearer(invoke(agent), shown),
                None => tonic::Request::new(invoke(agent)),
            };
            let result = within("an answer", client.invoke(request)).await;
            assert_eq!(result.is_ok(), kind == by, "{kind} {agent}: {result:?}");
        }
    }
    assert_eq!(platform.paths().iter().filter(|path| path.starts_with("POST")).count(), 3);
}

/// A wrong JWT is refused also beside a good certificate, and a hashed token goes on beside JWTs.
#[tokio::test]
async fn the_three_ways_stand_beside_each_other() {
    let (key, stranger, folder) = (Key::ec("e"), Key::ec("e"), Folder::new());
    let file = folder.write("jwks", &issuer::set(&[&key]));
    let mut files = None;
    let (platform, proxy) = before_a_platform(|settings| {
        files = Some(Files::mutual(settings));
        issuer::take(settings, &file);
        let_in(settings, &[("jobs", "token-of-jobs")]);
    })
    .await;
    let files = files.expect("made");
    let (known, unknown) = (files.caller(&["orders.acme.io"]).client(&proxy.grpc), files.nobody().client(&proxy.grpc));
    let request = || GetTaskRequest { task_id: "task-1".to_owned() };
    let good = key.token(&claims(ORDERS));
    for mut client in [known.clone(), unknown.clone()] {
        for token in [&*good, "token-of-jobs"] {
            within("an answer", client.get_task(bearer(request(), token))).await.expect("a good one");
        }
        for token in [stranger.token(&claims(ORDERS)), "token-of-nobody".to_owned()] {
            let refused = failure(within("an answer", client.get_task(bearer(request(), &token))).await);
            assert_eq!(refused.code, Code::Unauthenticated);
        }
    }
    within("an answer", known.clone().get_task(request())).await.expect("a certificate");
    let refused = failure(within("an answer", unknown.clone().get_task(request())).await);
    assert!(refused.message.contains("a bearer token or a client certificate is required"), "{refused:?}");
    assert_eq!(platform.seen().len(), 5);
}

#[tokio::test]
async fn two_service_accounts_with_the_same_request_id_make_two_tasks() {
    let key = Key::ec("e");
    let world = World::by(&[&key]).await;
    for (subject, made) in [(ORDERS, 1), (ORDERS, 1), (BILLING, 2)] {
        let request = InvokeRequest { request_id: "r-1".to_owned(), ..invoke("echo") };
        // Kubernetes makes a new token each hour; the caller is the same.
        let token = key.token(&claims(subject));
        within("an answer", world.proxy.client().invoke(bearer(request, &token))).await.expect("OK");
        let creates = world.platform.paths().iter().filter(|path| path.starts_with("POST")).count();
        assert_eq!(creates, made, "{subject}");
    }
}

#[tokio::test]
async fn the_access_log_names_the_caller_and_has_no_part_of_a_token() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let (key, stranger, folder) = (Key::rsa("r"), Key::ec("of-a-stranger"), Folder::new());
    let file = folder.write("jwks", &issuer::set(&[&key]));
    let tokens = format!("orders={}", hex("a"));
    let more = [
        ("XPANDER_PROXY_AUTH__JWT__JWKS_FILE", file.to_str().expect("UTF-8")),
        ("XPANDER_PROXY_AUTH__TOKENS", &tokens),
        ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "trace"),
    ];
    let mut serving = Serving::before(&platform.base_url(), &[&VARIABLES[..], &more].concat()).await;
    let mut client = serving.client();
    let claims = claims(ORDERS);
    let expired = key.token(&issuer::with("exp", json!(issuer::from_now(-600))));
    for (token, caller) in [
        (key.token(&claims), json!(ORDERS)),
        (stranger.token(&claims), Value::Null),
        (expired, Value::Null),
        (key.sign_parts(&issuer::encoded("{no-json-of-mine"), "bm8ganNvbg"), Value::Null),
    ] {
        let request = bearer(GetTaskRequest { task_id: "task-1".to_owned() }, &token);
        let answer = within("an answer", client.get_task(request)).await;
        assert_eq!(answer.is_ok(), caller != Value::Null, "{answer:?}");
        let (line, before) = serving.line_after("call").await;
        assert_eq!(line.get("caller").cloned().unwrap_or_default(), caller, "{line:?}");
        let jti = claims["jti"].as_str().expect("a text");
        for secret in token.split('.').chain([jti, "of-a-stranger", "no-json-of-mine"]) {
            assert!(!before.contains(secret), "{secret}: {before}");
        }
    }
}

/// A service account's name is longer than a token's caller may have.
#[tokio::test]
async fn the_longest_names_of_kubernetes_are_taken() {
    let key = Key::ed("d");
    let world = World::by(&[&key]).await;
    let longest = format!("system:serviceaccount:{}:{}", "n".repeat(63), "a".repeat(253));
    get(&world.proxy, &key.token(&claims(&longest))).await.expect("taken");
}
