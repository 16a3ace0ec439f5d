//! What surrounds the calls: metadata, reflection, health and TLS.

use std::{collections::BTreeSet, error::Error};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::{
    Code, Status,
    metadata::MetadataMap,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    Scenario,
    api::{GetTaskRequest, Task, agent_service_client::AgentServiceClient},
    failure::failure,
    scenario,
    world::{SERVICE, SOON, agents, asking, content, created, endpoint, soon, variable},
};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("metadata", metadata()),
        scenario("reflection", reflection()),
        scenario("health", health()),
        scenario("tls", tls()),
        scenario("mtls", mutual_tls()),
    ]
}

fn request_id(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("x-request-id")?.to_str().ok()
}

async fn metadata() -> Result<()> {
    let mut agents = agents("PLAIN").await?;
    let mut request = soon(asking("echo", ""));
    request.metadata_mut().insert("x-request-id", "rust-1".parse()?);
    let answer = agents.invoke(request).await?;
    ensure!(request_id(answer.metadata()) == Some("rust-1"));
    let answer = agents.invoke(soon(asking("echo", ""))).await?;
    ensure!(request_id(answer.metadata()).is_some_and(|id| !id.is_empty()), "there is no request id");
    let mut request = soon(GetTaskRequest { task_id: "nope".into() });
    request.metadata_mut().insert("x-request-id", "rust-2".parse()?);
    let Err(status) = agents.get_task(request).await else { bail!("there is a task called nope") };
    ensure!(request_id(status.metadata()) == Some("rust-2"));
    Ok(())
}

/// What reflection answers to one question.
async fn reflected(question: MessageRequest) -> Result<MessageResponse> {
    let mut client = ServerReflectionClient::new(endpoint("PLAIN").connect().await?);
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = tokio_stream::once(request);
    let mut answers = client.server_reflection_info(soon(questions)).await?.into_inner();
    let answer = answers.message().await?.context("there is no answer")?;
    answer.message_response.context("the answer is empty")
}

async fn reflection() -> Result<()> {
    let listed = reflected(MessageRequest::ListServices(String::new())).await?;
    let MessageResponse::ListServicesResponse(list) = listed else { bail!("the answer is {listed:?}, not a list") };
    ensure!(list.service.iter().any(|service| service.name == SERVICE), "{SERVICE} is not in {:?}", list.service);
    let found = reflected(MessageRequest::FileContainingSymbol(SERVICE.into())).await?;
    let MessageResponse::FileDescriptorResponse(files) = found else { bail!("the answer is {found:?}, not files") };
    let mut methods = BTreeSet::new();
    for file in &files.file_descriptor_proto {
        let services = FileDescriptorProto::decode(file.as_slice())?.service;
        methods.extend(services.iter().flat_map(|service| &service.method).map(|method| method.name().to_string()));
    }
    let expected = [
        "GetTask",
        "GetTaskActivity",
        "Invoke",
        "InvokeStream",
        "ListAgents",
        "ListTasks",
        "StopTask",
        "StreamEvents",
        "WaitTask",
    ];
    ensure!(methods.iter().eq(expected), "the methods are {methods:?}");
    Ok(())
}

async fn health() -> Result<()> {
    let mut client = HealthClient::new(endpoint("PLAIN").connect().await?);
    let asked = |service: &str| soon(HealthCheckRequest { service: service.into() });
    for service in ["", SERVICE] {
        let answer = client.check(asked(service)).await?.into_inner();
        ensure!(answer.status() == ServingStatus::Serving, "Check {service}: {answer:?}");
        let first = client.watch(asked(service)).await?.into_inner().message().await?;
        ensure!(
            first.as_ref().is_some_and(|first| first.status() == ServingStatus::Serving),
            "Watch {service}: {first:?}"
        );
    }
    failure(Code::NotFound, client.check(asked("nobody")).await)?;
    Ok(())
}

/// The outcome of an Invoke over TLS.
async fn invoked(server: &str, tls: ClientTlsConfig) -> Result<Result<Task, Status>> {
    let endpoint = Channel::from_shared(format!("https://{}", variable(server)))?.connect_timeout(SOON);
    // Connects with the first call, so that a failed handshake is the call's failure.
    let channel = endpoint.tls_config(tls)?.connect_lazy();
    Ok(created(&mut AgentServiceClient::new(channel), asking("echo", "")).await)
}

fn authority() -> Result<ClientTlsConfig> {
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(content("CA")?)))
}

async fn tls() -> Result<()> {
    ensure!(invoked("TLS", authority()?).await??.agent_id == "echo");
    failure(Code::Unavailable, invoked("TLS", ClientTlsConfig::new().with_native_roots()).await?)?;
    Ok(())
}

/// Over TLS 1.3 the handshake is over for the caller before the server refuses it: what fails is the call, and tonic does
/// not always say UNAVAILABLE of a connection that is closed under it.
async fn mutual_tls() -> Result<()> {
    let identity = Identity::from_pem(content("CERT")?, content("KEY")?);
    ensure!(invoked("MTLS", authority()?.identity(identity)).await??.agent_id == "echo");
    let Err(refused) = invoked("MTLS", authority()?).await? else { bail!("no certificate was needed") };
    let is_transport = refused.source().is_some_and(<dyn Error>::is::<tonic::transport::Error>);
    ensure!(is_transport, "'{refused}' is no error of the connection");
    Ok(())
}
