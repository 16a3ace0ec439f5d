//! No secret anywhere: values that are marked go through every call and every failure, and are found nowhere but where
//! they belong, in the request to the platform and in the caller's own answer.

mod debug;
mod hostile;
mod marks;
mod platform;
mod told;
mod world;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::sleep;
use tonic::{Request, Streaming};
use xpander_grpc_proxy::proto::{GetTaskRequest, StreamEventsResponse};

use self::{
    marks::{API_KEY, CALLERS_KEY, CREDENTIALS, GATEWAYS_USER, mark, marks},
    platform::{failing, repeats_the_prompt},
    told::{Shows, Told, add, every_call, showing},
    world::{STREAMS, World, good_tokens},
};
use crate::support::{calls::follow, live::within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_marked_value_is_seen_anywhere_with_a_log_of_json() {
    no_marked_value_is_seen_anywhere("json", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_marked_value_is_seen_anywhere_with_a_log_of_text() {
    // What is logged is the same in either format: each body and each way to break once is enough.
    no_marked_value_is_seen_anywhere("text", 6).await;
}

/// With every `step`th of the ids that fail.
async fn no_marked_value_is_seen_anywhere(format: &str, step: usize) {
    let world = World::start(format).await;
    let mut told = Told::default();
    // First, since it looks for the first lines of their kind in the log.
    callers_leave(&world).await;
    files_are_spoilt(&world).await;
    let ids = failing().into_iter().step_by(step).chain(
        ["good", "torn.end", "torn.reset", "torn.in.the.middle", "torn.then.refused", "live.for.a.while"]
            .map(str::to_owned),
    );
    let shows = [Shows::Token, Shows::Key].into_iter().cycle();
    let calls = ids.zip(shows).map(|(id, shows)| {
        let client = world.client();
        async move { every_call(client, &id, shows).await }
    });
    let all: Vec<_> = stream::iter(calls).buffer_unordered(8).collect().await;
    let (mut total, mut answers) = (0, String::new());
    for Told { answers: its_answers, failures } in all {
        total += failures.len();
        told.failures.extend(failures);
        answers += &its_answers;
    }
    assert!(total > 700 / step, "{total}");
    hostile::callers(&world, &mut told).await;
    let (checks, pages) = (checks(&world).await, world.pages().await);
    overload_and_drain(&world, &mut told).await;
    reached_the_platform(&world);
    let (log, exported) = world.end().await;

    for (place, text, proof) in [
        ("the log", &log, "xpander.agent.v1.AgentService/InvokeStream"),
        // The libraries below speak at this level.
        ("the log", &log, "h2::codec::framed_read"),
        ("the log", &log, "hyper_util::client"),
        ("what is exported", &exported, "POST /agent-execution/{agent_id}"),
        ("what is exported", &exported, "rpc.server.call.duration"),
        ("/metrics", &pages, "rpc_server_call_duration_seconds_bucket"),
        ("check", &checks, "telemetry.log_filter = \"trace\""),
    ] {
        assert!(text.contains(proof), "{place} does not tell anything");
        let found = marks(text);
        assert!(found.is_empty(), "{} times in {place}: {:#?}", found.len(), &found[..found.len().min(5)]);
    }
    assert!(log.matches("AgentService/Invoke").count() > 500 / step && log.contains("drained"));
    callers_are_told_no_more_than_they_may_know(&told, &answers);
}

/// Calls that leave while their create is under way: it fails, or its task cannot be stopped.
async fn callers_leave(world: &World) {
    let ends = [
        ("held.status.400.words", "a create failed after its caller left", 1),
        ("held.status.422.list", "a create failed after its caller left", 2),
        ("late", "the abandoned task could not be stopped", 1),
    ];
    for (number, (id, line, times)) in ends.into_iter().enumerate() {
        let mut client = world.client();
        let call =
            tokio::spawn(async move { client.invoke(showing(marks::request(id), Shows::Token)).await.map(drop) });
        let create = format!("POST /agent-execution/{id}");
        within(id, async {
            while !world.platform.paths().contains(&create) {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        call.abort();
        world.logged("\"caller left\"", number + 1).await;
        world.release.notify_one();
        world.logged(line, times).await;
    }
}

/// Files that are exchanged for what is none.
async fn files_are_spoilt(world: &World) {
    world.folder().write_key(&format!("{} {}", mark("key-with-a-space"), mark("behind-it")));
    world.logged("cannot be used", 1).await;
    world.folder().write_tokens(&format!("orders={}\n{}\n", mark("no-hash"), mark("no-line")));
    world.logged("cannot be used", 2).await;
    world.folder().write_key(API_KEY);
    world.folder().write_tokens(&good_tokens());
    world.logged("is in force", 2).await;
}

/// What `check` says to settings that are good, and to those that are not.
async fn checks(world: &World) -> String {
    let mut said = world.check(&[]).await;
    let (key, hash, pair) = (mark("key with spaces"), format!("orders={}", mark("hash")), mark("pair"));
    let url = format!("ftp://user:{}@host/{}", mark("password"), mark("path"));
    for (name, value) in [
        ("XPANDER_API_KEY", &*key),
        ("XPANDER_API_KEY", API_KEY),
        // A key where a file should be named.
        ("XPANDER_API_KEY_FILE", API_KEY),
        ("XPANDER_PROXY_PLATFORM__API_KEY", API_KEY),
        ("XPANDER_PROXY_PLATFORM__APIKEY", API_KEY),
        ("XPANDER_PROXY_PLATFORM__API_KEY_FILE", API_KEY),
        ("XPANDER_PROXY_AUTH__TOKENS", &pair),
        ("XPANDER_PROXY_AUTH__TOKENS", &hash),
        ("XPANDER_PROXY_AUTH__TOKEN", API_KEY),
        ("XPANDER_BASE_URL", &url),
    ] {
        said += &world.check(&[(name, value)]).await;
    }
    said
}

/// As many streams as there may be, and one more; then the drain, which ends one that is left.
async fn overload_and_drain(world: &World, told: &mut Told) {
    let open = async |id: &str| -> Result<Streaming<StreamEventsResponse>, tonic::Status> {
        let mut client = world.client();
        Ok(within(id, client.stream_events(showing(follow(id), Shows::Token))).await?.into_inner())
    };
    let mut held = Vec::new();
    let shed = loop {
        match open(&format!("live.{}", held.len())).await {
            Ok(stream) => held.push(stream),
            Err(status) => break status,
        }
        assert!(held.len() <= STREAMS, "never shed");
    };
    told.failed("shed", &shed);
    let mut last = held.swap_remove(0);
    drop(held);
    world.terminate().await;
    let end = within("the end of the stream", async {
        loop {
            match last.message().await {
                Ok(message) => assert!(message.is_some(), "cut off without a status"),
                Err(status) => return status,
            }
        }
    })
    .await;
    told.failed("drained", &end);
}

/// Where the marked values belong, they are: else their absence elsewhere would mean nothing.
fn reached_the_platform(world: &World) {
    let seen: String = world.platform.seen().iter().map(|seen| format!("{:?} {}", seen.headers, seen.body)).collect();
    let attached: Vec<_> = GATEWAYS_USER.iter().map(|(_, value)| (*value).to_owned()).collect();
    let sent = [
        "prompt",
        "file",
        "signature",
        "email",
        "attribute",
        "payload",
        "schema",
        "context",
        "expected-output",
        "transcript",
        "principal",
        "instructions",
        "mcp-api-key",
        "mcp-client-secret",
        "mcp-headers",
        "mcp-env-vars",
        "user-oidc-token",
        "user-tokens",
        "tracestate",
        "baggage",
    ];
    for value in sent.map(mark).iter().chain(&attached).map(|value| &**value).chain([API_KEY, CALLERS_KEY]) {
        assert!(seen.contains(value), "{value} did not reach the platform");
    }
    for value in [marks::TOKEN, marks::WRONG_TOKEN, marks::COLLECTOR_TOKEN, &mark("other-metadata")] {
        assert!(!seen.contains(value), "{value} reached the platform");
    }
}

fn callers_are_told_no_more_than_they_may_know(told: &Told, answers: &str) {
    assert!(answers.contains(&mark("result")) && answers.contains(&mark("chunk")));
    let secrets = ["user-oidc-token", "user-tokens"].map(mark);
    for secret in CREDENTIALS.into_iter().chain(secrets.iter().map(|secret| &**secret)) {
        assert!(!answers.contains(secret), "{secret} in an answer");
    }
    let mut repeated = 0;
    for failed in &told.failures {
        for secret in CREDENTIALS {
            assert!(!failed.text.contains(secret), "{secret}, {}: {}", failed.case, failed.text);
        }
        if repeats_the_prompt(&failed.case) {
            repeated += usize::from(failed.text.contains(&mark("prompt")));
        } else {
            assert!(marks(&failed.text).is_empty(), "{}: {}", failed.case, failed.text);
        }
    }
    assert!(repeated > 20, "the platform's words reach their callers: {repeated}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marked_value_that_may_be_told_is_found_by_the_same_search() {
    let world = World::start("json").await;
    let mut told = Told::default();
    for task_id in ["good", "c4n4ry"] {
        let mut request = Request::new(GetTaskRequest { task_id: task_id.to_owned() });
        add(request.metadata_mut(), "authorization", &format!("Bearer {}", marks::TOKEN));
        add(request.metadata_mut(), "x-request-id", &mark("request-id"));
        match within("an answer", world.client().get_task(request)).await {
            Ok(_) => assert_eq!(task_id, "good"),
            Err(status) => told.failed("planted", &status),
        }
    }
    world.terminate().await;
    let (log, exported) = world.end().await;
    for (place, text) in [("the log", &log), ("what is exported", &exported), ("the error", &told.failures[0].text)] {
        assert!(!marks(text).is_empty(), "{place}");
    }
}
