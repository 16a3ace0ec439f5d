//! The server as such: what it says of itself by reflection, health and probes, and methods it does not have. Metadata,
//! compression and the drain are in the modules below.

mod content_types;
mod drain;
mod encodings;
mod malformed;
mod metadata;
mod others;

use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{
    direct::{Direct, frame},
    live::within,
    platform::{Platform, Reply, task},
    proxy::Proxy,
};

const SERVICE: &str = "xpander.agent.v1.AgentService";

async fn proxy() -> (Platform, Proxy) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    (platform, proxy)
}

fn check_services(mut services: Vec<String>) {
    services.sort();
    for service in [SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(services.iter().any(|listed| listed == service), "{service} is not among {services:?}");
    }
}

#[tokio::test]
async fn reflection_v1_lists_the_services_and_describes_the_messages() {
    use v1::{server_reflection_request::MessageRequest, server_reflection_response::MessageResponse};
    let (_platform, proxy) = proxy().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(proxy.channel());
    let ask = |question| v1::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = vec![
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(SERVICE.to_owned())),
        ask(MessageRequest::FileContainingSymbol("xpander.agent.v1.TaskEvent".to_owned())),
        // What an error's details are read with.
        ask(MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned())),
    ];
    let answers = client.server_reflection_info(Request::new(futures_util::stream::iter(questions))).await;
    let mut answers = answers.expect("reflection").into_inner();
    let first = within("an answer", answers.message()).await.expect("OK").expect("an answer").message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = first else { panic!("no list") };
    check_services(list.service.into_iter().map(|service| service.name).collect());
    while let Some(answer) = within("an answer", answers.message()).await.expect("OK") {
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
            panic!("{:?} has no file", answer.original_request);
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}

#[tokio::test]
async fn reflection_v1alpha_lists_the_services_too() {
    use v1alpha::{server_reflection_request::MessageRequest, server_reflection_response::MessageResponse};
    let (_platform, proxy) = proxy().await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(proxy.channel());
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let question = v1alpha::ServerReflectionRequest { host: String::new(), message_request };
    let answers = client.server_reflection_info(Request::new(futures_util::stream::iter([question]))).await;
    let mut answers = answers.expect("reflection").into_inner();
    let answer = within("an answer", answers.message()).await.expect("OK").expect("an answer").message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("no list") };
    check_services(list.service.into_iter().map(|service| service.name).collect());
}

#[tokio::test]
async fn health_is_known_for_the_server_and_the_service_alone() {
    let (platform, proxy) = proxy().await;
    let mut health = HealthClient::new(proxy.channel());
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", SERVICE] {
        let status = health.check(ask(service)).await.expect("OK").into_inner().status();
        assert_eq!(status.as_str_name(), "SERVING", "{service:?}");
    }
    let unknown = health.check(ask("xpander.agent.v1.Other")).await.expect_err("no such service");
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(platform.paths(), Vec::<String>::new(), "the platform is not asked");
}

#[tokio::test]
async fn what_it_does_not_have_is_unimplemented() {
    let (platform, proxy) = proxy().await;
    let mut direct = Direct::connect(&proxy).await;
    for method in ["Dance", "invoke", "Invoke/more", ""] {
        let status = within("an answer", direct.post(method, &[], frame(b""))).await;
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
        assert!(!status.message().is_empty(), "{method}");
    }
    let mut grpc = tonic::client::Grpc::new(proxy.channel());
    grpc.ready().await.expect("connects");
    let path = http::uri::PathAndQuery::from_static("/other.v1.Service/Call");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let answer = within("an answer", grpc.unary(Request::new(()), path, codec)).await;
    assert_eq!(answer.expect_err("no such service").code(), Code::Unimplemented);
    assert_eq!(platform.paths(), Vec::<String>::new());
}

async fn get(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = within("an answer", client.get(url).send()).await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

#[tokio::test]
async fn the_admin_port_has_probes_and_never_the_api() {
    let (_platform, proxy) = proxy().await;
    assert_eq!(get(&format!("{}/livez", proxy.admin)).await.0, 200);
    assert_eq!(get(&format!("{}/readyz", proxy.admin)).await, (200, "ready\n".to_owned()));
    assert_eq!(get(&format!("{}/", proxy.admin)).await.0, 404);
    let path = format!("{}/{SERVICE}/GetTask", proxy.admin);
    assert_eq!(get(&path).await.0, 404);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let post = client.post(&path).header("content-type", "application/grpc").body(frame(b"")).send().await;
    assert_eq!(post.expect("an answer").status().as_u16(), 404);
    assert_ne!(proxy.admin, proxy.grpc);
}

#[tokio::test]
async fn every_fault_of_the_start_names_its_setting() {
    let taken = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = taken.local_addr().expect("bound");
    for setting in ["server.listen", "server.admin_listen"] {
        let mut settings = crate::support::proxy::settings("http://127.0.0.1:1");
        match setting {
            "server.listen" => settings.server.listen = address,
            _ => settings.server.admin_listen = address,
        }
        let error = xpander_grpc_proxy::app::Bound::bind(&settings).await.err().expect("the port is taken").to_string();
        assert!(error.starts_with(setting) && error.contains(&address.to_string()), "{error}");
    }
}
