//! What another replica has made, or has claimed and never says what became of it: what callers hear here, and when.
//! Scripted, over real TCP; these tests need nothing.

use std::time::Duration;

use tonic::{Code, Request};

use super::{connected, named, posts, replica};
use crate::support::{
    direct::Direct,
    live::within,
    platform::{Platform, Reply, task},
    status::failure,
    store::{Store, info, line, text},
    time::SOME_TIME,
};

/// A store in which this stands under every name, for so many milliseconds.
async fn holding(value: &'static str, left: &'static str) -> Store {
    Store::start(move |command| match &*command[0] {
        "SET" | "GET" => text(Some(value)),
        "PTTL" => line(left),
        "EVAL" => line(":0"),
        _ => info(command, "7.2.0").unwrap_or_else(|| line("+OK")),
    })
    .await
}

#[tokio::test]
async fn who_leaves_while_anothers_task_is_read_hears_which_it_is() {
    let store = holding("D1|task-1|2:of-another-version", ":500000").await;
    let platform = Platform::with_agents(|_| Reply::Silence).await;
    let mut proxy = replica(&platform, &store.url(), |_| {}).await;
    connected(&proxy).await;
    let direct = Direct::connect(&proxy).await;
    let mut request = Request::new(named("once"));
    request.set_timeout(SOME_TIME);
    let late = failure(within("its deadline", direct.client().invoke(request)).await);
    let told = |name: &str| late.facts.get(name).map(String::as_str);
    assert_eq!(
        (late.code, told("outcome"), told("task_id")),
        (Code::DeadlineExceeded, Some("created"), Some("task-1"))
    );

    let calls = [(); 2].map(|()| {
        let mut client = proxy.client();
        tokio::spawn(async move { client.invoke(named("once")).await })
    });
    let reads = || platform.paths().iter().filter(|path| path.starts_with("GET /agent-execution/")).count();
    within("the read", async {
        while reads() < 2 || !super::admin(&proxy, "metrics").await.contains("xpander_calls_active 2") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    proxy.shut_down();
    for call in calls {
        let drained = failure(within("the drain", call).await.expect("no panic"));
        let told = |name: &str| drained.facts.get(name).map(String::as_str);
        let outcome = (&*drained.reason, told("outcome"), told("task_id"));
        assert_eq!(outcome, ("PROXY_DRAINING", Some("created"), Some("task-1")));
    }
    assert_eq!(posts(&platform), 0);
}

/// However long the one that made the claim remembers, and where somebody has taken its time away.
#[tokio::test]
async fn a_claim_that_stays_is_waited_for_no_longer_than_a_create_can_take() {
    for left in [":86000000", ":-1"] {
        let store = holding("S1|abababababababababababababababab|2:of-another-version", left).await;
        let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
        let soon = Duration::from_secs(1);
        let proxy = replica(&platform, &store.url(), |settings| settings.platform.request_timeout = soon).await;
        connected(&proxy).await;
        let mut request = Request::new(named("once"));
        request.set_timeout(10 * SOME_TIME);
        let unknown = failure(within("an answer", proxy.client().invoke(request)).await);
        assert_eq!((&*unknown.reason, &*unknown.facts["outcome"]), ("CREATE_OUTCOME_UNKNOWN", "unknown"), "{left}");
        assert_eq!(unknown.facts["cause"], "PROXY_LOST", "{left}: not its deadline");
        assert_eq!(posts(&platform), 0);
    }
}
