//! Mutual TLS between Envoy and the replicas: whoever is not Envoy is refused.

use tonic::{Code, Status};
use xpander_grpc_proxy::proto::GetTaskRequest;

use super::{followers, readable};
use crate::support::{
    certificates::{Authority, Identity},
    envoy::{Mesh, MutualTls},
    fleet::Fleet,
    live::within,
    load::Load,
    proxy::Client,
};

const REPLICA: &str = "agents.proxy.test";
const ENVOY: &str = "spiffe://mesh/ns/edge/sa/envoy";

/// Replicas that take nobody but Envoy.
async fn fleet(authority: &Authority, envoy: &Identity) -> Fleet {
    let replica = authority.vouch_for(REPLICA);
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let (cert, key, ca) = (text(&replica.cert_file), text(&replica.key_file), text(&authority.ca_file));
    let environment = [
        ("XPANDER_PROXY_SERVER__TLS_CERT_FILE", &*cert),
        ("XPANDER_PROXY_SERVER__TLS_KEY_FILE", &*key),
        ("XPANDER_PROXY_SERVER__TLS_CLIENT_CA_FILE", &*ca),
        ("XPANDER_PROXY_AUTH__ALLOWED_CLIENTS", ENVOY),
        // Envoy asks for the health with its certificate too.
        ("XPANDER_PROXY_AUTH__OPEN_HEALTH", "false"),
    ];
    let tls = MutualTls {
        cert_file: envoy.cert_file.clone(),
        key_file: envoy.key_file.clone(),
        ca_file: authority.ca_file.clone(),
        name: REPLICA.to_owned(),
    };
    Fleet::with(&environment, Mesh { tls: Some(tls), ..Mesh::default() }, None).await
}

async fn get(mut client: Client, task_id: &str) -> Result<(), Status> {
    let request = GetTaskRequest { task_id: task_id.to_owned() };
    within("an answer", client.get_task(request)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn callers_reach_replicas_through_envoy_and_not_past_it() {
    let (authority, other_authority) = (Authority::new(), Authority::new());
    let envoy = authority.vouch_for(ENVOY);
    let fleet = fleet(&authority, &envoy).await;

    // Through Envoy all is as without TLS.
    let task_id = readable(&fleet).await;
    let followers = followers(&fleet).await;
    let load = Load::start(&fleet.envoy, 2, 2, &task_id);
    load.until_each_has_done(5).await;
    load.stop().await.is_without_failure();
    for follower in followers {
        follower.until_events(1).await;
        assert_eq!(follower.finish().await.cuts.len(), 0);
    }

    // Past it, with what Envoy shows: what is refused below is not so for another reason.
    let address = fleet.replicas[0].address;
    let past = |identity: Option<&Identity>| authority.client(address, REPLICA, identity);
    assert_eq!(get(past(Some(&envoy)), &task_id).await.err().map(|status| status.code()), None);

    let before = fleet.seen().len();
    let other = authority.vouch_for("spiffe://mesh/ns/other/sa/other");
    let refused = get(past(Some(&other)), &task_id).await.expect_err("not on the list");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");

    // The rest does not come to speak HTTP/2: no certificate, one of another authority, and no TLS.
    let false_envoy = other_authority.vouch_for(ENVOY);
    let endpoint = tonic::transport::Endpoint::new(format!("http://{address}")).expect("a URL");
    let cleartext = Client::new(endpoint.connect_lazy());
    for client in [past(None), past(Some(&false_envoy)), cleartext] {
        let refused = get(client, &task_id).await.expect_err("no connection");
        // A status that came over the wire has no source: this one the client has made itself.
        assert!(std::error::Error::source(&refused).is_some(), "it was answered: {refused:?}");
    }
    assert_eq!(fleet.seen().len(), before, "nothing reaches the platform");
}
