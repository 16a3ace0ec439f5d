//! Bearer tokens: who shows a right one is let in, by name; nothing of anybody else reaches the platform.

use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use xpander_grpc_proxy::proto::InvokeRequest;

use super::{get, world};
use crate::support::{
    binary::Serving,
    callers::{CALLS, bearer, creates, failures, hex, let_in, with},
    calls::invoke,
    direct::{Direct, frame},
    live::within,
    platform::{Platform, Reply, task},
    proxy::Proxy,
    status::failure,
};

const TOKEN: &str = "token-of-orders-5f1c";

#[tokio::test]
async fn without_a_right_token_nothing_reaches_the_platform() {
    // The settings take no hash of the empty text; where one got in all the same, it lets nobody in.
    let (platform, proxy) = world(|settings| let_in(settings, &[("orders", TOKEN), ("nobody", "")])).await;
    let mut direct = Direct::connect(&proxy).await;
    let (longer, shorter) = (format!("Bearer {TOKEN}x"), format!("Bearer {}", &TOKEN[1..]));
    let (upper, basic) = (format!("Bearer {}", TOKEN.to_uppercase()), format!("Basic {TOKEN}"));
    let (hashed, glued) = (format!("Bearer {}", hex(TOKEN)), format!("Bearer{TOKEN}"));
    for shown in
        ["", "Bearer", "Bearer ", "bearer", "Bearer  \t", TOKEN, &longer, &shorter, &upper, &basic, &hashed, &glued]
    {
        let headers = [("authorization", shown)];
        let headers = if shown.is_empty() { &headers[1..] } else { &headers[..] };
        for (method, failure) in failures(&mut direct, headers).await {
            let expected = (Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
            assert_eq!((failure.code, &*failure.reason), expected, "{method} {shown}");
            let outcome = failure.facts.get("outcome").map(String::as_str);
            assert_eq!(outcome, creates(method).then_some("not_created"), "{method}");
            assert!(!failure.message.contains(TOKEN), "{}", failure.message);
        }
    }
    // Who may not call is not told what there is.
    let unknown = within("an answer", direct.post("Dance", &[], frame(b""))).await;
    assert_eq!(unknown.code(), Code::Unauthenticated);
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_right_token_is_let_in_whatever_the_case_of_its_scheme() {
    let (platform, proxy) = world(|settings| let_in(settings, &[("orders", TOKEN)])).await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = with(get(), &[("authorization", &format!("{scheme} {TOKEN}"))]);
        within("an answer", proxy.client().get_task(request)).await.expect("a right token");
    }
    let shown = format!("Bearer {TOKEN}");
    let mut direct = Direct::connect(&proxy).await;
    // Of this platform every answer is a task.
    let is_of_a_task = |method: &str| !["Stream", "List", "Activity"].iter().any(|word| method.contains(word));
    for (method, body) in CALLS.into_iter().filter(|(method, _)| is_of_a_task(method)) {
        let status = within(method, direct.post(method, &[("authorization", &shown)], frame(body))).await;
        assert_eq!(status.code(), Code::Ok, "{method}");
    }
    let sent = platform.seen();
    assert!(sent.len() > 6 && sent.iter().all(|request| request.header("authorization").is_none()), "{sent:?}");
}

#[tokio::test]
async fn a_caller_may_have_two_tokens_while_one_is_exchanged_for_the_other() {
    let callers = [("orders", "old-token"), ("orders", "new-token"), ("billing", "other-token")];
    let (_platform, proxy) = world(|settings| let_in(settings, &callers)).await;
    for (_, token) in callers {
        within("an answer", proxy.client().get_task(bearer(get(), token))).await.expect("a right token");
    }
}

#[tokio::test]
async fn one_token_among_several_that_is_wrong_is_refused() {
    let (platform, proxy) = world(|settings| let_in(settings, &[("orders", TOKEN)])).await;
    let right = format!("Bearer {TOKEN}");
    for shown in [[&*right, "Bearer wrong"], ["Bearer wrong", &*right]] {
        let metadata = shown.map(|shown| ("authorization", shown));
        let refused = failure(proxy.client().get_task(with(get(), &metadata)).await);
        assert_eq!(refused.code, Code::Unauthenticated, "{shown:?}");
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

async fn health(proxy: &Proxy) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: String::new() };
    let mut client = HealthClient::new(proxy.channel());
    let answer = within("an answer", client.check(request.clone())).await;
    let watched = within("an answer", client.watch(request)).await.map(drop);
    assert_eq!(answer.as_ref().err().map(Status::code), watched.err().map(|status| status.code()));
    answer.map(|answer| answer.into_inner().status)
}

async fn reflection(proxy: &Proxy) -> Result<(), Status> {
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let question = ServerReflectionRequest { host: String::new(), message_request };
    let mut client = ServerReflectionClient::new(proxy.channel());
    let questions = Request::new(futures_util::stream::iter([question]));
    let mut answers = within("an answer", client.server_reflection_info(questions)).await?.into_inner();
    within("an answer", answers.message()).await.map(|answer| assert!(answer.is_some()))
}

#[tokio::test]
async fn health_is_open_to_everybody_and_reflection_is_not_unless_the_settings_have_it_otherwise() {
    for (open_health, open_reflection) in [(true, false), (false, true)] {
        let (platform, proxy) = world(|settings| {
            let_in(settings, &[("orders", TOKEN)]);
            let of_old = (settings.auth.open_health, settings.auth.open_reflection);
            assert_eq!(of_old, (true, false), "the defaults");
            (settings.auth.open_health, settings.auth.open_reflection) = (open_health, open_reflection);
        })
        .await;
        for (is_open, result) in
            [(open_health, health(&proxy).await.map(drop)), (open_reflection, reflection(&proxy).await)]
        {
            match is_open {
                true => result.expect("it is open"),
                false => assert_eq!(failure(result).reason, "CALLER_UNAUTHENTICATED"),
            }
        }
        let refused = failure(proxy.client().get_task(get()).await);
        assert_eq!(refused.code, Code::Unauthenticated, "the API is never open");
        assert_eq!(platform.paths(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn two_callers_with_the_same_request_id_make_two_tasks() {
    let callers = [("orders", "token-1"), ("orders", "token-2"), ("billing", "token-3")];
    let (platform, proxy) = world(|settings| let_in(settings, &callers)).await;
    let named = || InvokeRequest { request_id: "r-1".to_owned(), ..invoke("echo") };
    let creates = || platform.paths().iter().filter(|path| path.starts_with("POST")).count();
    let mut made = Vec::new();
    for (_, token) in callers {
        within("an answer", proxy.client().invoke(bearer(named(), token))).await.expect("OK");
        made.push(creates());
    }
    assert_eq!(made, [1, 1, 2], "one caller with two tokens is one caller");
}

#[tokio::test]
async fn the_access_log_names_the_caller_and_never_the_token() {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "completed"))).await;
    let tokens = format!("orders={}", hex(TOKEN));
    let environment = [("XPANDER_PROXY_AUTH__TOKENS", &*tokens), ("XPANDER_PROXY_TELEMETRY__LOG_FILTER", "trace")];
    let mut serving = Serving::before(&platform.base_url(), &environment).await;
    let mut client = serving.client();
    // One after the other: a line is told when its call is over, which may be after its answer has arrived.
    for (token, code, caller) in [(TOKEN, "OK", json!("orders")), ("wrong-token-77aa", "UNAUTHENTICATED", Value::Null)]
    {
        let answer = within("an answer", client.get_task(bearer(get(), token))).await;
        assert_eq!(answer.is_ok(), code == "OK", "{answer:?}");
        let (line, before) = serving.line_after("call").await;
        let told = line.get("caller").cloned().unwrap_or_default();
        assert_eq!((&line["code"], told), (&json!(code), caller), "{line:?}");
        for secret in [TOKEN, "wrong-token-77aa", &*hex(TOKEN)] {
            assert!(!before.contains(secret), "{before}");
        }
    }
}
