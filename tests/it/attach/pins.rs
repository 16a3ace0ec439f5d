//! Version pins: `agents.pins`, agent id to version; a call's own `agent_version` wins.

use std::collections::BTreeMap;

use xpander_grpc_proxy::proto::InvokeRequest;

use super::{creates, platform, world};
use crate::support::{binary::Serving, calls::invoke, live::within};

/// The versions that an agent is loaded and its task created with, by both calls.
async fn versions(pins: &[(&str, &str)], request: &InvokeRequest) -> Vec<Option<String>> {
    let (platform, proxy) = world(|settings| {
        settings.agents.pins = pins.iter().map(|(id, version)| ((*id).to_owned(), (*version).to_owned())).collect();
        settings.agents.default_id = Some("default".to_owned());
    })
    .await;
    let seen = creates(&platform, &mut proxy.client(), request, &[]).await;
    seen.iter().map(|request| request.header("x-agent-version").map(str::to_owned)).collect()
}

fn both(version: &str) -> Vec<Option<String>> {
    vec![Some(version.to_owned()); 2]
}

#[tokio::test]
async fn a_task_is_pinned_by_the_id_that_is_asked_for() {
    assert_eq!(versions(&[("echo", "7"), ("tools", "8")], &invoke("echo")).await, both("7"));
    assert_eq!(versions(&[("default", "9")], &invoke("")).await, both("9"), "the default agent's too");
}

#[tokio::test]
async fn a_task_is_pinned_by_the_id_that_a_name_leads_to() {
    assert_eq!(versions(&[("by-id", "3")], &invoke("by-name")).await, both("3"));
}

#[tokio::test]
async fn a_calls_own_version_wins() {
    let pins = [("echo", "7"), ("by-id", "3")];
    for agent in ["echo", "by-name"] {
        let request = InvokeRequest { agent_version: Some("1".to_owned()), ..invoke(agent) };
        assert_eq!(versions(&pins, &request).await, both("1"), "{agent}");
    }
    // An empty text counts as unset.
    let request = InvokeRequest { agent_version: Some(String::new()), ..invoke("echo") };
    assert_eq!(versions(&pins, &request).await, both("7"));
}

#[tokio::test]
async fn without_a_pin_there_is_no_header() {
    for pins in [&[][..], &[("tools", "8"), ("ech", "1"), ("Echo", "2")]] {
        assert_eq!(versions(pins, &invoke("echo")).await, [None, None]);
    }
}

#[tokio::test]
async fn the_log_tells_that_a_version_was_pinned_and_not_which() {
    let platform = platform().await;
    let pins = [("XPANDER_PROXY_AGENTS__PINS", "echo=version-4711,by-id=version-4711")];
    let mut serving = Serving::before(&platform.base_url(), &pins).await;
    let mut client = serving.client();
    let own = InvokeRequest { agent_version: Some("1".to_owned()), ..invoke("echo") };
    let mut attached = BTreeMap::new();
    for (case, request) in
        [("pin", invoke("echo")), ("name", invoke("by-name")), ("none", invoke("tools")), ("own", own)]
    {
        within("an answer", client.invoke(request)).await.expect("OK");
        let (line, text) = serving.line_after("call").await;
        assert!(!text.contains("version-4711"), "{text}");
        attached.insert(case, line.get("attached").and_then(|kinds| kinds.as_str()).map(str::to_owned));
    }
    let pinned = Some("version_pin".to_owned());
    assert_eq!(attached, BTreeMap::from([("pin", pinned.clone()), ("name", pinned), ("none", None), ("own", None)]));
}
