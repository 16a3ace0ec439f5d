//! Callers that follow streams, and the one that looks at an answer: tonic's own client, in this process.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::try_join_all;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::{
    Request, Streaming,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;
use xpander_grpc_proxy::proto::{
    EventType, InvokeRequest, StreamEventsRequest, StreamEventsResponse, agent_service_client::AgentServiceClient,
    task_event::Data,
};

use crate::{Outcome, platform::now, samples};

/// How many streams are opened at once.
const OPENED_AT_ONCE: usize = 100;
/// How many streams one connection carries: a few less than the proxy allows.
const STREAMS_PER_CONNECTION: usize = 1_000;

type Client = AgentServiceClient<Channel>;

/// A client on a connection of its own.
pub async fn connect(address: SocketAddr) -> Outcome<Client> {
    Ok(Client::new(channel(address).await?).max_decoding_message_size(usize::MAX))
}

async fn channel(address: SocketAddr) -> Outcome<Channel> {
    let endpoint = Endpoint::new(format!("http://{address}"))?.tcp_nodelay(true);
    // Windows that are no bottleneck for large events.
    let endpoint = endpoint.initial_connection_window_size(64 << 20).initial_stream_window_size(64 << 20);
    Ok(endpoint.connect().await?)
}

/// One Invoke of this agent; the answer as this message.
pub async fn invoke<A: Message + Default + 'static>(address: SocketAddr, agent_id: &str) -> Outcome<A> {
    let mut grpc = Grpc::new(channel(address).await?);
    grpc.ready().await?;
    let path = PathAndQuery::from_static("/xpander.agent.v1.AgentService/Invoke");
    let request = Request::new(samples::invoke_request(agent_id));
    Ok(grpc.unary(request, path, ProstCodec::<InvokeRequest, A>::default()).await?.into_inner())
}

/// Follows this task's stream to its end, so often at the same time; how many events came in all.
pub async fn follow(address: SocketAddr, task_id: &str, at_once: u32) -> Outcome<u64> {
    let client = connect(address).await?;
    let following = (0..at_once).map(|_| async {
        let mut stream = open(client.clone(), task_id).await?;
        let (mut count, mut last) = (0, None);
        while let Some(message) = stream.message().await? {
            count += 1;
            last = message.event.map(|event| event.r#type());
        }
        if last == Some(EventType::TaskFinished) { Ok(count) } else { Err("a stream ended early".into()) }
    });
    try_join_all(following).await.map(|counts| counts.iter().sum())
}

/// How long each chunk of this task, whose data is the time it was sent, took to arrive; in microseconds.
pub async fn delays(address: SocketAddr, task_id: &str) -> Outcome<Vec<f64>> {
    let mut stream = open(connect(address).await?, task_id).await?;
    let mut delays = Vec::new();
    while let Some(message) = stream.message().await? {
        let arrived = now();
        if let Some(Data::Chunk(sent)) = message.event.and_then(|event| event.data) {
            let sent = Duration::from_nanos(sent.parse()?);
            delays.push(arrived.saturating_sub(sent).as_secs_f64() * 1e6);
        }
    }
    Ok(delays)
}

/// Opens so many streams that say one thing and then nothing, and waits for the one thing of each.
pub async fn hold(address: SocketAddr, count: usize) -> Outcome<Vec<Streaming<StreamEventsResponse>>> {
    let mut held = Vec::with_capacity(count);
    let mut client = connect(address).await?;
    while held.len() < count {
        if held.len() % STREAMS_PER_CONNECTION == 0 {
            client = connect(address).await?;
        }
        let next = OPENED_AT_ONCE.min(count - held.len());
        let opening = (0..next).map(|at| {
            let (client, task_id) = (client.clone(), format!("idle-{}", held.len() + at));
            async move {
                let mut stream = open(client, &task_id).await?;
                stream.message().await?.ok_or("a stream ended at once")?;
                Outcome::Ok(stream)
            }
        });
        held.extend(try_join_all(opening).await?);
    }
    Ok(held)
}

async fn open(mut client: Client, task_id: &str) -> Outcome<Streaming<StreamEventsResponse>> {
    let request = StreamEventsRequest { task_id: task_id.to_owned(), ..StreamEventsRequest::default() };
    Ok(client.stream_events(request).await?.into_inner())
}
