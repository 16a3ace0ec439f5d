//! Storms of resets: calls that are cancelled as fast as they are made, which cost their author nothing, make no storm of
//! tasks on the platform, and harm nobody else.

use std::{process, time::Duration};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::{Busy, get};
use crate::support::{
    calls::{follow, invoke},
    direct::Direct,
    live::within,
    proxy::Client,
    raw::{GOAWAY, HEADERS, Manners, RST_STREAM, Raw, reset},
    time::effort,
};

/// How many resets a connection has in these tests.
const MAX_RESETS: u32 = 50;
/// An invocation of `agent-1` with the prompt `hi`.
const INVOCATION: &[u8] = b"\x0a\x07agent-1\x12\x02hi";

async fn busy() -> Busy {
    let busy = Busy::with(|settings| settings.server.max_resets_per_connection = MAX_RESETS).await;
    // The agent is known from now on, so that nothing but the create stands between a call and its task.
    busy.proxy.client().invoke(invoke("agent-1")).await.expect("OK");
    busy
}

/// Creates that the platform has seen, without the one of `busy`.
fn creates(busy: &Busy) -> usize {
    busy.seen("POST") - 1
}

/// Somebody else, who reads a task again and again until told to stop; how much processor time went
/// by meanwhile at the most.
fn somebody_else(client: &Client, stop: &tokio_util::sync::CancellationToken) -> JoinHandle<Duration> {
    let (mut client, stop) = (client.clone(), stop.clone());
    tokio::spawn(async move {
        let mut slowest = Duration::ZERO;
        while !stop.is_cancelled() {
            let before = effort(process::id());
            client.get_task(get("task-1")).await.expect("it is not harmed");
            slowest = slowest.max(effort(process::id()) - before);
        }
        slowest
    })
}

/// 2,000 calls, each reset behind its last byte, in one piece: none of them becomes a task, but for those few that the
/// proxy was given between a call and its reset.
async fn storm(busy: &Busy) {
    let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
    let mut bytes = Vec::new();
    for _ in 0..2_000 {
        let (stream, call) = raw.call("Invoke", INVOCATION);
        bytes.extend([call, reset(stream)].concat());
    }
    // The proxy may close the connection before it has read all.
    raw.send(&bytes).await;
    raw.heard(GOAWAY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_on_one_connection_makes_no_tasks_and_the_connection_is_told_to_leave() {
    let busy = busy().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let other = somebody_else(&busy.proxy.client(), &stop);
    storm(&busy).await;
    stop.cancel();
    let slowest = other.await.expect("unharmed");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert!(creates(&busy) <= MAX_RESETS as usize, "{} creates", creates(&busy));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_on_many_connections_makes_few_tasks_for_each_of_them() {
    const CONNECTIONS: usize = 8;
    let busy = busy().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let other = somebody_else(&busy.proxy.client(), &stop);
    join_all((0..CONNECTIONS).map(|_| storm(&busy))).await;
    stop.cancel();
    let slowest = other.await.expect("unharmed");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert!(creates(&busy) <= CONNECTIONS * MAX_RESETS as usize, "{} creates", creates(&busy));
}

/// A caller that waits with each reset until its create is on its way: the bound is what the settings say.
#[tokio::test]
async fn a_caller_that_resets_what_it_has_created_makes_as_many_tasks_as_it_may_reset_calls() {
    let busy = busy().await;
    let mut raw = Raw::connect(&busy.proxy, Manners::Mute).await;
    for _ in 0..2 * MAX_RESETS as usize {
        let (stream, call) = raw.call("Invoke", b"\x0a\x04held\x12\x02hi");
        let before = creates(&busy);
        raw.send(&call).await;
        // Either it is on its way, or it was refused.
        super::until("a create or a refusal", async || creates(&busy) > before || raw.so_far().of(HEADERS, stream) > 0)
            .await;
        raw.send(&reset(stream)).await;
    }
    let heard = raw.heard(GOAWAY).await;
    assert_eq!(heard.count(RST_STREAM), 0, "refused with a status, not cut off");
    let most = MAX_RESETS as usize + 1;
    assert_eq!(creates(&busy), most, "the one too many is the last");
    // Mute as it is, its connection is still there; what it calls now is refused.
    let (stream, call) = raw.call("Invoke", INVOCATION);
    raw.send(&call).await;
    raw.until("a refusal", |heard| heard.of(HEADERS, stream) > 0).await;
    assert_eq!(creates(&busy), most);
    busy.proxy.client().invoke(invoke("agent-1")).await.expect("others may");
}

/// While the platform does not answer, creates whose callers have left hold their shares: the proxy's own limit is the
/// bound, whatever the number of connections.
#[tokio::test]
async fn creates_without_callers_are_bounded_by_the_calls_that_may_be_under_way() {
    const MAX_CALLS: usize = 10;
    let busy =
        Busy::with(|settings| (settings.server.max_calls, settings.limits.creates) = (MAX_CALLS as u32, 1.0)).await;
    for _ in 0..5 {
        let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
        for _ in 0..10 {
            let (stream, call) = raw.call("Invoke", b"\x0a\x04held\x12\x02hi");
            let before = busy.seen("POST");
            raw.send(&call).await;
            super::until("a create or a refusal", async || {
                busy.seen("POST") > before || raw.so_far().of(HEADERS, stream) > 0
            })
            .await;
            raw.send(&reset(stream)).await;
        }
    }
    assert_eq!(busy.seen("POST"), MAX_CALLS);
}

#[tokio::test]
async fn as_many_resets_as_are_allowed_harm_nothing() {
    let busy = busy().await;
    let direct = Direct::connect(&busy.proxy).await;
    for count in 0..MAX_RESETS as usize {
        let mut client = direct.client();
        let call = tokio::spawn(async move { client.get_task(get("held")).await.map(drop) });
        busy.has_seen("held", count + 1).await;
        call.abort();
        let _ = call.await;
    }
    busy.platform.hung_up(MAX_RESETS as usize).await;
    for _ in 0..10 {
        direct.client().get_task(get("task-1")).await.expect("OK");
    }
}

/// A caller that lost interest, or whose deadline passed.
#[tokio::test]
async fn resets_of_calls_that_have_gone_on_for_a_second_are_not_counted() {
    let busy = Busy::with(|settings| settings.server.max_resets_per_connection = 1).await;
    let direct = Direct::connect(&busy.proxy).await;
    let streams = (0..10).map(|_| {
        let mut client = direct.client();
        async move { client.stream_events(follow("task-1")).await.expect("a stream") }
    });
    let streams = within("the streams", join_all(streams)).await;
    // No luck needed: it is their age that counts.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    drop(streams);
    within("the closing of the platform's streams", busy.platform.hung_up(10)).await;
    for _ in 0..10 {
        direct.client().get_task(get("task-1")).await.expect("OK");
    }
}

#[tokio::test]
async fn a_caller_that_resets_too_much_is_told_to_leave_and_its_other_calls_go_on() {
    let busy = Busy::with(|settings| settings.server.max_resets_per_connection = 2).await;
    let mut raw = Raw::connect(&busy.proxy, Manners::Mute).await;
    let (kept, call) = raw.call("GetTask", b"\x0a\x04held");
    raw.send(&call).await;
    busy.has_seen("held", 1).await;
    for count in 0..3 {
        let (stream, call) = raw.call("GetTask", b"\x0a\x0aheld-reset");
        raw.send(&call).await;
        busy.has_seen("held-reset", count + 1).await;
        raw.send(&reset(stream)).await;
        within("the hang-up", busy.platform.hung_up(count + 1)).await;
    }
    raw.heard(GOAWAY).await;
    busy.go_on.notify_waiters();
    // Head and trailers.
    raw.until("the answer", |heard| heard.of(HEADERS, kept) == 2).await;
}
