//! A rate of creates for each caller.

use tokio::time::sleep;
use tonic_types::StatusExt;
use xpander_grpc_proxy::proto::InvokeStreamRequest;

use super::{World, get, is_limited};
use crate::support::{callers::bearer, calls::invoke, live::within};

#[tokio::test]
async fn a_caller_creates_its_burst_and_then_hears_exactly_how_long_to_wait() {
    let world = World::named(|settings| {
        settings.limits.creates_per_second = [("greedy".to_owned(), 0.5)].into();
        settings.limits.burst = [("greedy".to_owned(), 3)].into();
    })
    .await;
    let mut client = world.proxy.client();
    for _ in 0..2 {
        within("an answer", client.invoke(bearer(invoke("agent-1"), "token-greedy"))).await.expect("OK");
    }
    let streamed = InvokeStreamRequest { invocation: Some(invoke("agent-1")), heartbeat: None };
    let _stream = client.invoke_stream(bearer(streamed.clone(), "token-greedy")).await.expect("OK");
    let refused = client.invoke(bearer(invoke("agent-1"), "token-greedy")).await.expect_err("a fourth at once");
    let wait = refused.get_error_details().retry_info().expect("a RetryInfo").retry_delay.expect("a delay");
    let failure = is_limited(refused, "limits.creates_per_second", "greedy");
    assert_eq!(&*failure.facts["outcome"], "not_created");
    assert!(wait.as_secs_f64() <= 2.0, "{wait:?}");
    let refused = client.invoke_stream(bearer(streamed, "token-greedy")).await.expect_err("a fourth at once");
    is_limited(refused, "limits.creates_per_second", "greedy");
    assert_eq!(world.seen("POST", ""), 3);
    // Other calls, and other callers, have no such limit.
    client.get_task(bearer(get("task-1"), "token-greedy")).await.expect("OK");
    for _ in 0..10 {
        client.invoke(bearer(invoke("agent-1"), "token-modest")).await.expect("OK");
    }
    sleep(wait).await;
    client.invoke(bearer(invoke("agent-1"), "token-greedy")).await.expect("there is one again");
}

#[tokio::test]
async fn each_caller_that_is_not_named_has_a_rate_of_its_own() {
    let world = World::named(|settings| {
        settings.limits.creates_per_second = [("*".to_owned(), 0.001), ("modest".to_owned(), 1e6)].into();
    })
    .await;
    let mut client = world.proxy.client();
    for (name, token) in [("greedy", "token-greedy"), ("other", "token-other")] {
        client.invoke(bearer(invoke("agent-1"), token)).await.expect("its burst");
        let refused = client.invoke(bearer(invoke("agent-1"), token)).await.expect_err("its rate");
        let failure = is_limited(refused, "limits.creates_per_second", name);
        assert!((900..=1_000).contains(&failure.retry_seconds.expect("a wait")), "{failure:?}");
    }
    for _ in 0..20 {
        client.invoke(bearer(invoke("agent-1"), "token-modest")).await.expect("OK");
    }
}
