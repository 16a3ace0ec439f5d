//! A platform that fails without saying for how long is left in peace, and is in full use again when it has recovered.

use std::time::Duration;

use futures_util::future::join_all;
use tonic::Code;

use super::{SILENCE, World, get};
use crate::{
    load::until,
    support::{
        calls::invoke,
        direct::{Direct, frame},
        status::failure,
    },
};

#[tokio::test]
async fn a_platform_that_fails_is_sent_little_and_all_of_it_once_it_works() {
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    for _ in 0..20 {
        client.get_task(get("task-1")).await.expect("OK");
    }
    world.creates.becomes(503, 0);
    for _ in 0..500 {
        let failure = failure(client.invoke(invoke("agent-1")).await);
        assert_eq!((failure.code, &*failure.reason), (Code::Unavailable, "PLATFORM_UNAVAILABLE"));
        assert_eq!(failure.facts["outcome"], "not_created");
    }
    // Thirty-one, a hundredth, and one a second of however long that took.
    let sent = world.seen("POST", "");
    assert!((31..=100).contains(&sent), "{sent}");
    client.get_task(get("task-1")).await.expect("reads are not held");
    world.creates.becomes(200, 0);
    let mut in_a_row = 0;
    until("all creates to go through", async || {
        in_a_row = if client.clone().invoke(invoke("agent-1")).await.is_ok() { in_a_row + 1 } else { 0 };
        in_a_row == 100
    })
    .await;
}

/// Nothing of this is felt by who meets a failure now and then.
#[tokio::test]
async fn a_few_failures_hold_nothing_back() {
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    for round in 1..=5 {
        world.reads.becomes(502, 0);
        for _ in 0..10 {
            assert_eq!(failure(client.get_task(get("task-1")).await).facts["http_status"], "502");
        }
        world.reads.becomes(200, 0);
        for _ in 0..10 {
            client.get_task(get("task-1")).await.expect("OK");
        }
        assert_eq!(world.seen("GET", "/status"), 20 * round, "each was sent");
    }
}

/// A create that one caller can make fail does not hold up the others'.
#[tokio::test]
async fn what_a_request_itself_brings_about_holds_nothing_back() {
    let world = World::with(|_| {}).await;
    let mut client = world.proxy.client();
    for status in [400, 404, 422, 500] {
        world.creates.becomes(status, 0);
        for _ in 0..20 {
            assert_eq!(failure(client.invoke(invoke("agent-1")).await).facts["http_status"], status.to_string());
        }
    }
    world.creates.becomes(200, 0);
    tokio::time::timeout(Duration::from_mins(2), client.invoke(invoke("agent-1"))).await.expect("in time").expect("OK");
}

/// Callers stop waiting before the proxy does: silence is a failure from ten seconds on, and no sooner.
#[tokio::test]
async fn a_platform_that_is_silent_is_left_in_peace_though_its_callers_stop_waiting_first() {
    let world = World::with(|_| {}).await;
    let direct = Direct::connect(&world.proxy).await;
    let read = |deadline: &'static str| {
        let mut direct = direct.clone();
        async move { direct.post("GetTask", &[("grpc-timeout", deadline)], frame(b"\x0a\x06task-1")).await }
    };
    let sent = || world.seen("GET", "/status");
    world.reads.becomes(SILENCE, 0);
    for (deadline, is_left) in [("200m", false), ("13S", true)] {
        for status in join_all((0..40).map(|_| read(deadline))).await {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{deadline}: {status:?}");
        }
        let before = sent();
        let answers = join_all((0..20).map(|_| read("1S"))).await;
        let held = answers.iter().filter(|status| status.message().contains("nothing was sent")).count();
        // A hundredth goes through, and one a second.
        assert_eq!((sent() - before, held >= 15), (20 - held, is_left), "{deadline}: {held}");
    }
    world.reads.becomes(200, 0);
    let mut in_a_row = 0;
    until("all reads to go through", async || {
        in_a_row = if read("10S").await.code() == Code::Ok { in_a_row + 1 } else { 0 };
        in_a_row == 50
    })
    .await;
}
