//! `limits.mode = "observe"` refuses nothing, and counts what would be refused.

use xpander_grpc_proxy::config::Mode;

use super::{World, get, let_in};
use crate::{
    load::{Busy, is_shed, metric},
    support::{
        callers::bearer,
        calls::{follow, invoke},
        status::failure,
    },
};

#[tokio::test]
async fn what_would_be_refused_goes_on_and_is_counted_by_its_limit_and_its_caller() {
    let world = World::named(|settings| {
        settings.limits.mode = Mode::Observe;
        settings.server.max_streams = 4;
        settings.limits.lend = 0.0;
        settings.limits.creates_per_second = [("greedy".to_owned(), 0.001)].into();
        settings.telemetry.caller_label = true;
    })
    .await;
    let mut client = world.proxy.client();
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(client.stream_events(bearer(follow("task-1"), "token-greedy")).await.expect("OK"));
    }
    // The bounds of the process are no limits of this kind.
    is_shed(&failure(client.stream_events(bearer(follow("task-1"), "token-other")).await), "server.max_streams");
    for _ in 0..3 {
        client.invoke(bearer(invoke("agent-1"), "token-greedy")).await.expect("OK");
    }
    let count = async |reason: &str, method: &str| {
        let labels = format!("{method}\",xpander_caller=\"greedy\",xpander_reason=\"{reason}\"");
        metric(&world.proxy.admin, "xpander_calls_observed", &labels).await
    };
    assert_eq!(count("limits.shares", "StreamEvents").await, "2");
    assert_eq!(count("limits.creates_per_second", "/Invoke").await, "2");
    let shed = metric(&world.proxy.admin, "xpander_calls_shed", "xpander_caller=\"other\"").await;
    assert_eq!(shed, "1", "{}", "a caller by its name, too");
}

#[tokio::test]
async fn the_brake_and_the_room_of_creates_are_observed_too() {
    let world = World::with(|settings| settings.limits.mode = Mode::Observe).await;
    let mut client = world.proxy.client();
    world.creates.becomes(429, 600);
    for _ in 0..3 {
        assert_eq!(failure(client.invoke(invoke("agent-1")).await).facts["http_status"], "429");
    }
    assert_eq!(world.seen("POST", ""), 3);
    assert_eq!(metric(&world.proxy.admin, "xpander_calls_observed", "xpander_reason=\"platform\"").await, "2");
    assert_eq!(metric(&world.proxy.admin, "xpander_platform_braked", "POST").await, "2");
    let busy = Busy::with(|settings| {
        let_in(settings, &super::CALLERS);
        settings.limits.mode = Mode::Observe;
        (settings.server.max_calls, settings.limits.creates) = (2, 0.5);
    })
    .await;
    let held = [(); 2].map(|()| {
        let (mut client, request) = (busy.proxy.client(), bearer(invoke("held"), "token-greedy"));
        tokio::spawn(async move { client.invoke(request).await.map(drop) })
    });
    busy.has_seen("POST", 2).await;
    is_shed(&failure(busy.proxy.client().get_task(bearer(get("task-1"), "token-modest")).await), "server.max_calls");
    held.iter().for_each(tokio::task::JoinHandle::abort);
}
