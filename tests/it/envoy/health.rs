//! Envoy asks each replica's health by gRPC, and acts on the answer.

use tonic::transport::Endpoint;
use xpander_grpc_proxy::proto::{GetTaskRequest, agent_service_client::AgentServiceClient};

use super::{followers, readable};
use crate::support::{fleet::Fleet, live::within, load::Load};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: make envoy"]
async fn a_replica_that_is_not_serving_gets_no_new_calls_and_keeps_those_it_has() {
    let mut fleet = Fleet::start(&[("XPANDER_PROXY_SERVER__DRAIN_DELAY", "1h")]).await;
    let task_id = readable(&fleet).await;
    let followers = followers(&fleet).await;
    let requests = |fleet: &Fleet| {
        let seen = fleet.seen();
        seen.iter().filter(|request| fleet.replicas[0].sent(request)).count()
    };

    fleet.replicas[0].signal("TERM").await;
    fleet.envoy.until_unhealthy(fleet.replicas[0].address).await;
    let before = requests(&fleet);
    let load = Load::start(&fleet.envoy, 3, 3, &task_id);
    load.until_each_has_done(10).await;
    load.stop().await.is_without_failure();
    assert_eq!(requests(&fleet), before, "it got new calls");

    // It serves all the same, and the streams it has go on.
    let endpoint = Endpoint::new(format!("http://{}", fleet.replicas[0].address)).expect("a URL");
    let mut direct = AgentServiceClient::new(endpoint.connect_lazy());
    within("an answer", direct.get_task(GetTaskRequest { task_id })).await.expect("OK");
    assert_eq!(requests(&fleet), before + 1);
    for follower in followers {
        follower.until_events(1).await;
        assert_eq!(follower.finish().await.cuts.len(), 0);
    }
    fleet.replicas[0].signal("TERM").await;
    assert_ne!(fleet.replicas[0].ended().await, Some(0), "a second signal exits at once");
}
