//! Requests that replicas have to agree on: whatever they attach, as a stream, and with an id of any size.

use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::{
    config::{Settings, UserField},
    proto::{InvokeRequest, InvokeStreamRequest, Task, TaskEvent, User, invoke_stream_response::Item},
};

use super::{ask, named, pair, posts, replica};
use crate::support::{
    callers::{let_in, with},
    live::{finished, within},
    platform::{Platform, Reply, event, task},
    proxy::Client,
    redis::Redis,
    status::failure,
};

async fn platform() -> Platform {
    Platform::with_agents(|request| match request.path.ends_with("/events") {
        true => {
            Reply::events(&(event("chunk", &json!("one")) + &event("task_finished", &finished("completed", "told"))))
        }
        false => Reply::json(200, &task("task-1", "pending")),
    })
    .await
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_request_id_of_ten_kilobytes_is_refused_and_is_nowhere_in_the_store() {
    let (platform, redis) = (platform().await, Redis::start().await);
    let [one, other] = pair(&platform, &redis).await;
    for id in ["x".repeat(10 << 10), "x".repeat(129), "ünï".to_owned(), "a\nb".to_owned()] {
        let failure = failure(ask(&mut one.client(), named(&id)).await);
        assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["request_id".to_owned()][..]));
        assert_eq!(failure.facts["outcome"], "not_created");
    }
    assert_eq!((posts(&platform), redis.content().await.len()), (0, 0));
    let longest = "x".repeat(128);
    for proxy in [&one, &other] {
        ask(&mut proxy.client(), named(&longest)).await.expect("OK");
    }
    let content = redis.content().await;
    assert_eq!((posts(&platform), content.len(), content[0].0.len()), (1, 1, "xgp1:c:".len() + 64));
}

/// A rollout of pins, users or principals makes no retry another request.
#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn what_a_replica_attaches_makes_no_request_another_one() {
    let (platform, redis) = (platform().await, Redis::start().await);
    let callers = |settings: &mut Settings| let_in(settings, &[("gateway", "t-gateway")]);
    let attaching = replica(&platform, &redis.url(), |settings| {
        callers(settings);
        settings.agents.pins = [("agent-1".to_owned(), "7".to_owned())].into();
        settings.users.callers = ["gateway".to_owned()].into();
        settings.users.metadata = [(UserField::Email, "x-user-email".to_owned())].into();
        settings.users.principal = true;
    })
    .await;
    let plain = replica(&platform, &redis.url(), callers).await;
    let metadata = [("authorization", "Bearer t-gateway"), ("x-user-email", "zoe@acme.io")];
    let ask = async |client: &mut Client, request: InvokeRequest| {
        within("an answer", client.invoke(with(request, &metadata))).await.map(drop)
    };
    for (id, first, second) in [("r-1", &attaching, &plain), ("r-2", &plain, &attaching)] {
        ask(&mut first.client(), named(id)).await.expect("OK");
        ask(&mut second.client(), named(id)).await.expect("the same request");
        // What a caller says itself counts.
        let user = User { email: "zoe@acme.io".to_owned(), ..User::default() };
        let own = InvokeRequest { user_details: Some(user), ..named(id) };
        let version = InvokeRequest { agent_version: Some("7".to_owned()), ..named(id) };
        for other in [own, version] {
            for proxy in [first, second] {
                let failure = failure(ask(&mut proxy.client(), other.clone()).await);
                assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["request_id".to_owned()][..]));
            }
        }
    }
    let creates = platform.seen().into_iter().filter(|request| request.method == "POST");
    let attached = |body: &Value| {
        let input = &body["input"];
        (input["user"]["email"].clone(), body.to_string().contains("gateway"))
    };
    let attached: Vec<_> = creates.map(|request| attached(&request.body)).collect();
    assert_eq!(attached, [(json!("zoe@acme.io"), true), (Value::Null, false)]);
}

async fn stream(client: &mut Client, id: &str) -> (Task, Vec<TaskEvent>) {
    let request = InvokeStreamRequest { invocation: Some(named(id)), heartbeat: None };
    let mut stream = within("a stream", client.invoke_stream(request)).await.expect("OK").into_inner();
    let (mut task, mut events) = (None, Vec::new());
    while let Some(message) = within("the next message", stream.message()).await.expect("OK") {
        match message.item.expect("an item") {
            Item::Task(item) => task = Some(*item),
            Item::Event(event) => events.push(event),
        }
    }
    (task.expect("a task"), events)
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_stream_that_is_invoked_again_on_another_replica_follows_the_first_ones_task() {
    let (platform, redis) = (platform().await, Redis::start().await);
    let [one, other] = pair(&platform, &redis).await;
    let (first, events) = stream(&mut one.client(), "once").await;
    assert_eq!((&*first.id, events.len()), ("task-1", 2));
    let (again, repeated) = stream(&mut other.client(), "once").await;
    assert_eq!((&*again.id, repeated.len()), ("task-1", 2));
    assert_eq!(posts(&platform), 1);
}
