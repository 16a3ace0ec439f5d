//! Users whom an authenticating gateway names in the metadata: believed from callers with the right alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::{
    config::{Settings, UserField},
    proto::{InvokeRequest, InvokeStreamRequest, User},
};

use super::{input, platform, world};
use crate::support::{
    binary::Serving,
    callers::{bearer, hex, let_in, with},
    calls::invoke,
    live::within,
    status::failure,
};

const CALLERS: [(&str, &str); 2] = [("gateway", "t-gateway"), ("orders", "t-orders")];
const EVERYTHING: [(&str, &str); 5] = [
    ("x-user-id", "u-7"),
    ("x-user-first", "Zoë"),
    ("x-user-last", "Ünal 山田"),
    ("x-user-email", "zoe@acme.io"),
    ("x-user-zone", "Europe/Berlin"),
];

fn speaking(settings: &mut Settings, callers: &[&str]) {
    settings.users.metadata = BTreeMap::from([
        (UserField::Id, "x-user-id".to_owned()),
        (UserField::FirstName, "x-user-first".to_owned()),
        (UserField::LastName, "x-user-last".to_owned()),
        (UserField::Email, "x-user-email".to_owned()),
        (UserField::Timezone, "x-user-zone".to_owned()),
    ]);
    settings.users.callers = callers.iter().map(|caller| (*caller).to_owned()).collect();
}

fn told<'a>(token: &'a str, user: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    [&[("authorization", token)], user].concat()
}

#[tokio::test]
async fn a_caller_that_may_speaks_for_a_user_and_another_does_not() {
    let (platform, proxy) = world(|settings| {
        let_in(settings, &CALLERS);
        speaking(settings, &["gateway"]);
    })
    .await;
    let mut client = proxy.client();
    let everything = json!({
        "id": "u-7", "first_name": "Zoë", "last_name": "Ünal 山田", "email": "zoe@acme.io", "timezone": "Europe/Berlin",
    });
    let metadata = told("Bearer t-gateway", &EVERYTHING);
    let user = input(&platform, &mut client, &invoke("echo"), &metadata, "user").await;
    let given: serde_json::Map<_, _> =
        user.as_object().expect("a user").clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
    assert_eq!(Value::Object(given), everything);
    // The call goes on, without the user.
    let metadata = told("Bearer t-orders", &EVERYTHING);
    assert_eq!(input(&platform, &mut client, &invoke("echo"), &metadata, "user").await, Value::Null);
    let sent = platform.seen();
    assert!(sent.iter().all(|request| request.headers.iter().all(|(name, _)| !name.starts_with("x-user-"))));
}

#[tokio::test]
async fn the_star_speaks_for_everybody_and_nobody_does_by_default() {
    for (callers, expected) in [(&["*"][..], json!("zoe@acme.io")), (&[], Value::Null)] {
        let (platform, proxy) = world(|settings| speaking(settings, callers)).await;
        let user = input(&platform, &mut proxy.client(), &invoke("echo"), &EVERYTHING, "user").await;
        assert_eq!(user["email"], expected);
    }
    let (platform, proxy) = world(|settings| settings.users.callers = ["*".to_owned()].into()).await;
    let user = input(&platform, &mut proxy.client(), &invoke("echo"), &EVERYTHING, "user").await;
    assert_eq!(user, Value::Null, "no metadata is taken that the settings do not name");
}

#[tokio::test]
async fn a_requests_own_user_wins_whole() {
    let (platform, proxy) = world(|settings| speaking(settings, &["*"])).await;
    let own = User { email: "own@acme.io".to_owned(), ..User::default() };
    let request = InvokeRequest { user_details: Some(own), ..invoke("echo") };
    let user = input(&platform, &mut proxy.client(), &request, &EVERYTHING, "user").await;
    assert_eq!((&user["email"], &user["first_name"]), (&json!("own@acme.io"), &Value::Null));
}

#[tokio::test]
async fn without_an_email_there_is_no_user() {
    let (platform, proxy) = world(|settings| speaking(settings, &["*"])).await;
    let mut client = proxy.client();
    for metadata in [&[][..], &EVERYTHING[..3], &[("x-user-email", ""), ("x-user-id", "u-7")], &[("x-user-email", " ")]]
    {
        assert_eq!(input(&platform, &mut client, &invoke("echo"), metadata, "user").await, Value::Null);
    }
    // With it, the rest may be missing.
    let user = input(&platform, &mut client, &invoke("echo"), &EVERYTHING[3..4], "user").await;
    assert_eq!((&user["email"], &user["id"]), (&json!("zoe@acme.io"), &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_a_users_is_refused_by_its_key_and_nothing_is_created() {
    let (platform, proxy) = world(|settings| {
        let_in(settings, &CALLERS);
        speaking(settings, &["gateway"]);
    })
    .await;
    let mut client = proxy.client();
    let long = "n".repeat(1025);
    for (name, values) in [
        ("x-user-first", vec![&*long]),
        ("x-user-email", vec![&*long]),
        // Which of two people is meant is nobody's to guess.
        ("x-user-email", vec!["eve@acme.io", "zoe@acme.io"]),
        ("x-user-id", vec!["u-1", "u-2"]),
    ] {
        let mut metadata = told("Bearer t-gateway", &EVERYTHING);
        metadata.retain(|(key, _)| *key != name);
        metadata.extend(values.iter().map(|value| (name, *value)));
        let request = InvokeStreamRequest { invocation: Some(invoke("echo")), heartbeat: None };
        let stream = failure(within("an answer", client.invoke_stream(with(request, &metadata))).await);
        let unary = failure(within("an answer", client.invoke(with(invoke("echo"), &metadata))).await);
        for failure in [stream, unary] {
            assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &[name.to_owned()][..]));
            assert_eq!(failure.facts["outcome"], "not_created");
            assert!(!failure.message.contains("acme.io") && !failure.message.contains("nnn"), "{}", failure.message);
        }
        assert_eq!(platform.paths(), Vec::<String>::new());
    }
    // From a caller that is not believed it is not even looked at.
    let metadata = told("Bearer t-orders", &[("x-user-email", "eve@acme.io"), ("x-user-email", "zoe@acme.io")]);
    assert_eq!(input(&platform, &mut client, &invoke("echo"), &metadata, "user").await, Value::Null);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_by_their_key() {
    let (platform, proxy) = world(|settings| speaking(settings, &["*"])).await;
    let mut request = with(invoke("echo"), &[("x-user-email", "zoe@acme.io")]);
    let value = tonic::metadata::AsciiMetadataValue::try_from(&b"Zo\xeb"[..]).expect("bytes");
    request.metadata_mut().insert("x-user-first", value);
    let failure = failure(within("an answer", proxy.client().invoke(request)).await);
    assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["x-user-first".to_owned()][..]));
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn the_log_tells_what_was_attached_by_kind_and_never_by_value() {
    let platform = platform().await;
    let tokens = format!("gateway={},orders={}", hex("t-gateway"), hex("t-orders"));
    let environment = [
        ("XPANDER_PROXY_AUTH__TOKENS", &*tokens),
        ("XPANDER_PROXY_USERS__METADATA", "email=x-user-email,first_name=x-user-first"),
        ("XPANDER_PROXY_USERS__CALLERS", "gateway"),
        ("XPANDER_PROXY_USERS__PRINCIPAL", "true"),
        ("XPANDER_PROXY_AGENTS__PINS", "tools=1"),
        ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "trace"),
    ];
    let mut serving = Serving::before(&platform.base_url(), &environment).await;
    let mut client = serving.client();
    for (token, agent, expected) in [
        ("t-gateway", "echo", "user,principal"),
        ("t-orders", "echo", "principal"),
        ("t-gateway", "tools", "version_pin,user,principal"),
    ] {
        let mut request = bearer(invoke(agent), token);
        request.metadata_mut().insert("x-user-email", "canary-71@acme.io".parse().expect("ASCII"));
        request.metadata_mut().insert("x-user-first", "Canary-72".parse().expect("ASCII"));
        within("an answer", client.invoke(request)).await.expect("OK");
        let (line, text) = serving.line_after("call").await;
        assert_eq!(line["attached"], expected);
        assert!(!text.contains("canary-71") && !text.contains("Canary-72"), "{text}");
    }
}
