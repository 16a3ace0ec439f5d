//! The caller's own platform key: ignored unless switched on, then used with its organization, and told to nobody.

use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::proto::InvokeStreamRequest;

use super::{get, world};
use crate::support::{
    callers::with,
    calls::invoke,
    live::{Followed, finished, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
};

const KEY: &str = "key-of-the-caller-1";

async fn passing() -> (Platform, Proxy) {
    world(|settings| settings.auth.pass_through = true).await
}

/// A read with this metadata, which fails without reaching the platform.
async fn refused(proxy: &Proxy, platform: &Platform, metadata: &[(&'static str, &str)]) -> Failure {
    let before = platform.paths().len();
    let read = failure(within("an answer", proxy.client().get_task(with(get(), metadata))).await);
    let created = failure(within("an answer", proxy.client().invoke(with(invoke("echo"), metadata))).await);
    assert_eq!((created.code, &*created.facts["outcome"]), (read.code, "not_created"), "{metadata:?}");
    assert_eq!(platform.paths().len(), before, "{metadata:?}");
    read
}

#[tokio::test]
async fn it_is_off_unless_it_is_switched_on() {
    let (platform, proxy) = world(|_| {}).await;
    for metadata in [&[("x-api-key", KEY), ("x-organization-id", "org-2")][..], &[("x-organization-id", "a/b")]] {
        within("an answer", proxy.client().get_task(with(get(), metadata))).await.expect("OK");
    }
    for seen in platform.seen() {
        assert_eq!(seen.header("x-api-key"), Some("key-under-test"));
        assert!(!format!("{seen:?}").contains(KEY) && !format!("{seen:?}").contains("org-2"), "{seen:?}");
    }
}

#[tokio::test]
async fn the_callers_key_is_used_for_the_callers_organization() {
    let platform = Platform::with_agents(|request| match request.path.ends_with("/events") {
        true => Reply::events(&event("task_finished", &finished("completed", "done"))),
        false => {
            // Of any organization.
            let mut task = task("task-1", "executing");
            task["organization_id"] = Value::Null;
            Reply::json(200, &task)
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.auth.pass_through = true;
    let proxy = Proxy::with(&settings).await;
    let request = || InvokeStreamRequest { invocation: Some(invoke("echo")), heartbeat: None };
    for (organization, expected) in [(Some("org-2"), "org-2"), (None, "org-1")] {
        let before = platform.seen().len();
        let metadata: Vec<_> = [Some(("x-api-key", KEY)), organization.map(|id| ("x-organization-id", id))]
            .into_iter()
            .flatten()
            .collect();
        let mut client = proxy.client();
        Followed::with(&mut client, with(crate::support::calls::follow("task-1"), &metadata)).await.all().await;
        let mut stream =
            within("a stream", client.invoke_stream(with(request(), &metadata))).await.expect("OK").into_inner();
        while within("a message", stream.message()).await.expect("OK").is_some() {}
        let seen = platform.seen().split_off(before);
        assert!(seen.iter().all(|request| request.header("x-api-key") == Some(KEY)), "{seen:?}");
        let streams: Vec<_> = seen.iter().filter(|request| request.path.ends_with("/events")).collect();
        let path = format!("/{expected}/agent-execution/task-1/events");
        assert!(streams.len() == 2 && streams.iter().all(|request| request.path == path), "{streams:?}");
    }
}

#[tokio::test]
async fn a_caller_without_a_key_uses_the_proxys() {
    let (platform, proxy) = passing().await;
    within("an answer", proxy.client().get_task(get())).await.expect("OK");
    assert_eq!(platform.seen()[0].header("x-api-key"), Some("key-under-test"));
}

#[tokio::test]
async fn the_proxys_key_is_never_used_for_an_organization_that_a_caller_names() {
    let (platform, proxy) = passing().await;
    let failure = refused(&proxy, &platform, &[("x-organization-id", "org-2")]).await;
    assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["x-api-key".to_owned()][..]));
}

#[tokio::test]
async fn a_key_needs_an_organization() {
    let (platform, proxy) = world(|settings| {
        settings.auth.pass_through = true;
        (settings.platform.api_key, settings.platform.organization_id) = (None, None);
    })
    .await;
    let no_organization = refused(&proxy, &platform, &[("x-api-key", KEY)]).await;
    assert_eq!(no_organization.code, Code::InvalidArgument);
    assert_eq!(no_organization.fields, ["x-organization-id"]);
    let nothing = refused(&proxy, &platform, &[]).await;
    assert_eq!((nothing.code, &*nothing.reason), (Code::Unauthenticated, "CALLER_UNAUTHENTICATED"));
    assert!(nothing.message.contains("x-api-key"), "{}", nothing.message);
    let both = with(get(), &[("x-api-key", KEY), ("x-organization-id", "org-1")]);
    within("an answer", proxy.client().get_task(both)).await.expect("OK");
}

#[tokio::test]
async fn what_can_be_no_key_and_no_organization_is_refused_by_name_and_never_repeated() {
    let (platform, proxy) = passing().await;
    let long = "k".repeat(1025);
    for key in ["two words", "schlüssel-3f", &*long, "\ttab"] {
        let metadata = [("x-api-key", key), ("x-organization-id", "org-2")];
        let failure = refused(&proxy, &platform, &metadata).await;
        assert_eq!((failure.code, &*failure.fields), (Code::InvalidArgument, &["x-api-key".to_owned()][..]), "{key}");
        assert!(!failure.message.contains(key), "{}", failure.message);
    }
    let long = "o".repeat(129);
    for organization in ["", ".", "..", "a/b", "a b", "../other", "org\u{e9}", &*long] {
        let metadata = [("x-api-key", KEY), ("x-organization-id", organization)];
        let failure = refused(&proxy, &platform, &metadata).await;
        assert_eq!(failure.fields, ["x-organization-id"], "{organization}");
        assert!(!failure.message.contains(KEY), "{}", failure.message);
    }
    // Which of two is meant is nobody's to guess.
    for (name, other) in [("x-api-key", "key-of-another-1"), ("x-organization-id", "org-3")] {
        let metadata = [("x-api-key", KEY), ("x-organization-id", "org-2"), (name, other)];
        assert_eq!(refused(&proxy, &platform, &metadata).await.fields, [name]);
    }
}

#[tokio::test]
async fn a_key_that_the_platform_echoes_is_cut_out() {
    let platform = Platform::start(|request| {
        let key = request.header("x-api-key").unwrap_or_default();
        let fault = json!({ "loc": ["body", key], "msg": format!("{key} is not valid") });
        match request.path.as_str() {
            "/agents/echo" => Reply::json(422, &json!({ "detail": [fault] })),
            _ => Reply::json(401, &json!({ "detail": format!("the key {key} is not known") })),
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.auth.pass_through = true;
    let proxy = Proxy::with(&settings).await;
    let metadata = [("x-api-key", KEY), ("x-organization-id", "org-2")];
    let mut client = proxy.client();
    let read = within("an answer", client.get_task(with(get(), &metadata))).await.expect_err("refused");
    let created = within("an answer", client.invoke(with(invoke("echo"), &metadata))).await.expect_err("refused");
    assert_eq!(read.message(), "the key (secret) is not known");
    for status in [read, created] {
        let details = String::from_utf8_lossy(status.details()).into_owned();
        let told = format!("{status:?} {details}");
        assert!(!told.contains(KEY) && told.contains("(secret)"), "{told}");
    }
}
