//! A platform with one task whose event stream a test writes piece by piece, and a caller who reads it event by event.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tonic::{Request, Status, Streaming};
use xpander_grpc_proxy::proto::{StreamEventsRequest, StreamEventsResponse, TaskEvent, task_event::Data};

use super::{
    calls::follow,
    direct::Direct,
    platform::{Platform, Reply, event, task},
    proxy::Client,
};

/// What a test waits for. A watchdog, which makes a failure of what would hang, and no measurement: what must come soon
/// is shown by limits of the proxy's own that are longer than this.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(5), future).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// A platform with the task `task-1`; its stream can be opened once.
pub struct Live {
    pub platform: Platform,
    pieces: mpsc::UnboundedSender<Vec<u8>>,
    task: Arc<Mutex<Value>>,
    written: Arc<AtomicUsize>,
}

impl Live {
    /// The task is under way.
    pub async fn executing() -> Self {
        Self::start(task("task-1", "executing")).await
    }

    pub async fn start(task: Value) -> Self {
        let (pieces, stream) = mpsc::unbounded_channel();
        let stream = Mutex::new(Some(stream));
        let (task, written) = (Arc::new(Mutex::new(task)), Arc::new(AtomicUsize::new(0)));
        let (its_task, its_written) = (Arc::clone(&task), Arc::clone(&written));
        let platform = Platform::start(move |request| {
            if !request.path.ends_with("/events") {
                return Reply::json(200, &its_task.lock().expect("no panic"));
            }
            match stream.lock().expect("no panic").take() {
                Some(stream) => Reply::Counted(stream, Arc::clone(&its_written)),
                None => Reply::json(404, &json!({ "detail": "opened once already" })),
            }
        })
        .await;
        Self { platform, pieces, task, written }
    }

    /// Sends these bytes as one piece, at once.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.pieces.send(bytes.as_ref().to_vec()).expect("the platform runs");
    }

    pub fn chunk(&self, text: &str) {
        self.send(event("chunk", &json!(text)));
    }

    /// What the task is from now on.
    pub fn becomes(&self, task: Value) {
        *self.task.lock().expect("no panic") = task;
    }

    /// Ends the stream; the platform goes on.
    pub fn hang_up(self) -> Platform {
        self.platform
    }

    /// How many bytes of the stream the proxy's machine has taken.
    pub fn written(&self) -> usize {
        self.written.load(Relaxed)
    }

    /// How many times the task was read.
    pub fn reads(&self) -> usize {
        self.platform.paths().iter().filter(|path| path.ends_with("/status")).count()
    }
}

/// A task whose result is there, as the platform answers with it.
pub fn finished(status: &str, result: &str) -> Value {
    let mut task = task("task-1", status);
    task["result"] = json!(result);
    task
}

/// A caller that follows a task.
pub struct Followed(pub Streaming<StreamEventsResponse>);

impl Followed {
    /// Follows `task-1`.
    pub async fn begin(client: &mut Client) -> Self {
        Self::with(client, Request::new(follow("task-1"))).await
    }

    pub async fn with(client: &mut Client, request: Request<StreamEventsRequest>) -> Self {
        let stream = within("the stream's beginning", client.stream_events(request)).await;
        Self(stream.expect("a stream").into_inner())
    }

    /// Follows `task-1` over this connection and no other.
    pub async fn with_direct(direct: &Direct) -> Self {
        let stream = within("the stream's beginning", direct.client().stream_events(follow("task-1"))).await;
        Self(stream.expect("a stream").into_inner())
    }

    /// The next event, or how the stream ended.
    pub async fn try_next(&mut self) -> Result<Option<TaskEvent>, Status> {
        let message = within("the next event", self.0.message()).await?;
        Ok(message.map(|message| message.event.expect("an event")))
    }

    /// The next event, which there is.
    pub async fn next(&mut self) -> TaskEvent {
        self.try_next().await.expect("no failure").expect("an event")
    }

    /// The text of the next event, which is a chunk.
    pub async fn text(&mut self) -> String {
        text(self.next().await)
    }

    /// The stream ends now, with OK.
    pub async fn is_over(&mut self) {
        assert_eq!(self.try_next().await.expect("OK"), None);
    }

    /// All events to the end, which is OK.
    pub async fn all(mut self) -> Vec<TaskEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.try_next().await.expect("OK") {
            events.push(event);
        }
        events
    }
}

/// A chunk's text.
pub fn text(event: TaskEvent) -> String {
    match event.data {
        Some(Data::Chunk(text)) => text,
        _ => panic!("no chunk: {event:?}"),
    }
}

/// The result of the task in an event.
pub fn result(event: &TaskEvent) -> &str {
    match &event.data {
        Some(Data::Task(task)) => task.result(),
        _ => panic!("no task: {event:?}"),
    }
}
