//! A caller that follows an endless task through Envoy, and resumes after its last event whenever its stream is cut.

use tokio::{sync::watch, task::JoinHandle};
use tonic::{Status, Streaming};
use xpander_grpc_proxy::proto::{
    EventType, InvokeRequest, InvokeStreamRequest, InvokeStreamResponse, StopTaskRequest, StreamEventsRequest,
    StreamEventsResponse, TaskEvent, TaskStatus, invoke_stream_response::Item, task_event::Data,
};

use super::{envoy::Envoy, live::within, load::titled, proxy::Client};

/// What it has seen.
#[derive(Debug, Default)]
pub struct Transcript {
    pub events: Vec<TaskEvent>,
    /// How its streams were cut, each with the id of the last event before.
    pub cuts: Vec<(Status, String)>,
}

impl Transcript {
    /// The numbers of the events that have one: all but the first of each connection.
    pub fn ids(&self) -> Vec<usize> {
        let mut ids = Vec::new();
        for event in &self.events {
            assert_ne!(event.r#type(), EventType::StreamGap, "{event:?}");
            match &event.event_id {
                Some(id) => ids.push(id.parse().expect("a number")),
                None => assert_eq!(event.r#type(), EventType::Connected, "{event:?}"),
            }
        }
        ids
    }
}

/// The caller, reading by itself.
pub struct Follower {
    pub task_id: String,
    client: Client,
    transcript: watch::Sender<Transcript>,
    reading: JoinHandle<()>,
}

impl Follower {
    /// Begins with a task of its own: in one call, or in two.
    pub async fn begin(envoy: &Envoy, title: &str, in_one_call: bool) -> Self {
        let (client, transcript) = (envoy.client(), watch::Sender::new(Transcript::default()));
        // A day.
        let request = InvokeRequest { events_streaming: true, ..titled("slow", "86400000", title) };
        let mut reader = Reader { client: client.clone(), task_id: String::new(), transcript: transcript.clone() };
        let stream = if in_one_call { reader.invoke_stream(request).await } else { reader.invoke(request).await };
        Self { task_id: reader.task_id.clone(), client, transcript, reading: tokio::spawn(reader.read(stream)) }
    }

    /// Waits until so many more events have come.
    pub async fn until_events(&self, more: usize) {
        let begun = self.transcript.borrow().events.len();
        let mut transcript = self.transcript.subscribe();
        let goes_on = transcript.wait_for(|transcript| transcript.events.len() >= begun + more);
        within("so many more events", goes_on).await.expect("it follows");
    }

    pub fn cuts(&self) -> usize {
        self.transcript.borrow().cuts.len()
    }

    /// Stops the task and reads to the end, by when each of its events has come, in order and once.
    pub async fn finish(mut self) -> Transcript {
        let request = StopTaskRequest { task_id: self.task_id.clone() };
        within("an answer", self.client.stop_task(request)).await.expect("stopped");
        within("the stream's end", self.reading).await.expect("no panic");
        let transcript = self.transcript.send_replace(Transcript::default());
        let ids = transcript.ids();
        assert_eq!(ids, (1..=ids.len()).collect::<Vec<_>>(), "each event, in order and once");
        let end = transcript.events.last().expect("events");
        let Some(Data::Task(task)) = &end.data else { panic!("no task: {end:?}") };
        assert_eq!((end.r#type(), task.status()), (EventType::TaskFinished, TaskStatus::Stopped));
        transcript
    }
}

enum Stream {
    Invoked(Streaming<InvokeStreamResponse>),
    Followed(Streaming<StreamEventsResponse>),
}

impl Stream {
    async fn next(&mut self) -> Result<Option<TaskEvent>, Status> {
        Ok(match self {
            Self::Followed(stream) => stream.message().await?.map(|message| message.event.expect("an event")),
            Self::Invoked(stream) => match stream.message().await?.map(|message| message.item.expect("one")) {
                Some(Item::Event(event)) => Some(event),
                Some(Item::Task(task)) => panic!("the task comes first, and once: {task:?}"),
                None => None,
            },
        })
    }
}

struct Reader {
    client: Client,
    task_id: String,
    transcript: watch::Sender<Transcript>,
}

impl Reader {
    async fn invoke_stream(&mut self, request: InvokeRequest) -> Stream {
        let request = InvokeStreamRequest { invocation: Some(request), heartbeat: None };
        let mut stream = within("a stream", self.client.invoke_stream(request)).await.expect("a stream").into_inner();
        let first = within("the task", stream.message()).await.expect("OK").expect("a task");
        let Some(Item::Task(task)) = first.item else { panic!("no task: {first:?}") };
        self.task_id = task.id;
        Stream::Invoked(stream)
    }

    async fn invoke(&mut self, request: InvokeRequest) -> Stream {
        let answer = within("an answer", self.client.invoke(request)).await.expect("OK").into_inner();
        self.task_id = answer.task.expect("a task").id;
        self.follow("").await
    }

    /// Goes on after this event. A read like any other: it does not fail behind Envoy.
    async fn follow(&mut self, last_event_id: &str) -> Stream {
        let (task_id, last_event_id) = (self.task_id.clone(), last_event_id.to_owned());
        let request = StreamEventsRequest { task_id, last_event_id, heartbeat: None };
        let stream = within("a stream", self.client.stream_events(request)).await;
        Stream::Followed(stream.expect("a stream").into_inner())
    }

    async fn read(mut self, mut stream: Stream) {
        let mut last = String::new();
        loop {
            match stream.next().await {
                Ok(Some(event)) => {
                    if let Some(id) = &event.event_id {
                        last.clone_from(id);
                    }
                    self.transcript.send_modify(|transcript| transcript.events.push(event));
                }
                Ok(None) => return,
                Err(status) => {
                    self.transcript.send_modify(|transcript| transcript.cuts.push((status, last.clone())));
                    stream = self.follow(&last).await;
                }
            }
        }
    }
}
