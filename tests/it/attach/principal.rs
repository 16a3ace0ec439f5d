//! The authenticated caller as the principal of a request that names none.

use serde_json::{Value, json};
use xpander_grpc_proxy::proto::{InvokeRequest, Principal, PrincipalKind};

use super::{input, world};
use crate::support::{callers::let_in, calls::invoke, secure_caller::Files};

const ORDERS: [(&str, &str); 1] = [("authorization", "Bearer t-orders")];

#[tokio::test]
async fn a_caller_with_a_token_is_a_system_of_its_name() {
    let (platform, proxy) = world(|settings| {
        let_in(settings, &[("team:orders", "t-orders")]);
        settings.users.principal = true;
    })
    .await;
    let principal = input(&platform, &mut proxy.client(), &invoke("echo"), &ORDERS, "principal").await;
    assert_eq!((&principal["kind"], &principal["display_name"]), (&json!("system"), &json!("team:orders")));
    // An id of the platform's has no colon, and what stands before a slash is the kind of another name.
    assert_eq!(principal["id"], "team%3Aorders");
    assert_eq!(principal["email"], Value::Null);
}

#[tokio::test]
async fn a_caller_with_a_spiffe_id_is_a_system_of_that_id() {
    let mut files = None;
    let (platform, proxy) = world(|settings| {
        files = Some(Files::mutual(settings));
        settings.users.principal = true;
    })
    .await;
    let caller = files.expect("made").caller(&["orders.acme.io", "spiffe://acme.io/ns/shop/sa/orders"]);
    let mut client = caller.client(&proxy.grpc);
    let principal = input(&platform, &mut client, &invoke("echo"), &[], "principal").await;
    assert_eq!((&principal["kind"], &principal["id"]), (&json!("system"), &json!("spiffe/acme.io/ns/shop/sa/orders")));
    assert_eq!(principal["display_name"], "spiffe://acme.io/ns/shop/sa/orders");
}

#[tokio::test]
async fn a_requests_own_principal_wins() {
    let (platform, proxy) = world(|settings| {
        let_in(settings, &[("orders", "t-orders")]);
        settings.users.principal = true;
    })
    .await;
    let own = Principal { kind: PrincipalKind::User.into(), id: "u-7".to_owned(), email: None, display_name: None };
    let request = InvokeRequest { principal: Some(own), ..invoke("echo") };
    let principal = input(&platform, &mut proxy.client(), &request, &ORDERS, "principal").await;
    assert_eq!((&principal["kind"], &principal["id"]), (&json!("user"), &json!("u-7")));
}

#[tokio::test]
async fn nobody_is_no_principal_and_nobody_is_one_by_default() {
    let (platform, proxy) = world(|settings| settings.users.principal = true).await;
    let principal = input(&platform, &mut proxy.client(), &invoke("echo"), &ORDERS, "principal").await;
    assert_eq!(principal, Value::Null, "a token that nobody has checked names nobody");
    let (platform, proxy) = world(|settings| let_in(settings, &[("orders", "t-orders")])).await;
    let principal = input(&platform, &mut proxy.client(), &invoke("echo"), &ORDERS, "principal").await;
    assert_eq!(principal, Value::Null);
}
