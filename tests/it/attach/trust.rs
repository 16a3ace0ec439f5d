//! Whose requests may say for whom they speak: by `user_details`, or by a `principal` that is not the caller itself.

use serde_json::Value;
use tonic::Code;
use xpander_grpc_proxy::{
    config::{Settings, TrustRequest, UserField},
    proto::{InvokeRequest, InvokeStreamRequest, Principal, PrincipalKind, User},
};

use super::{creates, world};
use crate::support::{
    callers::{let_in, with},
    calls::invoke,
    live::within,
    proxy::Proxy,
    status::failure,
};

const CALLERS: [(&str, &str); 2] = [("gateway", "t-gateway"), ("orders", "t-orders")];

fn trusting(trust_request: TrustRequest) -> impl FnOnce(&mut Settings) {
    move |settings| {
        let_in(settings, &CALLERS);
        settings.users.callers = ["gateway".to_owned()].into();
        settings.users.metadata = [(UserField::Email, "x-user-email".to_owned())].into();
        settings.users.trust_request = trust_request;
    }
}

fn user() -> InvokeRequest {
    let user_details = Some(User { email: "eve@acme.io".to_owned(), ..User::default() });
    InvokeRequest { user_details, ..invoke("echo") }
}

fn principal(kind: PrincipalKind, id: &str) -> Principal {
    Principal { kind: kind.into(), id: id.to_owned(), email: None, display_name: None }
}

fn speaking(principal: Principal) -> InvokeRequest {
    InvokeRequest { principal: Some(principal), ..invoke("echo") }
}

/// What speaks for somebody else than the caller `orders`, and the field that does.
fn foreign() -> Vec<(&'static str, InvokeRequest)> {
    let kinds = [PrincipalKind::User, PrincipalKind::Slack, PrincipalKind::ApiKey, PrincipalKind::Anonymous];
    let others = kinds.map(|kind| principal(kind, "orders")).into_iter().chain([
        principal(PrincipalKind::System, "billing"),
        principal(PrincipalKind::System, "ORDERS"),
        principal(PrincipalKind::Unspecified, "orders"),
        Principal::default(),
        Principal { email: Some("eve@acme.io".to_owned()), ..principal(PrincipalKind::System, "orders") },
        Principal { display_name: Some("Eve".to_owned()), ..principal(PrincipalKind::System, "orders") },
    ]);
    let both = InvokeRequest { principal: Some(principal(PrincipalKind::System, "orders")), ..user() };
    let empty = InvokeRequest { user_details: Some(User::default()), ..invoke("echo") };
    let users = [user(), both, empty].map(|request| ("user_details", request));
    users.into_iter().chain(others.map(|other| ("principal", speaking(other)))).collect()
}

async fn check_refused(proxy: &Proxy, metadata: &[(&'static str, &str)], field: &str, request: InvokeRequest) {
    let mut client = proxy.client();
    let stream = InvokeStreamRequest { invocation: Some(request.clone()), heartbeat: None };
    let unary = failure(within("an answer", client.invoke(with(request, metadata))).await);
    let stream = failure(within("an answer", client.invoke_stream(with(stream, metadata))).await);
    for (failure, field) in [(unary, field.to_owned()), (stream, format!("invocation.{field}"))] {
        assert_eq!((failure.code, &*failure.reason), (Code::InvalidArgument, "INVALID_REQUEST"), "{field}");
        assert_eq!((failure.fields, &*failure.facts["outcome"]), (vec![field], "not_created"));
        assert!(!failure.message.contains("eve@") && !failure.message.contains("Eve"), "{}", failure.message);
    }
}

#[tokio::test]
async fn only_speakers_may_speak_for_others_where_the_settings_say_so() {
    let (platform, proxy) = world(trusting(TrustRequest::Speakers)).await;
    for (field, request) in foreign() {
        check_refused(&proxy, &[("authorization", "Bearer t-orders")], field, request).await;
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
    // A speaker may, and its own words win over the metadata.
    let gateway = [("authorization", "Bearer t-gateway"), ("x-user-email", "zoe@acme.io")];
    let [create, _] = creates(&platform, &mut proxy.client(), &user(), &gateway).await;
    assert_eq!(create.body["input"]["user"]["email"], "eve@acme.io");
    let other = speaking(principal(PrincipalKind::User, "u-7"));
    let [create, _] = creates(&platform, &mut proxy.client(), &other, &gateway).await;
    assert_eq!(create.body["input"]["principal"]["id"], "u-7");
}

#[tokio::test]
async fn nobodys_request_speaks_for_others_where_the_settings_say_so() {
    let (platform, proxy) = world(trusting(TrustRequest::Never)).await;
    for (field, request) in foreign() {
        for token in ["Bearer t-orders", "Bearer t-gateway"] {
            check_refused(&proxy, &[("authorization", token)], field, request.clone()).await;
        }
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
    // A gateway's metadata still counts.
    let gateway = [("authorization", "Bearer t-gateway"), ("x-user-email", "zoe@acme.io")];
    let [create, _] = creates(&platform, &mut proxy.client(), &invoke("echo"), &gateway).await;
    assert_eq!(create.body["input"]["user"]["email"], "zoe@acme.io");
}

#[tokio::test]
async fn a_caller_may_always_say_who_it_is_itself() {
    for trust in [TrustRequest::Always, TrustRequest::Speakers, TrustRequest::Never] {
        let (platform, proxy) = world(trusting(trust)).await;
        let orders = [("authorization", "Bearer t-orders")];
        let own = principal(PrincipalKind::System, "orders");
        let named = Principal { display_name: Some("orders".to_owned()), ..own.clone() };
        for own in [own, named] {
            let [create, _] = creates(&platform, &mut proxy.client(), &speaking(own), &orders).await;
            assert_eq!(create.body["input"]["principal"]["id"], "orders");
        }
    }
}

#[tokio::test]
async fn everybodys_request_is_trusted_by_default() {
    assert_eq!(Settings::default().users.trust_request, TrustRequest::Always);
    let (platform, proxy) = world(trusting(TrustRequest::Always)).await;
    let orders = [("authorization", "Bearer t-orders")];
    let [create, _] = creates(&platform, &mut proxy.client(), &user(), &orders).await;
    assert_eq!(create.body["input"]["user"]["email"], "eve@acme.io");
    let other = speaking(principal(PrincipalKind::User, "u-7"));
    let [create, _] = creates(&platform, &mut proxy.client(), &other, &orders).await;
    assert_eq!(create.body["input"]["principal"]["kind"], "user");
}

#[tokio::test]
async fn who_has_no_name_speaks_for_nobody_unless_everybody_may() {
    for (speakers, may) in [(&[][..], false), (&["*"], true)] {
        let (platform, proxy) = world(|settings| {
            settings.users.callers = speakers.iter().map(|speaker| (*speaker).to_owned()).collect();
            settings.users.trust_request = TrustRequest::Speakers;
        })
        .await;
        if may {
            let [create, _] = creates(&platform, &mut proxy.client(), &user(), &[]).await;
            assert_ne!(create.body["input"]["user"], Value::Null);
        } else {
            for (field, request) in foreign() {
                check_refused(&proxy, &[], field, request).await;
            }
        }
    }
}
