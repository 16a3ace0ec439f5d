//! A share of each pool for each caller, lent while the pool is idle; the room of creates; and the call that always gets in.

use futures_util::future::join_all;
use tonic::{Code, Streaming};
use xpander_grpc_proxy::proto::{InvokeRequest, StreamEventsResponse};

use super::{World, get, is_limited, let_in, stop, wait};
use crate::{
    load::{Busy, is_shed, until},
    support::{
        callers::bearer,
        calls::{follow, invoke},
        live::within,
        proxy::Client,
        status::failure,
    },
};

type Stream = Streaming<StreamEventsResponse>;

/// Opens streams until one is refused; those that were opened, and the refusal.
async fn all_streams(client: &mut Client, token: &str) -> (Vec<Stream>, tonic::Status) {
    let mut open = Vec::new();
    loop {
        match within("an answer", client.stream_events(bearer(follow("task-1"), token))).await {
            Ok(stream) => open.push(stream.into_inner()),
            Err(status) => return (open, status),
        }
        assert!(open.len() < 100, "no stream is refused");
    }
}

#[tokio::test]
async fn one_caller_on_an_idle_replica_may_use_all_that_is_lent_and_the_rest_is_the_others() {
    let world = World::named(|settings| {
        settings.server.max_streams = 10;
        settings.limits.lend = 0.8;
    })
    .await;
    let mut client = world.proxy.client();
    let (greedy, refused) = all_streams(&mut client, "token-greedy").await;
    assert_eq!(greedy.len(), 8);
    is_limited(refused, "limits.shares", "greedy");
    // On another connection, too: it is the caller's share.
    let again = world.proxy.client().stream_events(bearer(follow("task-1"), "token-greedy")).await;
    is_limited(again.expect_err("its share"), "limits.shares", "greedy");
    let (modest, refused) = all_streams(&mut client, "token-modest").await;
    assert_eq!(modest.len(), 2);
    is_shed(&failure(Err::<(), _>(refused)), "server.max_streams");
    // What the greedy one gives back is the others' first.
    drop(greedy);
    let mut others = Vec::new();
    until("the streams to come back", async || {
        let stream = client.clone().stream_events(bearer(follow("task-1"), "token-other")).await;
        others.extend(stream.ok());
        others.len() == 5
    })
    .await;
}

#[tokio::test]
async fn a_caller_at_its_share_gets_no_more_while_others_are_there_and_they_get_theirs() {
    let world = World::named(|settings| {
        settings.server.max_streams = 10;
        settings.limits.lend = 0.1;
        settings.limits.shares = [("greedy", 0.3), ("*", 0.5)].map(|(name, share)| (name.to_owned(), share)).into();
    })
    .await;
    let mut client = world.proxy.client();
    let (modest, refused) = all_streams(&mut client, "token-modest").await;
    assert_eq!(modest.len(), 5);
    is_limited(refused, "limits.shares", "modest");
    let (greedy, refused) = all_streams(&mut client, "token-greedy").await;
    assert_eq!(greedy.len(), 3);
    is_limited(refused, "limits.shares", "greedy");
    let (other, _) = all_streams(&mut client, "token-other").await;
    assert_eq!(other.len(), 2);
}

#[tokio::test]
async fn where_nobody_has_a_name_there_are_no_shares() {
    let world = World::with(|settings| {
        settings.server.max_streams = 10;
        settings.limits.lend = 0.0;
    })
    .await;
    let (open, refused) = all_streams(&mut world.proxy.client(), "unheard").await;
    assert_eq!(open.len(), 10);
    is_shed(&failure(Err::<(), _>(refused)), "server.max_streams");
}

/// Creates that are held by the platform, so many at once.
fn creates(
    client: &Client,
    token: &'static str,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Result<(), tonic::Status>>> {
    let create = |_| {
        let (mut client, request) = (client.clone(), bearer(invoke("held"), token));
        tokio::spawn(async move { client.invoke(request).await.map(drop) })
    };
    (0..count).map(create).collect()
}

#[tokio::test]
async fn a_storm_of_creates_leaves_room_for_reads_and_for_the_creates_of_others() {
    let busy = Busy::with(|settings| {
        let_in(settings, &super::CALLERS);
        settings.server.max_calls = 20;
        settings.limits.creates = 0.5;
        settings.limits.lend = 0.8;
    })
    .await;
    let mut client = busy.proxy.client();
    // Ten may create, eight of them are lent.
    let held = creates(&client, "token-greedy", 8);
    busy.has_seen("POST", 8).await;
    let refused = client.invoke(bearer(invoke("held"), "token-greedy")).await.expect_err("its share");
    assert_eq!(&*is_limited(refused, "limits.shares", "greedy").facts["outcome"], "not_created");
    let held_too = creates(&client, "token-modest", 2);
    busy.has_seen("POST", 10).await;
    let refused = failure(client.invoke(bearer(invoke("held"), "token-other")).await);
    is_shed(&refused, "limits.creates");
    assert_eq!(&*refused.facts["outcome"], "not_created");
    // Reads and stops of everybody get through.
    for (_, token) in super::CALLERS {
        client.get_task(bearer(get("task-1"), token)).await.expect("OK");
        client.stop_task(bearer(stop("task-1"), token)).await.expect("OK");
    }
    for create in held.into_iter().chain(held_too) {
        create.abort();
    }
}

#[tokio::test]
async fn stop_task_always_gets_in() {
    let busy = Busy::with(|settings| {
        let_in(settings, &super::CALLERS);
        let server = &mut settings.server;
        (server.max_calls, server.max_waits, server.max_streams) = (1, 1, 1);
        server.max_receiving_bytes = 20_000;
        settings.limits.lend = 0.0;
    })
    .await;
    let mut client = busy.proxy.client();
    // Its request holds all the room there is, as long as the platform does not answer.
    let large = InvokeRequest { prompt: "x".repeat(19_000), ..invoke("held") };
    let (mut creating, mut waiting) = (client.clone(), client.clone());
    let held = tokio::spawn(async move { creating.invoke(bearer(large, "token-greedy")).await.map(drop) });
    busy.has_seen("POST", 1).await;
    let held_too =
        tokio::spawn(async move { waiting.wait_task(bearer(wait("task-1"), "token-greedy")).await.map(drop) });
    until("it to wait", async || busy.metric("xpander_waits_active", "").await == "1").await;
    let _stream = client.stream_events(bearer(follow("task-1"), "token-greedy")).await.expect("the one place");
    let refused = failure(client.get_task(bearer(get("task-1"), "token-modest")).await);
    assert_eq!(refused.code, Code::ResourceExhausted);
    let stops = (0..200).map(|_| {
        let mut client = client.clone();
        async move { within("an answer", client.stop_task(bearer(stop("task-1"), "token-greedy"))).await.map(drop) }
    });
    for stopped in join_all(stops).await {
        stopped.expect("a stop always gets in");
    }
    assert_eq!(busy.seen("DELETE"), 200);
    held.abort();
    held_too.abort();
}
