//! Which caller may invoke which agent; nothing of a refused invocation reaches the platform.

use tonic::Code;
use xpander_grpc_proxy::{
    config::Settings,
    proto::{InvokeRequest, InvokeStreamRequest},
};

use super::{get, world};
use crate::hostile::zipped;
use crate::support::{
    callers::{bearer, let_in},
    calls::invoke,
    direct::{Direct, frame},
    live::within,
    platform::Platform,
    proxy::Proxy,
    sandbox::World,
    status::{Failure, failure},
};

/// Who may invoke what, a row for each caller.
fn rows(settings: &mut Settings, rows: &[(&str, &[&str])]) {
    let row = |(caller, agents): &(&str, &[&str])| {
        ((*caller).to_owned(), agents.iter().map(|agent| (*agent).to_owned()).collect())
    };
    settings.auth.agents = rows.iter().map(row).collect();
}

const CALLERS: [(&str, &str); 3] = [("orders", "t-orders"), ("billing", "t-billing"), ("admin", "t-admin")];

async fn of(agents: &[(&str, &[&str])]) -> (Platform, Proxy) {
    world(|settings| {
        let_in(settings, &CALLERS);
        rows(settings, agents);
    })
    .await
}

/// Invokes the agent by both calls; whether both let the caller.
async fn may(proxy: &Proxy, token: &str, agent: &str) -> bool {
    let mut client = proxy.client();
    let unary = within("an answer", client.invoke(bearer(invoke(agent), token))).await;
    let request = InvokeStreamRequest { invocation: Some(invoke(agent)), heartbeat: None };
    let stream = within("an answer", client.invoke_stream(bearer(request, token))).await;
    assert_eq!(unary.is_ok(), stream.is_ok(), "{agent}");
    let may = unary.is_ok();
    if !may {
        for failure in [failure(unary), failure(stream)] {
            check(&failure, agent);
        }
    }
    may
}

fn check(failure: &Failure, agent: &str) {
    assert_eq!((failure.code, &*failure.reason), (Code::PermissionDenied, "AGENT_NOT_ALLOWED"));
    assert_eq!(failure.facts["outcome"], "not_created");
    // Whoever may invoke none is refused before anybody reads which one is meant.
    assert!(failure.facts.get("agent_id").is_none_or(|named| named == agent), "{failure:?}");
}

/// Refused with the head: the message never comes.
#[tokio::test]
async fn a_caller_without_a_right_is_refused_before_its_message_has_come() {
    let (platform, proxy) = of(&[("orders", &["echo"]), ("billing", &[])]).await;
    for (token, method) in [("t-billing", "Invoke"), ("t-admin", "Invoke"), ("t-admin", "InvokeStream")] {
        let mut direct = Direct::connect(&proxy).await;
        let never = axum::body::Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let metadata = [("authorization", &*format!("Bearer {token}"))];
        let status = within("a refusal", direct.post_body(method, &metadata, never)).await;
        let failure = failure(Err::<(), _>(status));
        check(&failure, "");
        assert!(!failure.facts.contains_key("agent_id"));
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

/// A field that cannot be decoded: a text that is no UTF-8, as the prompt.
const GARBAGE: &[u8] = b"\x12\x02\xc3\x28";

fn named(agent: &str) -> Vec<u8> {
    [&[0x0a, u8::try_from(agent.len()).expect("short")], agent.as_bytes()].concat()
}

#[tokio::test]
async fn the_right_to_an_agent_is_checked_before_the_message_is_decoded() {
    let (platform, proxy) = of(&[("orders", &["echo"])]).await;
    let (echo, tools) = (named("echo"), named("tools"));
    let rows = [
        ([&*tools, GARBAGE].concat(), "AGENT_NOT_ALLOWED"),
        ([GARBAGE, &*tools].concat(), "AGENT_NOT_ALLOWED"),
        // Of several the last one is meant, as its decoder has it.
        ([&*echo, GARBAGE, &*tools].concat(), "AGENT_NOT_ALLOWED"),
        ([&*tools, GARBAGE, &*echo].concat(), "REQUEST_UNREADABLE"),
        ([&*echo, GARBAGE].concat(), "REQUEST_UNREADABLE"),
        (GARBAGE.to_vec(), "REQUEST_UNREADABLE"),
    ];
    for (message, reason) in rows {
        let streamed = [&[0x0a, u8::try_from(message.len()).expect("short")], &*message].concat();
        for (method, message) in [("Invoke", &message), ("InvokeStream", &streamed)] {
            for (encoding, body) in [("identity", frame(message)), ("gzip", zipped(message))] {
                let metadata = [("authorization", "Bearer t-orders"), ("grpc-encoding", encoding)];
                // In one piece, and byte by byte.
                let bytes = body.clone().into_iter().map(|byte| Ok::<_, std::io::Error>(vec![byte]));
                let dripped = axum::body::Body::from_stream(futures_util::stream::iter(bytes));
                let mut direct = Direct::connect(&proxy).await;
                for body in [axum::body::Body::from(body), dripped] {
                    let status = within("a refusal", direct.post_body(method, &metadata, body)).await;
                    let failure = failure(Err::<(), _>(status));
                    assert_eq!(failure.reason, reason, "{method} {encoding} {message:?}");
                    assert_eq!(failure.facts["outcome"], "not_created");
                }
            }
        }
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn each_caller_has_its_agents_and_all_others_those_of_the_star() {
    let (platform, proxy) = of(&[("orders", &["echo", "tools"]), ("admin", &["*"]), ("*", &["fail"])]).await;
    for (token, agents) in
        [("t-orders", [true, true, false]), ("t-admin", [true; 3]), ("t-billing", [false, false, true])]
    {
        for (agent, expected) in ["echo", "tools", "fail"].into_iter().zip(agents) {
            let reached = || platform.paths().iter().filter(|path| path.ends_with(agent)).count();
            let before = reached();
            assert_eq!(may(&proxy, token, agent).await, expected, "{token} {agent}");
            assert_eq!(reached() > before, expected, "{token} {agent}: what reached the platform");
        }
    }
}

#[tokio::test]
async fn a_caller_without_a_line_and_without_a_star_may_invoke_none_and_still_read() {
    let (platform, proxy) = of(&[("orders", &["echo"])]).await;
    assert!(!may(&proxy, "t-billing", "echo").await);
    assert_eq!(platform.paths(), Vec::<String>::new());
    within("an answer", proxy.client().get_task(bearer(get(), "t-billing"))).await.expect("reading is no invoking");
}

#[tokio::test]
async fn a_caller_without_a_name_has_the_agents_of_the_star() {
    let (platform, proxy) = world(|settings| rows(settings, &[("*", &["echo"])])).await;
    within("an answer", proxy.client().invoke(invoke("echo"))).await.expect("OK");
    let reached = platform.paths().len();
    check(&failure(proxy.client().invoke(invoke("tools")).await), "tools");
    assert_eq!(platform.paths().len(), reached);
}

#[tokio::test]
async fn the_default_agent_needs_the_right_too() {
    let (platform, proxy) = world(|settings| {
        let_in(settings, &CALLERS);
        rows(settings, &[("orders", &["echo"]), ("billing", &["tools"])]);
        settings.agents.default_id = Some("echo".to_owned());
    })
    .await;
    let mut client = proxy.client();
    check(&failure(client.invoke(bearer(invoke(""), "t-billing")).await), "echo");
    let request = || InvokeStreamRequest { invocation: Some(invoke("")), heartbeat: None };
    check(&failure(client.invoke_stream(bearer(request(), "t-billing")).await), "echo");
    // Nor does an invocation that is not there lead to the default.
    let empty = InvokeStreamRequest::default();
    assert_eq!(failure(client.invoke_stream(bearer(empty, "t-billing")).await).code, Code::InvalidArgument);
    assert_eq!(platform.paths(), Vec::<String>::new());
    assert!(may(&proxy, "t-orders", "echo").await);
    within("an answer", client.invoke(bearer(invoke(""), "t-orders"))).await.expect("OK");
}

#[tokio::test]
async fn an_agents_other_name_does_not_get_around_the_list() {
    let world = World::with(|settings| {
        let_in(settings, &CALLERS);
        rows(settings, &[("orders", &["echo"])]);
    })
    .await;
    // The embedded platform knows every agent by two names.
    for name in ["tools-agent", "echo-agent", "Echo", "ECHO", "echo ", "echo/", "./echo", "echo\u{0}", "*"] {
        let request = bearer(invoke(name), "t-orders");
        let refused = failure(within("an answer", world.proxy.client().invoke(request)).await);
        assert_eq!(refused.reason, "AGENT_NOT_ALLOWED", "{name}");
    }
    assert_eq!(world.sandbox.seen().len(), 0, "nothing reached the platform");
    within("an answer", world.proxy.client().invoke(bearer(invoke("echo"), "t-orders"))).await.expect("OK");
}

#[tokio::test]
async fn a_task_that_is_continued_needs_the_right_to_its_agent_as_well() {
    let (platform, proxy) = of(&[("orders", &["echo"])]).await;
    let existing_task_id = Some("task-1".to_owned());
    let request = InvokeRequest { existing_task_id, ..invoke("tools") };
    check(&failure(proxy.client().invoke(bearer(request, "t-orders")).await), "tools");
    assert_eq!(platform.paths(), Vec::<String>::new());
}
