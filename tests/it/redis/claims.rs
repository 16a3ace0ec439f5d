//! One claim for all replicas: who creates, who waits, who reads, and what stands in the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::Notify, time::sleep};
use tonic::{Code, Request};
use xpander_grpc_proxy::proto::InvokeRequest;

use super::{admin, ask, named, pair, posts, replica};
use crate::support::{
    binary::Serving,
    live::within,
    platform::{Platform, Reply, task},
    redis::Redis,
    status::failure,
};

/// A platform whose tasks have numbers.
async fn platform() -> Platform {
    let created = AtomicUsize::new(0);
    Platform::start(move |request| match &*request.method {
        "POST" => Reply::json(200, &task(&format!("task-{}", created.fetch_add(1, Relaxed)), "pending")),
        _ if request.path.starts_with("/agents/") => Reply::json(200, &json!({ "id": "agent-1" })),
        _ => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await
}

/// Waits until the store holds such a value.
async fn holds(redis: &Redis, start: &str) {
    within(start, async {
        while !redis.content().await.iter().any(|(_, value)| value.starts_with(start)) {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_repeat_on_another_replica_reads_the_first_ones_task_and_the_store_knows_hashes_alone() {
    let (platform, redis) = (platform().await, Redis::start().await);
    let [one, other] = pair(&platform, &redis).await;
    let request = || InvokeRequest { prompt: "a secret prompt".into(), ..named("my-request-id") };
    assert_eq!(ask(&mut one.client(), request()).await.expect("OK").id, "task-0");
    holds(&redis, "D1|task-0|1:").await;
    let again = ask(&mut other.client(), request()).await.expect("OK");
    assert_eq!((&*again.id, again.status().as_str_name()), ("task-0", "TASK_STATUS_EXECUTING"));
    // Another's content is refused, another's key is another one.
    let failure = failure(ask(&mut other.client(), named("my-request-id")).await);
    assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["request_id".to_owned()][..]));
    assert_eq!(failure.facts["outcome"], "not_created");
    assert_eq!(posts(&platform), 1);

    let content = redis.content().await;
    let [(key, value)] = &content[..] else { panic!("one: {content:?}") };
    assert!(key.strip_prefix("xgp1:c:").is_some_and(|hash| hash.len() == 64), "{key}");
    assert_eq!(value.len(), "D1|task-0|1:".len() + 32, "{value}");
    let left: i64 = redis.ask(&["PTTL", key]).await;
    assert!((500_000..=600_000).contains(&left), "{left}");
    let whole = format!("{content:?}");
    for secret in ["secret", "my-request-id", "key-under-test", "org-1", "agent-1"] {
        assert!(!whole.contains(secret), "{secret}");
    }
}

/// It is known which task there is, though it cannot be read: that is what is told, remembered and not counted as unknown.
#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_repeat_that_cannot_be_read_on_another_replica_is_known_there_and_read_later() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let platform = Platform::start(move |request| match &*request.method {
        "POST" => Reply::json(200, &task("task-0", "pending")),
        _ if request.path.starts_with("/agents/") => Reply::json(200, &json!({ "id": "agent-1" })),
        _ if broken.load(Relaxed) => Reply::json(500, &json!({ "detail": "not now" })),
        _ => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await;
    let redis = Redis::start().await;
    let [one, other] = pair(&platform, &redis).await;
    ask(&mut one.client(), named("r-1")).await.expect("OK");
    holds(&redis, "D1|task-0|1:").await;
    for _ in 0..2 {
        let failure = failure(ask(&mut other.client(), named("r-1")).await);
        assert_eq!((&*failure.facts["outcome"], &*failure.facts["task_id"]), ("created", "task-0"), "{failure:?}");
    }
    is_broken.store(false, Relaxed);
    assert_eq!(ask(&mut other.client(), named("r-1")).await.expect("OK").id, "task-0");
    let metrics = admin(&other, "metrics").await;
    let unknown = metrics.lines().find(|line| line.starts_with("xpander_creates_unknown_total"));
    assert!(unknown.is_none_or(|line| line.ends_with(" 0")), "{unknown:?}");
    assert_eq!(posts(&platform), 1);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn twenty_callers_of_two_replicas_share_one_create() {
    let redis = Redis::start().await;
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let platform = Platform::start(move |request| match &*request.method {
        "POST" => Reply::After(Arc::clone(&held), Box::new(Reply::json(200, &task("task-1", "pending")))),
        _ if request.path.starts_with("/agents/") => Reply::json(200, &json!({ "id": "agent-1" })),
        _ => Reply::json(200, &task(request.task_id(), "executing")),
    })
    .await;
    let replicas = pair(&platform, &redis).await;
    let calls = (0..20).map(|at| {
        let mut client = replicas[at % 2].client();
        tokio::spawn(async move { ask(&mut client, named("once")).await })
    });
    let calls: Vec<_> = calls.collect();
    holds(&redis, "S1|").await;
    within("the create", async {
        while posts(&platform) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // One who leaves while another replica creates does not know what becomes of it, whichever it asked.
    for replica in &replicas {
        let mut request = Request::new(named("once"));
        request.set_timeout(Duration::from_millis(300));
        let late = failure(crate::support::direct::Direct::connect(replica).await.client().invoke(request).await);
        assert_eq!((late.code, &*late.facts["outcome"]), (Code::DeadlineExceeded, "unknown"));
    }
    release.notify_one();
    for call in join_all(calls).await {
        assert_eq!(call.expect("no panic").expect("OK").id, "task-1");
    }
    assert_eq!(posts(&platform), 1);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn an_unknown_outcome_is_known_to_all_and_a_refusal_is_forgotten_by_all() {
    let redis = Redis::start().await;
    for (reply, reason, creates) in [
        (Reply::Raw(Vec::new()), "PLATFORM_CONNECTION_LOST", 1),
        (Reply::json(502, &json!({})), "PLATFORM_UNAVAILABLE", 1),
        (Reply::json(403, &json!({})), "", 2),
    ] {
        let reply = std::sync::Mutex::new(Some(reply));
        let platform = Platform::with_agents(move |_| {
            let first = reply.lock().expect("no panic").take();
            first.unwrap_or_else(|| Reply::json(200, &task("task-2", "pending")))
        })
        .await;
        let [one, other] = pair(&platform, &redis).await;
        let first = failure(ask(&mut one.client(), named("once")).await);
        if creates == 1 {
            holds(&redis, "U1|").await;
            for proxy in [&one, &other] {
                let again = failure(ask(&mut proxy.client(), named("once")).await);
                assert_eq!((&*again.reason, &*again.facts["outcome"]), ("CREATE_OUTCOME_UNKNOWN", "unknown"));
                assert_eq!((&*again.facts["cause"], again.code), (reason, first.code), "{again:?}");
            }
        } else {
            within("its name is free", async { while ask(&mut other.client(), named("once")).await.is_err() {} }).await;
        }
        assert_eq!(posts(&platform), creates, "{reason}");
        let _: () = redis.ask(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn who_asks_behind_a_replica_that_crashed_hears_that_nobody_knows() {
    let redis = Redis::start().await;
    let platform = Platform::with_agents(|_| Reply::Silence).await;
    let url = redis.url();
    let environment = [
        ("XPANDER_PROXY_DEDUPLICATION__STORE", &*url),
        ("XPANDER_API_KEY", "key-under-test"),
        ("XPANDER_ORGANIZATION_ID", "org-1"),
    ];
    let crashing = Serving::before(&platform.base_url(), &environment).await;
    let mut client =
        super::Client::new(tonic::transport::Endpoint::new(crashing.grpc.clone()).expect("a URL").connect_lazy());
    let call = tokio::spawn(async move { client.invoke(named("once")).await.map(drop) });
    within("the create", async {
        while posts(&platform) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(crashing);
    call.await.expect("no panic").expect_err("cut");
    let other = replica(&platform, &redis.url(), |settings| {
        settings.platform.request_timeout = Duration::from_secs(1);
    })
    .await;
    let unknown = failure(ask(&mut other.client(), named("once")).await);
    assert_eq!((&*unknown.reason, &*unknown.facts["outcome"]), ("CREATE_OUTCOME_UNKNOWN", "unknown"));
    assert_eq!(posts(&platform), 1);
}

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn a_replica_that_drains_writes_down_what_it_does_not_know() {
    let redis = Redis::start().await;
    let platform = Platform::with_agents(|_| Reply::Silence).await;
    let [mut one, other] = pair(&platform, &redis).await;
    let mut client = one.client();
    let call = tokio::spawn(async move { ask(&mut client, named("once")).await });
    within("the create", async {
        while posts(&platform) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    one.shut_down();
    failure(call.await.expect("no panic"));
    one.over().await;
    holds(&redis, "U1|abandoned|").await;
    let unknown = failure(ask(&mut other.client(), named("once")).await);
    assert_eq!((&*unknown.reason, &*unknown.facts["outcome"]), ("CREATE_OUTCOME_UNKNOWN", "unknown"));
    assert_eq!(posts(&platform), 1);
}
