//! What stands in the store is anybody's: nothing in it makes a second task, or is repeated to anybody.

use super::{ask, away::is_away, connected, named, pair, posts};
use crate::support::{
    platform::{Platform, Reply, task},
    redis::Redis,
    status::failure,
};

#[tokio::test]
#[ignore = "needs redis-server: make envoy"]
async fn whatever_stands_under_a_name_creates_nothing() {
    let platform = Platform::start(|request| match &*request.method {
        "GET" if request.path.starts_with("/agents/") => Reply::json(200, &serde_json::json!({ "id": "agent-1" })),
        _ => Reply::json(200, &task("task-1", "pending")),
    })
    .await;
    let redis = Redis::start().await;
    let [one, other] = pair(&platform, &redis).await;
    connected(&other).await;
    let hash = "0".repeat(32);
    let values = [
        String::new(),
        "nonsense".to_owned(),
        format!("D1|../../secrets|1:{hash}"),
        format!("D9|task-1|1:{hash}"),
        "S1||".to_owned(),
        "\r\n+OK\r\n".to_owned(),
        "x".repeat(64 << 10),
    ];
    for (at, value) in values.iter().enumerate() {
        let id = format!("r-{at}");
        let _: () = redis.ask(&["FLUSHALL"]).await;
        ask(&mut one.client(), named(&id)).await.expect("OK");
        let (key, _) = redis.content().await.remove(0);
        let _: () = redis.ask(&["SET", &key, value]).await;
        let unknown = failure(ask(&mut other.client(), named(&id)).await);
        assert_eq!(unknown.reason, "CREATE_OUTCOME_UNKNOWN", "{at}");
        assert!(!unknown.message.contains("nonsense"));
    }
    // What no value is as long as, is not read to its end.
    let _: () = redis.ask(&["FLUSHALL"]).await;
    ask(&mut one.client(), named("huge")).await.expect("OK");
    let (key, _) = redis.content().await.remove(0);
    let _: () = redis.ask(&["SET", &key, &"x".repeat(1 << 20)]).await;
    is_away(ask(&mut other.client(), named("huge")).await);
    connected(&other).await;
    // What is no text, what another version wrote, and a task that is there whatever it is about.
    let _: () = redis.ask(&["FLUSHALL"]).await;
    ask(&mut one.client(), named("list")).await.expect("OK");
    let (key, _) = redis.content().await.remove(0);
    let _: () = redis.ask(&["DEL", &key]).await;
    let _: i64 = redis.ask(&["LPUSH", &key, "x"]).await;
    let unknown = failure(ask(&mut other.client(), named("list")).await);
    assert_eq!(unknown.reason, "CREATE_OUTCOME_UNKNOWN");
    let _: () = redis.ask(&["FLUSHALL"]).await;
    ask(&mut one.client(), named("version")).await.expect("OK");
    let (key, _) = redis.content().await.remove(0);
    let _: () = redis.ask(&["SET", &key, "D1|task-1|2:of-another-version"]).await;
    assert_eq!(ask(&mut other.client(), named("version")).await.expect("OK").id, "task-1");
    assert_eq!(posts(&platform), values.len() + 3);
}
