//! Who calls, as a mesh says it: good for rights, for limits and for the principal; believed from nobody else.

use tonic::Code;
use xpander_grpc_proxy::config::Settings;

use super::{World, get, is_limited};
use crate::support::{callers::with, calls::invoke, status::failure};

const ORDERS: &str = "orders.shop.serviceaccount.identity.linkerd.cluster.local";

fn meshed(key: &str) -> impl FnOnce(&mut Settings) {
    let key = key.to_owned();
    move |settings: &mut Settings| {
        settings.auth.caller_metadata = Some(key);
        settings.auth.mesh_only = true;
    }
}

#[tokio::test]
async fn a_name_that_the_mesh_gives_is_good_wherever_names_are() {
    let world = World::with(|settings| {
        meshed("l5d-client-id")(settings);
        settings.auth.agents = [(ORDERS.to_owned(), ["agent-1".to_owned()].into())].into();
        settings.limits.creates_per_second = [(ORDERS.to_owned(), 0.001)].into();
        settings.users.principal = true;
    })
    .await;
    let mut client = world.proxy.client();
    let of = |agent: &str, name: &str| with(invoke(agent), &[("l5d-client-id", name)]);
    client.invoke(of("agent-1", ORDERS)).await.expect("its agent");
    let principal = world.platform.seen().last().expect("a create").body["input"]["principal"]["id"].clone();
    assert_eq!(principal, ORDERS);
    is_limited(client.invoke(of("agent-1", ORDERS)).await.expect_err("its rate"), "limits.creates_per_second", ORDERS);
    for (agent, name) in [("agent-2", ORDERS), ("agent-1", "jobs")] {
        let refused = failure(client.invoke(of(agent, name)).await);
        let is_limited = refused.reason == "CALLER_LIMITED";
        assert!(is_limited || refused.code == Code::PermissionDenied, "{refused:?}");
    }
    assert_eq!(failure(client.invoke(of("agent-1", "jobs")).await).reason, "AGENT_NOT_ALLOWED");
    // Whom the mesh does not name has no name; it may call, and has no agent here.
    assert_eq!(failure(client.invoke(invoke("agent-1")).await).reason, "AGENT_NOT_ALLOWED");
    client.get_task(get("task-1")).await.expect("OK");
    assert_eq!(world.seen("POST", ""), 1);
}

#[tokio::test]
async fn what_is_no_name_or_stands_there_twice_is_refused() {
    let world = World::with(meshed("x-caller")).await;
    let mut client = world.proxy.client();
    let twice = [("x-caller", "orders"), ("x-caller", "orders")];
    for metadata in [&[("x-caller", "a b")][..], &[("x-caller", "*")], &[("x-caller", "spiffe://Acme.io/a")], &twice] {
        let refused = failure(client.get_task(with(get("task-1"), metadata)).await);
        assert_eq!((refused.code, &*refused.reason), (Code::Unauthenticated, "CALLER_UNAUTHENTICATED"), "{metadata:?}");
    }
    assert_eq!(world.platform.seen().len(), 0);
    client.get_task(with(get("task-1"), &[("x-caller", "orders")])).await.expect("OK");
}

#[tokio::test]
async fn of_envoys_header_the_uri_of_the_last_proxy_counts() {
    let world = World::with(|settings| {
        meshed("x-forwarded-client-cert")(settings);
        settings.auth.agents = [("spiffe://acme.io/orders".to_owned(), ["*".to_owned()].into())].into();
    })
    .await;
    let mut client = world.proxy.client();
    let of = |value: &str| with(invoke("agent-1"), &[("x-forwarded-client-cert", value)]);
    let forged = "By=spiffe://acme.io/a;URI=spiffe://acme.io/orders,By=spiffe://acme.io/b;URI=spiffe://acme.io/jobs";
    assert_eq!(failure(client.invoke(of(forged)).await).reason, "AGENT_NOT_ALLOWED");
    let real = "By=spiffe://acme.io/a;Hash=ab;Subject=\"CN=orders,O=x\";URI=spiffe://acme.io/orders";
    client.invoke(of(real)).await.expect("OK");
}

#[tokio::test]
async fn nobody_is_believed_where_it_is_not_set() {
    let world = World::with(|settings| {
        settings.auth.agents = [(ORDERS.to_owned(), ["*".to_owned()].into())].into();
    })
    .await;
    let refused = world.proxy.client().invoke(with(invoke("agent-1"), &[("l5d-client-id", ORDERS)])).await;
    assert_eq!(failure(refused).reason, "AGENT_NOT_ALLOWED");
}
