//! The embedded platform by itself, over real sockets with a plain HTTP client, which knows of the platform only what is
//! written here.

mod faults;
mod requests;
mod streams;
mod tasks;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use tokio_rustls::rustls;
use xpander_grpc_proxy::sandbox::Sandbox;

/// A sandbox and a client of it.
struct World {
    sandbox: Sandbox,
    client: Client,
}

/// One event as it stood on a stream.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: Option<u64>,
    kind: String,
    body: Value,
}

impl World {
    async fn new() -> Self {
        // The client insists on a TLS provider, which one test of this process installs first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let client = Client::builder().no_proxy().timeout(Duration::from_mins(2)).build().unwrap();
        Self { sandbox, client }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.base_url());
        self.client.request(method, url).header("x-api-key", "key")
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::DELETE, path).send().await.unwrap()).await
    }

    fn creation(&self, agent: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, &format!("/agent-execution/{agent}")).body(body.to_string())
    }

    async fn post(&self, agent: &str, body: Value) -> (u16, Value) {
        read(self.creation(agent, &body).send().await.unwrap()).await
    }

    /// Creates a task with event streaming and says its id.
    async fn create(&self, agent: &str, prompt: &str) -> String {
        let (status, task) = self.post(agent, streamed(prompt)).await;
        assert_eq!(status, 200, "{task}");
        text(&task["id"])
    }

    async fn read_task(&self, id: &str) -> Value {
        let (status, task) = self.get(&format!("/agent-execution/{id}/status")).await;
        assert_eq!(status, 200, "{task}");
        task
    }

    async fn follow(&self, id: &str, last_event_id: Option<u64>) -> Response {
        let mut request = self.request(Method::GET, &format!("/org-1/agent-execution/{id}/events"));
        if let Some(last) = last_event_id {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    }

    /// All events of a stream, to its end.
    async fn events(&self, id: &str, last_event_id: Option<u64>) -> Vec<Event> {
        events_in(&self.follow(id, last_event_id).await.text().await.unwrap())
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

/// Reads a stream until it has shown this text.
async fn read_until(response: &mut Response, text: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(text) {
        let chunk = response.chunk().await.unwrap();
        let chunk = chunk.unwrap_or_else(|| panic!("the stream ended without {text}: {shown}"));
        shown.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    shown
}

fn streamed(prompt: &str) -> Value {
    json!({ "input": { "text": prompt }, "events_streaming": true })
}

fn events_in(stream: &str) -> Vec<Event> {
    assert!(stream.ends_with("\n\n"), "an event is incomplete: {stream}");
    let frames = stream.split("\n\n").filter(|frame| !frame.is_empty() && !frame.starts_with(':'));
    frames
        .map(|frame| {
            let line = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
            let body: Value = serde_json::from_str(line("data: ").unwrap()).unwrap();
            let id = line("id: ").map(|id| id.parse().unwrap());
            Event { id, kind: text(&body["type"]), body }
        })
        .collect()
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

fn spoken(events: &[Event]) -> String {
    events.iter().filter(|event| event.kind == "chunk").map(|event| text(&event.body["data"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
