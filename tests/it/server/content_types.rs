//! What a request must say to be gRPC. A web page may send any other content-type to any server without asking it first.

use reqwest::Method;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    binary::Serving,
    direct::frame,
    live::within,
    platform::{Platform, Reply, task},
};

/// What a page may send without asking, and what looks like gRPC's.
const OTHERS: [&[&str]; 19] = [
    &[],
    &[""],
    &["text/plain"],
    &["application/x-www-form-urlencoded"],
    &["multipart/form-data; boundary=x"],
    &["application/json"],
    &["application/proto"],
    &["application/grpc-web"],
    &["application/grpc-web+proto"],
    &["application/grpc-web-text"],
    &["application/grpcs"],
    &["application/grpc ;x"],
    &["application/grpc\t"],
    &["application/grpc/x"],
    &["application/grpc, application/grpc"],
    &["application/grpc", "application/grpc"],
    &["text/plain; application/grpc"],
    &["application/grpc, text/plain"],
    &["application/grpc", "text/plain"],
];

const PATHS: [&str; 6] = [
    "xpander.agent.v1.AgentService/Invoke",
    "xpander.agent.v1.AgentService/InvokeStream",
    "xpander.agent.v1.AgentService/Nothing",
    "grpc.health.v1.Health/Check",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "no.such.Service/Call",
];

async fn post(grpc: &str, path: &str, types: &[&str]) -> reqwest::Response {
    send(Method::POST, grpc, path, types).await
}

/// A request with these content-types, by a client that knows nothing of gRPC.
async fn send(method: Method, grpc: &str, path: &str, types: &[&str]) -> reqwest::Response {
    // reqwest looks for one, also where it speaks cleartext; another test may have been here first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let mut request = client.request(method, format!("{grpc}/{path}")).body(frame(b"\x0a\x07agent-1\x12\x02hi"));
    for value in types {
        request = request.header("content-type", *value);
    }
    within("an answer", request.send()).await.expect("an answer")
}

async fn serving() -> (Platform, Serving) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let serving = Serving::before(&platform.base_url(), &[]).await;
    (platform, serving)
}

#[tokio::test]
async fn a_request_of_another_content_type_is_answered_with_415_and_reaches_nothing() {
    let (platform, mut serving) = serving().await;
    for types in OTHERS {
        for path in PATHS {
            assert_eq!(post(&serving.grpc, path, types).await.status().as_u16(), 415, "{path} {types:?}");
        }
    }
    let answer = post(&serving.grpc, PATHS[0], &["text/plain"]).await;
    let status = Status::from_header_map(answer.headers()).expect("a status, for whoever looks for it");
    let info = status.get_error_details().error_info().expect("an ErrorInfo").clone();
    assert_eq!((status.code(), &*info.reason), (Code::InvalidArgument, "CONTENT_TYPE_UNKNOWN"));
    assert_eq!(info.metadata["outcome"], "not_created");
    let line = serving.line("call").await;
    let text = |name: &str| line[name].as_str().expect("a text");
    assert_eq!((text("code"), text("reason")), ("INVALID_ARGUMENT", "CONTENT_TYPE_UNKNOWN"), "{line:?}");
    assert_eq!((&line["platform_attempts"], text("end")), (&0.into(), "finished"), "{line:?}");
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn every_form_of_grpcs_content_type_is_taken_in_any_letter_case() {
    let (_platform, serving) = serving().await;
    let forms = [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;charset=utf-8",
        "Application/gRPC+Proto",
        "APPLICATION/GRPC",
        "application/grpc+json",
        "application/grpc;x",
        "application/grpc+proto; x=y",
    ];
    for form in forms {
        for path in [PATHS[0], "grpc.health.v1.Health/Check"] {
            let answer = post(&serving.grpc, path, &[form]).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["content-type"]),
                (200, &"application/grpc".parse().expect("a value")),
                "{path} {form}"
            );
        }
    }
}

/// Proxies send a GET again where its answer is lost, and a create would happen twice.
#[tokio::test]
async fn a_request_by_another_method_is_answered_with_405_and_reaches_nothing() {
    let (platform, mut serving) = serving().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"] {
        let method: Method = method.parse().expect("a method");
        for path in PATHS {
            let answer = send(method.clone(), &serving.grpc, path, &["application/grpc"]).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &"POST".parse().expect("a value"))
            );
            let status = Status::from_header_map(answer.headers()).expect("a status, for whoever looks for it");
            let reason = status.get_error_details().error_info().expect("an ErrorInfo").reason.clone();
            assert_eq!((status.code(), &*reason), (Code::InvalidArgument, "HTTP_METHOD_UNKNOWN"), "{method} {path}");
        }
    }
    assert_eq!(serving.line("call").await["reason"], "HTTP_METHOD_UNKNOWN");
    assert_eq!(platform.paths(), Vec::<String>::new());
}
